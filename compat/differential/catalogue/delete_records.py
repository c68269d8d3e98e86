"""DeleteRecords."""

from __future__ import annotations

from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

API = DeleteRecordsRequest


def _request(*partitions):
    topics: dict[str, list] = {}
    for name, index, offset in partitions:
        topics.setdefault(name, []).append(DeleteRecordsPartition(partition_index=index, offset=offset))
    wanted = [DeleteRecordsTopic(name=name, partitions=asked) for name, asked in topics.items()]
    return DeleteRecordsRequest(topics=wanted, timeout_ms=30_000)


def _begin(topic):
    asked = [ListOffsetsPartition(partition_index=0, timestamp=-2)]
    return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic.name, partitions=asked)])


def up_to_an_offset(w):
    topic = w.topic()
    w.produce(topic, b"1", b"2", b"3")
    w.produce(topic, b"4")
    for offset in (2, 2, 1, 3, 0):
        yield _request((topic.name, 0, offset))
        yield _begin(topic)


def all_of_it(w):
    topic = w.topic()
    w.produce(topic, b"1", b"2", b"3")
    yield _request((topic.name, 0, -1))
    yield _begin(topic)


def beyond_the_end(w):
    topic = w.topic()
    w.produce(topic, b"1")
    for offset in (1, 2, 100, -2, -100):
        yield _request((topic.name, 0, offset))


def an_empty_log(w):
    topic = w.topic()
    for offset in (0, -1, 1):
        yield _request((topic.name, 0, offset))


def what_is_not_there(w):
    topic = w.topic()
    yield _request((topic.name, 0, 0), (topic.name, 8, 0), (w.name("none"), 0, 0))
    yield _request((topic.name, -1, 0))


def the_same_partition_twice(w):
    topic = w.topic()
    w.produce(topic, b"1", b"2", b"3")
    yield _request((topic.name, 0, 1), (topic.name, 0, 2))


def nothing(w):
    yield _request()


def a_compacted_topic(w):
    topic = w.topic(cleanup_policy="compact")
    w.produce(topic, b"1", key=b"k")
    yield _request((topic.name, 0, 1))


def a_topic_that_is_compacted_and_deleted(w):
    topic = w.topic(cleanup_policy="compact,delete")
    w.produce(topic, b"1", key=b"k")
    yield _request((topic.name, 0, 1))


def an_internal_topic(w):
    yield _request(("__consumer_offsets", 0, 0))
