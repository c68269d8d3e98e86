"""OffsetDelete."""

from __future__ import annotations

from ottla.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)

from ..group_requests import commit, stable, subscription

API = OffsetDeleteRequest


def _request(group, *topics):
    wanted = [
        OffsetDeleteRequestTopic(
            name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in indexes]
        )
        for name, indexes in topics
    ]
    return OffsetDeleteRequest(group_id=group, topics=wanted)


def what_was_committed(w):
    group, topic = w.group(), w.topic(partitions=2)
    w.ask(commit(group, topic, (0, 1), (1, 2)))
    yield _request(group, (topic.name, [0]))
    yield _request(group, (topic.name, [0, 1]))
    yield _request(group, (topic.name, [1]))


def what_is_not_there(w):
    group, topic = w.group(), w.topic()
    w.ask(commit(group, topic, (0, 1)))
    yield _request(group, (topic.name, [9, 0]), (w.name("none"), [0]))


def an_unknown_group(w):
    yield _request(w.group("none"), (w.topic().name, [0]))
    yield _request("", (w.topic("b").name, [0]))


def nothing(w):
    group = w.group()
    w.ask(commit(group, w.topic(), (0, 1)))
    yield _request(group)


def topics_that_are_read(w):
    group, read, other = w.group(), w.topic("read"), w.topic("other")
    member, generation = stable(w, group, protocols=(("range", subscription(read.name)),))
    w.ask(commit(group, other, (0, 1), generation=generation, member=member))
    yield _request(group, (read.name, [0]), (other.name, [0]))


def of_a_group_that_is_no_consumers(w):
    group, topic = w.group(), w.topic()
    stable(w, group, kind="connect")
    yield _request(group, (topic.name, [0]))
