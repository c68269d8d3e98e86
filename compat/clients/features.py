"""The features that a client program may show, and the facts that Apache Kafka 4.3.1 gives for each.

A program prints one line of JSON for each feature: {"feature": NAME, "ok": true, FACT: VALUE, ...}. Errors are facts
too, by the number that Kafka's protocol has for them (36 is TOPIC_ALREADY_EXISTS). A program that wants the broker
stopped and started again prints {"please": RESTART}, and goes on when it reads a line that says "done". What a client
cannot do, its entry in `programs.py` leaves out; what it does otherwise by its own design stands there as well.
"""

from __future__ import annotations

Facts = dict[str, object]

RESTART = "restart the broker"

ROUND_TRIP: Facts = {"keys": 20, "values": 20, "headers": 20}
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")

KAFKA_SAYS: dict[str, Facts] = {
    "create_topic": {"partitions": 3},
    "create_existing": {"code": 36},
    "create_invalid": {"code": 17},
    "create_partitions": {"partitions": 5},
    "describe_cluster": {"brokers": 1},
    "configs": {"before": "604800000", "after": "60000", "cleanup_policy": "delete"},
    "unknown_topic": {"code": 3},
    **{f"produce_{codec}": ROUND_TRIP for codec in CODECS},
    "acks": {"records": 30},
    "large_message": {"bytes": 900_000},
    "too_large": {"code": 10},
    "group_resume": {"first": 10, "resumed_at": 10, "rest": 10},
    "describe_group": {"state": "Stable", "members": 1},
    "list_groups": {"listed": True},
    "committed_offset": {"offset": 10},
    "move_group": {"offset": 5},
    "shared_group": {"alone": 4, "each": [2, 2]},
    "delete_group": {"listed": False},
    "consumer_protocol": {"records": 20},
    "idempotent": {"records": 100},
    "transactions": {"committed": 20, "uncommitted": 30, "after_the_aborted": "key-20"},
    "transaction_offsets": {"offset": 10, "records": 10},
    "fenced": {"fenced": True},
    "list_offsets": {"earliest": 0, "latest": 20},
    "offsets_for_times": {"at_first": 0, "later": -1},
    "seek_to_time": {"first_read": 10},
    "pause_resume": {"while_paused": 0, "after": 20},
    "delete_records": {"earliest": 5, "first_read": 5},
    "delete_topic": {"gone": True},
    "delete_unknown": {"code": 3},
    "reconnect": {"before": 10, "after": 10, "resumed_at": 10},
}

# What is built on the clients has features of its own.
STREAMS: dict[str, Facts] = {
    "streams_count": {"the": 3, "words": 7, "queried": 3, "internal_topics": 2},
    "streams_exactly_once": {"the": 3, "words": 7, "queried": 3, "internal_topics": 2},
    "streams_join": {"pairs": 2, "right": True},
}
CONNECT: dict[str, Facts] = {
    "connect_file": {"lines": 20, "in_order": True},
    "connect_resume": {"lines": 30, "records": 30, "in_order": True},
    "connect_committed": {"offset": 30},
}
TOOLS: dict[str, Facts] = {
    "tools_topics": {"config": True, "leaders": 2, "twice_fails": True, "grown": True, "gone": True},
    "tools_configs": {"set": True, "taken_back": True, "invalid_fails": True},
    "tools_console": {"first": 10, "rest": 10, "resumed": True},
    "tools_groups": {"listed": True, "at_the_end": True, "moved": True, "gone": True},
    "tools_offsets": {"end": True, "start_moved": True},
    "tools_performance": {"sent": True, "read": True},
    "tools_cluster": {"versions": True, "cluster_id": True, "transactions": True},
}
FASTSTREAM: dict[str, Facts] = {
    "framework_pipeline": {"seen": 20, "doubled": 20, "right": True},
    "framework_resume": {"seen": 10, "doubled": 10, "right": True},
}
SERVED: Facts = {"produce": "served", "read": "served"}
PINNED: dict[str, Facts] = {
    "pinned_newest": SERVED,
    "pinned_1_0": SERVED,
    "pinned_0_11": SERVED,
    # Produce 2 and Fetch 2 went with Kafka 4: the broker closes the connection.
    "pinned_0_10": {"produce": "KafkaConnectionError", "read": "AssertionError"},
}
QUIX: dict[str, Facts] = {"framework_state": {"records": 10, "the": 3, "words": 7}}

GROUPS = {
    "group_resume",
    "describe_group",
    "list_groups",
    "committed_offset",
    "move_group",
    "shared_group",
    "delete_group",
}
TRANSACTIONS = {"transactions", "transaction_offsets", "fenced"}
EVERY = frozenset(KAFKA_SAYS)
RESTARTS = {"reconnect"}  # not with a broker that somebody else started
CLASSIC = EVERY - {"consumer_protocol"}  # clients that are older than KIP-848, or leave it out
