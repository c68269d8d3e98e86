"""Bytes to messages and back: Kafka's protocol as data.

Imports nothing of ours and nothing of the world: no sockets, files, clocks, threads, randomness or logging. `schema`
is the vocabulary, `messages` holds one module an API, `stored` the records of the internal topics; `compiler` is the
door to encoding and decoding; `record_batch` and `records` read and build batches; `frames` splits a stream. Every
decoder returns what it read or raises `ProtocolError`. Open `messages/heartbeat.py` first, then `schema.py`.
"""
