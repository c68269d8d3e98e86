"""Looks at a data directory without a broker: what is in it (`inspect`), and whether it is sound (`verify`).

Nothing here changes a byte, creates a file or takes a lock, so both work on a directory that a broker has open, be it
this one or Apache Kafka, and on one that is damaged: what cannot be read is said in its place, the rest is shown.
"""
