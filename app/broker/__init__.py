"""Everything about the Kafka broker itself: fetching and running a local one, reaching one, and its topics.

Nothing here knows what the records mean; the engine's log in `app.engine` writes and reads them.
"""
