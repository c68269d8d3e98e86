"""OffsetForLeaderEpoch."""

from __future__ import annotations

from ottla.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

from ..case import versions

API = OffsetForLeaderEpochRequest


def _request(*partitions, **said):
    topics: dict[str, list] = {}
    for name, index, epoch, current in partitions:
        asked = OffsetForLeaderPartition(partition=index, leader_epoch=epoch, current_leader_epoch=current)
        topics.setdefault(name, []).append(asked)
    wanted = [OffsetForLeaderTopic(topic=name, partitions=asked) for name, asked in topics.items()]
    return OffsetForLeaderEpochRequest(topics=wanted, **said)


def every_epoch(w):
    topic = w.topic()
    w.produce(topic, b"1", b"2")
    for epoch in (0, 1, 5, -1, -2):
        yield _request((topic.name, 0, epoch, -1))


def an_empty_log(w):
    topic = w.topic()
    for epoch in (0, 1, -1):
        yield _request((topic.name, 0, epoch, -1))


def current_epochs(w):
    topic = w.topic()
    w.produce(topic, b"1")
    for current in (0, 1, -1, -2):
        yield _request((topic.name, 0, 0, current))


def what_is_not_there(w):
    topic = w.topic()
    yield _request((topic.name, 7, 0, -1), (topic.name, 0, 0, -1), (topic.name, -1, 0, -1), (w.name("none"), 0, 0, -1))


def nothing(w):
    yield _request()


@versions("3+")
def as_a_replica(w):
    topic = w.topic()
    for replica in (-1, -2, 1, 2):
        yield _request((topic.name, 0, 0, -1), replica_id=replica)
