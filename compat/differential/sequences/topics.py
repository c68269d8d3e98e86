"""Topics that are made, used, deleted and made again."""

from __future__ import annotations

from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

from ..world import batch, produce_request


def _offsets(topic):
    partitions = [ListOffsetsPartition(partition_index=0, timestamp=at) for at in (-2,)]
    return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic.name, partitions=partitions)])


def _fetch(topic, offset=0):
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1 << 20,
        topics=[FetchTopic(topic=topic.name, topic_id=topic.id, partitions=[wanted])],
    )


def deleted_and_made_again(w):
    old = w.topic()
    yield produce_request(old, batch(b"one", b"two"))
    yield _fetch(old)
    yield DeleteTopicsRequest(topics=[DeleteTopicState(name=old.name)], timeout_ms=30_000)
    w.settle()
    yield _fetch(old)
    yield produce_request(old, batch(b"late"))
    again = CreatableTopic(name=old.name, num_partitions=1, replication_factor=1)
    yield CreateTopicsRequest(topics=[again], timeout_ms=30_000)
    w.await_leaders(old.name)
    new = w.topic_at("t")
    yield _offsets(new)
    yield _fetch(old)
    yield produce_request(old, batch(b"to the old one"))
    yield produce_request(new, batch(b"three"))
    yield _fetch(new)
    yield _offsets(new)
