"""The read side: a process of its own that follows the projections into RocksDB and answers HTTP.

It decides nothing and writes to no projection; what it may write is events, to the ingress topics.
"""
