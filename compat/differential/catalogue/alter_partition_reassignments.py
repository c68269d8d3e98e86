"""AlterPartitionReassignments, with one broker to move to."""

from __future__ import annotations

from ottla.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)

from ..case import versions

API = AlterPartitionReassignmentsRequest


def _request(*topics, **fields):
    return AlterPartitionReassignmentsRequest(
        topics=[
            ReassignableTopic(
                name=name,
                partitions=[ReassignablePartition(partition_index=index, replicas=replicas) for index in indexes],
            )
            for name, indexes, replicas in topics
        ],
        **fields,
    )


def to_where_it_is(w):
    topic = w.topic(partitions=2)
    yield _request((topic.name, [0, 1, 0], [1]), (topic.name, [1], [1]))


def to_brokers_that_are_not_there(w):
    topic = w.topic()
    for replicas in ([2], [1, 2], [2, 1], [-1], [2, 2]):
        yield _request((topic.name, [0], replicas))


def to_the_same_broker_twice(w):
    topic = w.topic()
    for replicas in ([1, 1], [2, 1, 1]):
        yield _request((topic.name, [0], replicas))


def to_nowhere(w):
    yield _request((w.topic().name, [0], []))


def a_move_that_is_not_under_way(w):
    yield _request((w.topic().name, [0], None))


def what_is_not_there(w):
    topic = w.topic()
    yield _request((topic.name, [9, -1], [1]), (w.name("none"), [0], [1]), ("", [0], None))
    yield _request((topic.name, [9], None), (w.name("none"), [0], None))


@versions("1+")
def with_as_many_replicas_as_before(w):
    topic = w.topic()
    for replicas in ([1], [2, 3], []):
        yield _request((topic.name, [0], replicas), allow_replication_factor_change=False)
    yield _request(allow_replication_factor_change=False)


def nothing(w):
    yield _request()
    yield _request((w.topic().name, [], [1]))
