"""DescribeTopicPartitions page by page; what Kafka 4.3.1 answers was asked of it with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import describe_topic_partitions
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    TopicRequest,
)

from ..metadata_broker import MetadataBroker


@pytest.fixture
def broker(tmp_path):
    broker = MetadataBroker(tmp_path)
    for name, count in (("t", 4), ("z", 1), ("a", 2)):
        broker.create(name, count)
    return broker


def ask(broker, *names, limit=2000, cursor=None):
    request = DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=None if cursor is None else Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )
    request = decode(DescribeTopicPartitionsRequest, encode(request, 0), 0)
    response = broker.call(describe_topic_partitions, request, 0)
    return decode(DescribeTopicPartitionsResponse, encode(response, 0), 0)


def page(response):
    """Each topic with its error or its partitions, and where the next page begins."""
    topics = [
        (
            topic.name,
            ErrorCode(topic.error_code).name if topic.error_code else [p.partition_index for p in topic.partitions],
        )
        for topic in response.topics
    ]
    following = response.next_cursor
    return topics, None if following is None else (following.topic_name, following.partition_index)


def test_all_topics_come_in_the_order_of_their_names(broker):
    assert page(ask(broker)) == ([("a", [0, 1]), ("t", [0, 1, 2, 3]), ("z", [0])], None)


def test_a_partition_is_told_in_full(broker):
    [topic] = ask(broker, "z").topics
    assert (topic.topic_id, topic.is_internal, topic.topic_authorized_operations) == (
        broker.metadata.image.topics_by_name["z"].topic_id,
        False,
        3576,
    )
    [partition] = topic.partitions
    assert (partition.leader_id, partition.leader_epoch, partition.replica_nodes, partition.isr_nodes) == (
        1,
        0,
        [1],
        [1],
    )
    assert (partition.eligible_leader_replicas, partition.last_known_elr, partition.offline_replicas) == ([], [], [])


@pytest.mark.parametrize(
    ("names", "limit", "cursor", "expected"),
    [
        (["t", "t"], 2000, None, ([("t", [0, 1, 2, 3])], None)),
        (["t"], 2, None, ([("t", [0, 1])], ("t", 2))),
        (["t"], 4, None, ([("t", [0, 1, 2, 3])], None)),
        (["t", "z"], 4, None, ([("t", [0, 1, 2, 3])], ("z", 0))),
        (["t", "unk"], 4, None, ([("t", [0, 1, 2, 3])], ("unk", 0))),
        (["t"], 0, None, ([("t", [0])], ("t", 1))),
        (["t"], -1, None, ([("t", [0])], ("t", 1))),
        (["t", "z"], 10, ("t", 2), ([("t", [2, 3]), ("z", [0])], None)),
        (["t", "z"], 10, ("t", 4), ([("t", []), ("z", [0])], None)),
        (["t", "z"], 10, ("t", 40), ([("t", []), ("z", [0])], None)),
        (["t", "u", "z"], 10, ("u", 3), ([("u", "UNKNOWN_TOPIC_OR_PARTITION"), ("z", [0])], None)),
        ([], 3, ("a", 1), ([("a", [1]), ("t", [0, 1])], ("t", 2))),
        ([], 10, ("u", 3), ([("z", [0])], None)),
        ([], 10, ("zz", 0), ([], None)),
        (["nope", "t"], 2, None, ([("nope", "UNKNOWN_TOPIC_OR_PARTITION"), ("t", [0, 1])], ("t", 2))),
        (["x/y", ".."], 2, None, ([("..", "INVALID_TOPIC_EXCEPTION"), ("x/y", "INVALID_TOPIC_EXCEPTION")], None)),
    ],
)
def test_pages(broker, names, limit, cursor, expected):
    assert page(ask(broker, *names, limit=limit, cursor=cursor)) == expected


@pytest.mark.parametrize("cursor", [("u", 0), ("a", 0), ("", 0), ("t", -1)])
def test_a_cursor_outside_of_what_is_asked_for_is_refused(broker, cursor):
    assert page(ask(broker, "t", "z", cursor=cursor)) == ([("t", "INVALID_REQUEST"), ("z", "INVALID_REQUEST")], None)


def test_an_empty_name_fails_the_whole_request_as_in_kafka(broker):
    assert page(ask(broker, "t", "")) == ([("t", "UNKNOWN_SERVER_ERROR"), ("", "UNKNOWN_SERVER_ERROR")], None)


def test_the_brokers_own_limit_holds(tmp_path):
    broker = MetadataBroker(tmp_path, ["max.request.partition.size.limit=3"])
    broker.create("t", 5)
    assert page(ask(broker)) == ([("t", [0, 1, 2])], ("t", 3))


def test_pages_in_a_row_tell_everything_once(broker):
    seen, cursor = [], None
    while True:
        topics, cursor = page(ask(broker, limit=2, cursor=cursor))
        seen += [(name, index) for name, indexes in topics for index in indexes]
        if cursor is None:
            break
    assert seen == [("a", 0), ("a", 1), ("t", 0), ("t", 1), ("t", 2), ("t", 3), ("z", 0)]
