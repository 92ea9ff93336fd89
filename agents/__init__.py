"""Which step each actor takes on a batch: pure functions from states and records to states and messages.

The engine in ``app.engine`` runs them; nothing here awaits, reads a clock or touches a disk.
"""
