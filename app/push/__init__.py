"""Push: each status change of each order to those who subscribed, in order, signed, until it is taken.

A process of its own (`springtide push`) reads `status-changes`; the log is its queue, so a slow receiver falls
behind alone. Nothing here is needed by what it tells of.
"""
