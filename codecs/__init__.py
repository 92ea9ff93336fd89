"""How events, messages and states are written as bytes; every format carries its version.

Nothing here knows what is true of a SKU or an order, and nothing imports Faust, Kafka, RocksDB or HTTP.
"""
