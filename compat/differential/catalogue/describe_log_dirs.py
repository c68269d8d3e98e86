"""DescribeLogDirs. What all topics together say is not asked: other cases make some meanwhile."""

from __future__ import annotations

from ottla.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest

API = DescribeLogDirsRequest


def _request(*topics):
    return DescribeLogDirsRequest(
        topics=[DescribableLogDirTopic(topic=name, partitions=list(indexes)) for name, indexes in topics]
    )


def empty_partitions(w):
    yield _request((w.topic(partitions=2).name, [0, 1]))


def a_partition_with_records(w):
    topic = w.topic()
    w.produce(topic, b"1", b"2")
    yield _request((topic.name, [0]))


def what_is_not_there(w):
    topic = w.topic()
    yield _request((topic.name, [0, 7, 0, -1]), (w.name("none"), [0]), ("", [0]), ("__cluster_metadata", [0]))


def a_topic_twice(w):
    topic = w.topic(partitions=2)
    yield _request((topic.name, [0]), (topic.name, [1]))


def nothing(w):
    yield _request()
    yield _request((w.topic().name, []))
