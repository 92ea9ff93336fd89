"""A seeded sample trade, as its systems would tell it: what `demo`, `load`, drills and benches run on.

Generating is pure; only `load` knows a broker. Nothing here may know how the events are worked on.
"""
