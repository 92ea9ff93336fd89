"""What the API says of itself: the types of its answers and questions, and what OpenAPI makes of them.

Nothing here answers anything. Tests hold real answers against these types, and the parameters against the parsers.
"""
