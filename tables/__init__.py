"""The domain: what is true of a SKU and of an order, as state with its pure functions.

No IO, no clock, no randomness, and no import of Faust, Kafka, RocksDB or HTTP.
"""
