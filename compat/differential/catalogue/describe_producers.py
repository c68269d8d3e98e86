"""DescribeProducers."""

from __future__ import annotations

from ottla.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest

API = DescribeProducersRequest


def _request(*topics):
    return DescribeProducersRequest(
        topics=[TopicRequest(name=name, partition_indexes=list(indexes)) for name, indexes in topics]
    )


def nobody(w):
    yield _request((w.topic(partitions=2).name, [0, 1]))


def an_idempotent_producer(w):
    topic, producer = w.topic(), w.producer()
    w.produce(topic, b"1", b"2", producer=producer)
    yield _request((topic.name, [0]))


def what_is_not_there(w):
    topic = w.topic()
    yield _request((topic.name, [0, 5]), (w.name("none"), [0]))


def names_that_are_not_valid(w):
    yield _request(("", [0]), ("a b", [0]))


def nothing(w):
    yield _request()
    yield _request((w.topic().name, []))
