"""Requests about transactions that several modules of the catalogue send."""

from __future__ import annotations

from ottla.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic

from .world import MOMENTARY, batch, produce_request

CLIENTS_VERSION = 3
"""The last of AddPartitionsToTxn that clients send."""


def add(transactional_id, producer, *topics):
    """AddPartitionsToTxn of a client, for (topic name, indexes) pairs."""
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=producer[0],
        v3_and_below_producer_epoch=producer[1],
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=name, partitions=list(indexes)) for name, indexes in topics],
    )


def begun(w, label="x", topic=None):
    """A transaction with one record in it: (transactional id, producer, topic). No part of the transcript."""
    name = w.transactional_id(label)
    topic = topic or w.topic(f"t-{label}")
    producer = w.producer(name)

    def added():
        answer = w.ask(add(name, producer, (topic.name, [0])), CLIENTS_VERSION)
        [result] = answer.results_by_topic_v3_and_below[0].results_by_partition
        assert result.partition_error_code == 0 or result.partition_error_code in MOMENTARY, answer
        return result.partition_error_code == 0

    w.until(added, "the partition is part of the transaction")
    records = batch(b"first", producer=producer, is_transactional=True)
    [answer] = w.ask(produce_request(topic, records, transactional_id=name)).responses
    assert answer.partition_responses[0].error_code == 0, answer
    return name, producer, topic
