"""ListPartitionReassignments."""

from __future__ import annotations

from ottla.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)

API = ListPartitionReassignmentsRequest


def everything(w):
    yield ListPartitionReassignmentsRequest(topics=None)


def some_partitions(w):
    topic = w.topic()
    for name, indexes in ((topic.name, [0]), (topic.name, [9]), (topic.name, []), (w.name("none"), [0])):
        yield ListPartitionReassignmentsRequest(
            topics=[ListPartitionReassignmentsTopics(name=name, partition_indexes=indexes)]
        )


def nothing(w):
    yield ListPartitionReassignmentsRequest(topics=[])
