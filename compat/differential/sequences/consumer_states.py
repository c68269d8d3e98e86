"""Everything that can be asked of a consumer group, in each of its states: one short life for each pair."""

from __future__ import annotations

from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest

from ..group_requests import commit, consumer_member

_EPOCH = {"no group": 2, "empty": 2, "assigning": 3, "reconciling": 2, "stable": 3}
"""The epoch of the member that asks."""


def _beat(group, member, epoch, topic=None, owned=(), **said):
    held = None if topic is None else [TopicPartitions(topic_id=topic.id, partitions=list(owned))]
    return ConsumerGroupHeartbeatRequest(
        group_id=group, member_id=member, member_epoch=epoch, topic_partitions=held, **said
    )


def _prepare(w, state, group, topic):
    """Bring a group into a state; no part of the transcript."""
    if state == "no group":
        return
    w.ask(consumer_member(group, "a", topics=[topic.name]))
    if state == "empty":
        w.ask(_beat(group, "a", -1))
        return
    w.ask(consumer_member(group, "b", topics=[topic.name]))
    if state == "reconciling":
        return
    w.ask(_beat(group, "a", 2))
    w.ask(_beat(group, "a", 2, topic, [0, 1]))
    w.ask(_beat(group, "b", 3))
    if state == "assigning":
        w.ask(_beat(group, "b", -1))


def _requests(group, topic, other, epoch):
    return (
        consumer_member(group, "c", topics=[topic.name]),
        consumer_member(group, "a", topics=[topic.name]),
        _beat(group, "a", epoch),
        _beat(group, "a", epoch, topic, [0]),
        _beat(group, "a", epoch - 1),
        _beat(group, "a", epoch + 1),
        _beat(group, "ghost", epoch),
        _beat(group, "a", epoch, subscribed_topic_names=[other.name]),
        _beat(group, "a", -1),
        _beat(group, "ghost", -1),
        _beat(group, "a", -2, instance_id="i"),
        commit(group, topic, (0, 5), generation=epoch, member="a"),
        commit(group, topic, (0, 5), generation=epoch + 1, member="a"),
        commit(group, topic, (0, 5), generation=epoch, member="ghost"),
        commit(group, topic, (0, 5)),
        DeleteGroupsRequest(groups_names=[group]),
    )


def _all_in(w, state):
    topic, other = w.known_topic("t", partitions=4), w.known_topic("u", partitions=2)
    for number in range(len(_requests("", topic, other, 0))):
        group = w.group(f"g{number}")
        _prepare(w, state, group, topic)
        yield _requests(group, topic, other, _EPOCH[state])[number]
        yield ConsumerGroupDescribeRequest(group_ids=[group])


def where_there_is_no_group(w):
    yield from _all_in(w, "no group")


def in_an_empty_group(w):
    yield from _all_in(w, "empty")


def in_a_group_that_assigns(w):
    yield from _all_in(w, "assigning")


def in_a_group_that_reconciles(w):
    yield from _all_in(w, "reconciling")


def in_a_stable_group(w):
    yield from _all_in(w, "stable")
