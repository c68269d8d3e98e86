"""DescribeQuorum."""

from __future__ import annotations

from ottla.protocol.messages.describe_quorum import DescribeQuorumRequest, PartitionData, TopicData

API = DescribeQuorumRequest

_METADATA = "__cluster_metadata"


def _request(*topics):
    return DescribeQuorumRequest(
        topics=[
            TopicData(topic_name=name, partitions=[PartitionData(partition_index=index) for index in indexes])
            for name, indexes in topics
        ]
    )


def the_quorum(w):
    yield _request((_METADATA, [0]))


def what_has_no_quorum(w):
    topic = w.topic()
    yield _request((topic.name, [0]))
    yield _request((_METADATA, [1]))
    yield _request((w.name("none"), [0]))


def the_quorum_and_something_else(w):
    yield _request((_METADATA, [0, 1]))
    yield _request((_METADATA, [0, 0]))
    yield _request((_METADATA, [0]), (w.topic().name, [0]))


def nothing(w):
    yield _request()
    yield _request((_METADATA, []))
