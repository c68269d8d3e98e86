"""What the cluster is: topics, partitions, configs, brokers and features, as replaying `__cluster_metadata` gives them.

`image.py` is the state and the only place where it changes. `topic_creation.py`, `partition_creation.py`,
`registration.py` and their like decide which records a request asks for, without touching anything.
`metadata_log.py` keeps the records in a KRaft log on disk. `cluster_metadata.py` joins the three: decide, append,
replay, tell the listeners. Begin there.
"""
