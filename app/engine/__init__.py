"""Partition actors with atomic steps: batches in, one transaction a step, RocksDB only after the log.

The engine knows nothing of SKUs and orders; it runs any `agents.work.Behaviour` over any `Log` and `Store`.
"""
