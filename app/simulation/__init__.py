"""A deterministic simulation of whole installations: from a seed, events, workers, faults, and the invariants.

It runs the real actors over the log and stores in memory, steps their coroutines by hand, and reads no clock
and no randomness but the seed's, so that a failing seed fails again.
"""
