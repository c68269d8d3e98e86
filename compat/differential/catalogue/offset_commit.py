"""OffsetCommit."""

from __future__ import annotations

from ottla.protocol.messages.offset_commit import OffsetCommitRequest
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup

from ..case import versions
from ..group_requests import commit, consumer_member, join, stable
from ..world import UNKNOWN_ID, Topic

API = OffsetCommitRequest


def _fetched(group):
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])


def of_nobody_in_an_unknown_group(w):
    group, topic = w.group(), w.topic(partitions=2)
    yield commit(group, topic, (0, 1), (1, 7))
    yield _fetched(group)
    yield commit(group, topic, (0, 5))
    yield _fetched(group)


def of_a_member(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group)
    yield commit(group, topic, (0, 3), generation=generation, member=member)
    yield _fetched(group)


def of_nobody_in_a_group_with_members(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group)
    yield commit(group, topic, (0, 3))
    yield commit(group, topic, (0, 3), member=member)
    yield commit(group, topic, (0, 3), generation=generation)


def generations_that_are_wrong(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group)
    for wrong in (generation + 1, generation - 1, -2):
        yield commit(group, topic, (0, 3), generation=wrong, member=member)


def members_that_are_not_there(w):
    group, topic = w.group(), w.topic()
    yield commit(group, topic, (0, 3), generation=1, member="nobody")
    _, generation = stable(w, group)
    yield commit(group, topic, (0, 3), generation=generation, member="nobody")


def before_the_sync(w):
    group, topic = w.group(), w.topic()
    joined = w.ask(join(group, w.ask(join(group)).member_id))
    yield commit(group, topic, (0, 3), generation=joined.generation_id, member=joined.member_id)


def what_is_not_there(w):
    group, topic = w.group(), w.topic()
    yield commit(group, topic, (0, 1), (9, 1), (-1, 1))
    yield commit(group, Topic(w.name("none"), UNKNOWN_ID), (0, 1))
    yield _fetched(group)


@versions("10+")
def a_topic_without_an_id(w):
    yield commit(w.group(), Topic("", bytes(16)), (0, 1))


def an_empty_group_id(w):
    yield commit("", w.topic(), (0, 1))


def a_blank_group_id(w):
    yield commit("  ", w.topic(), (0, 1))


def metadata(w):
    group, topic = w.group(), w.topic(partitions=4)
    yield commit(group, topic, (0, 1), metadata="")
    yield commit(group, topic, (1, 1), metadata=None)
    yield commit(group, topic, (2, 1), metadata="x" * 4096)
    yield commit(group, topic, (3, 1), metadata="x" * 4097)
    yield _fetched(group)


def offsets_that_are_odd(w):
    group, topic = w.group(), w.topic(partitions=3)
    yield commit(group, topic, (0, -1), (1, -7), (2, 2**62))
    yield _fetched(group)


@versions("6+")
def leader_epochs(w):
    group, topic = w.group(), w.topic(partitions=2)
    yield commit(group, topic, (0, 1), committed_leader_epoch=7)
    yield commit(group, topic, (1, 1), committed_leader_epoch=-1)
    yield _fetched(group)


@versions("2-4")
def with_a_retention(w):
    group, topic = w.group(), w.topic()
    request = commit(group, topic, (0, 1))
    request.retention_time_ms = 60_000
    yield request
    yield _fetched(group)


@versions("7+")
def static_members(w):
    group, topic = w.group(), w.topic()
    member, generation = stable(w, group, instance="i")
    yield commit(group, topic, (0, 3), generation=generation, member=member, instance="i")
    yield commit(group, topic, (0, 3), generation=generation, member="other", instance="i")
    yield commit(group, topic, (0, 3), generation=generation, member=member, instance="nobody")


def the_same_partition_twice(w):
    group, topic = w.group(), w.topic()
    yield commit(group, topic, (0, 3), (0, 9))
    yield _fetched(group)


def nothing(w):
    group = w.group()
    yield OffsetCommitRequest(group_id=group)
    yield _fetched(group)


def by_a_member_of_a_consumer_group(w):
    group, topic = w.group(), w.known_topic()
    joined = w.ask(consumer_member(group, "m", topics=[topic.name]))
    yield commit(group, topic, (0, 3), generation=joined.member_epoch, member="m")
    yield commit(group, topic, (0, 3), generation=joined.member_epoch + 5, member="m")
    yield commit(group, topic, (0, 3), generation=joined.member_epoch, member="nobody")
