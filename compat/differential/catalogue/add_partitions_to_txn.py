"""AddPartitionsToTxn."""

from __future__ import annotations

from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)

from ..case import Once, versions

API = AddPartitionsToTxnRequest


def _request(w, name, producer, *topics, verify_only=False):
    """The partitions of (topic name, indexes) pairs, in the form of the version."""
    wanted = [AddPartitionsToTxnTopic(name=topic, partitions=list(indexes)) for topic, indexes in topics]
    if w.version >= 4:
        return AddPartitionsToTxnRequest(transactions=[_one(name, producer, wanted, verify_only)])
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer[0],
        v3_and_below_producer_epoch=producer[1],
        v3_and_below_topics=wanted,
    )


def _one(name, producer, topics, verify_only=False):
    return AddPartitionsToTxnTransaction(
        transactional_id=name,
        producer_id=producer[0],
        producer_epoch=producer[1],
        verify_only=verify_only,
        topics=topics,
    )


def several_partitions(w):
    topic, name = w.topic(partitions=3), w.transactional_id()
    producer = w.producer(name)
    yield _request(w, name, producer, (topic.name, [0, 2]))
    yield _request(w, name, producer, (topic.name, [2, 1]))


def what_is_not_there(w):
    topic, name = w.topic(), w.transactional_id()
    producer = w.producer(name)
    yield Once(_request(w, name, producer, (topic.name, [0, 9])))
    yield Once(_request(w, name, producer, (w.name("none"), [0]), (topic.name, [0])))


def nothing(w):
    name = w.transactional_id()
    yield _request(w, name, w.producer(name))


def producers_that_are_wrong(w):
    topic, name = w.topic(), w.transactional_id()
    producer = w.producer(name)
    for wrong in (
        (producer.id, producer.epoch + 1),
        (producer.id, -1),
        (producer.id + 500_000, 0),
        (-1, -1),
    ):
        yield _request(w, name, wrong, (topic.name, [0]))


def an_older_producer(w):
    topic, name = w.topic(), w.transactional_id()
    older = w.producer(name)
    w.producer(name)
    yield _request(w, name, older, (topic.name, [0]))


def an_unknown_transactional_id(w):
    topic, name = w.topic(), w.transactional_id()
    yield _request(w, name, (5, 0), (topic.name, [0]))


def an_empty_transactional_id(w):
    topic = w.topic()
    yield Once(_request(w, "", (5, 0), (topic.name, [0])))


@versions("4+")
def only_verified(w):
    topic, name = w.topic(partitions=2), w.transactional_id()
    producer = w.producer(name)
    yield _request(w, name, producer, (topic.name, [0]), verify_only=True)
    yield _request(w, name, producer, (topic.name, [0]))
    yield _request(w, name, producer, (topic.name, [0, 1]), verify_only=True)


@versions("4+")
def several_transactions(w):
    topic = w.topic()
    first, second = w.transactional_id("a"), w.transactional_id("b")
    wanted = [AddPartitionsToTxnTopic(name=topic.name, partitions=[0])]
    yield AddPartitionsToTxnRequest(
        transactions=[
            _one(first, w.producer(first), wanted),
            _one(second, w.producer(second), wanted),
            _one(w.transactional_id("none"), (5, 0), wanted),
        ]
    )


def an_internal_topic(w):
    name = w.transactional_id()
    yield _request(w, name, w.producer(name), ("__consumer_offsets", [0]))
