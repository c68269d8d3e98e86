"""DescribeTopicPartitions."""

from __future__ import annotations

from ottla.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)

API = DescribeTopicPartitionsRequest


def _request(*names, limit=2000, cursor=None):
    at = Cursor(topic_name=cursor[0], partition_index=cursor[1]) if cursor else None
    topics = [TopicRequest(name=name) for name in names]
    return DescribeTopicPartitionsRequest(topics=topics, response_partition_limit=limit, cursor=at)


def several_topics(w):
    yield _request(w.topic("b", 2).name, w.topic("a").name)


def known_and_unknown(w):
    yield _request(w.topic().name, w.name("none"))


def names_that_are_not_valid(w):
    yield _request("", "a b", "..")


def the_same_topic_twice(w):
    name = w.topic().name
    yield _request(name, name)


def page_by_page(w):
    names = [w.topic("a", 3).name, w.topic("b", 2).name, w.topic("c").name]
    for limit in (1, 2, 3, 4, 6):
        yield _request(*names, limit=limit)
    for cursor in ((names[0], 1), (names[0], 3), (names[1], 0), (names[2], 1), (w.name("bb"), 0), (w.name("z"), 0)):
        yield _request(*names, limit=2, cursor=cursor)


def limits_that_are_not_valid(w):
    name = w.topic(partitions=2).name
    for limit in (0, -1, 2**31 - 1):
        yield _request(name, limit=limit)


def cursors_that_are_not_valid(w):
    name = w.topic(partitions=2).name
    for cursor in ((name, -1), (name, 9), ("", 0)):
        yield _request(name, cursor=cursor)


def an_internal_topic(w):
    yield _request("__consumer_offsets")
