"""A whole Springtide on this machine: broker, workers and views as processes, watched.

Nothing here works on events; it knows the processes by their commands, exit statuses and metrics.
"""
