"""ConsumerGroupDescribe."""

from __future__ import annotations

from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest

from ..group_requests import consumer_member, stable

API = ConsumerGroupDescribeRequest


def _request(*groups, **said):
    return ConsumerGroupDescribeRequest(group_ids=list(groups), **said)


def a_group(w):
    group, topic = w.group(), w.known_topic(partitions=2)
    w.ask(consumer_member(group, "m", topics=[topic.name], rack_id="r", instance_id="i"))
    yield _request(group)


def with_authorized_operations(w):
    group, topic = w.group(), w.known_topic()
    w.ask(consumer_member(group, "m", topics=[topic.name]))
    yield _request(group, w.group("none"), include_authorized_operations=True)


def what_is_not_there(w):
    classic = w.group("classic")
    stable(w, classic)
    yield _request(w.group("none"), classic, "")


def an_empty_group(w):
    from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest

    group, topic = w.group(), w.known_topic()
    w.ask(consumer_member(group, "m", topics=[topic.name]))
    w.ask(ConsumerGroupHeartbeatRequest(group_id=group, member_id="m", member_epoch=-1))
    yield _request(group)


def nothing(w):
    yield _request()
