"""CreatePartitions."""

from __future__ import annotations

from ottla.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

API = CreatePartitionsRequest


def _to(name, count, *brokers, assigned=False):
    assignments = [CreatePartitionsAssignment(broker_ids=list(ids)) for ids in brokers] if brokers or assigned else None
    return CreatePartitionsTopic(name=name, count=count, assignments=assignments)


def _request(*topics, **said):
    return CreatePartitionsRequest(topics=list(topics), timeout_ms=30_000, **said)


def two_more(w):
    topic = w.topic(partitions=1)
    yield _request(_to(topic.name, 3))
    w.await_leaders(topic.name, 3)
    yield MetadataRequest(topics=[MetadataRequestTopic(name=topic.name)])


def several_topics(w):
    yield _request(_to(w.topic("a").name, 2), _to(w.topic("b", 2).name, 4))


def no_topics(w):
    yield _request()


def as_many_as_there_are(w):
    yield _request(_to(w.topic(partitions=2).name, 2))


def fewer(w):
    yield _request(_to(w.topic(partitions=2).name, 1))


def none_and_fewer_than_none(w):
    topic = w.topic()
    yield _request(_to(topic.name, 0))
    yield _request(_to(topic.name, -1))


def an_unknown_topic(w):
    yield _request(_to(w.name("none"), 3))


def known_and_unknown(w):
    yield _request(_to(w.name("none"), 3), _to(w.topic().name, 2))


def names_that_are_not_valid(w):
    yield _request(_to("", 3), _to("a b", 3))


def the_same_topic_twice(w):
    topic = w.topic()
    yield _request(_to(topic.name, 2), _to(topic.name, 3))


def only_validated(w):
    topic = w.topic()
    yield _request(_to(topic.name, 2), validate_only=True)
    yield _request(_to(topic.name, 1), validate_only=True)
    yield MetadataRequest(topics=[MetadataRequestTopic(name=topic.name)])


def assigned_by_hand(w):
    yield _request(_to(w.topic().name, 3, [1], [1]))


def assigned_to_too_few(w):
    yield _request(_to(w.topic().name, 3, [1]))


def assigned_to_too_many(w):
    yield _request(_to(w.topic().name, 2, [1], [1]))


def assigned_to_nobody(w):
    topic = w.topic()
    yield _request(_to(topic.name, 2, assigned=True))
    yield _request(_to(topic.name, 2, []))


def assigned_to_a_broker_that_is_not(w):
    yield _request(_to(w.topic().name, 2, [7]))


def assigned_twice_to_one_broker(w):
    yield _request(_to(w.topic().name, 2, [1, 1]))


def assigned_to_a_negative_broker(w):
    yield _request(_to(w.topic().name, 2, [-1]))
