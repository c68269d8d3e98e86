"""DescribeGroups."""

from __future__ import annotations

from ottla.protocol.messages.describe_groups import DescribeGroupsRequest

from ..case import versions
from ..group_requests import commit, consumer_member, join, leave, stable

API = DescribeGroupsRequest


def a_stable_group(w):
    group = w.group()
    stable(w, group)
    yield DescribeGroupsRequest(groups=[group])


def a_group_that_waits_for_its_leader(w):
    group = w.group()
    w.ask(join(group, w.ask(join(group)).member_id))
    yield DescribeGroupsRequest(groups=[group])


def an_empty_group(w):
    group = w.group()
    member, _ = stable(w, group)
    w.version, version = 5, w.version
    w.ask(leave(w, group, (member, None)))
    w.version = version
    yield DescribeGroupsRequest(groups=[group])


def a_group_of_offsets_alone(w):
    group = w.group()
    w.ask(commit(group, w.topic(), (0, 1)))
    yield DescribeGroupsRequest(groups=[group])


def what_is_not_there(w):
    yield DescribeGroupsRequest(groups=[w.group("none"), ""])


def several_groups(w):
    first, second = w.group("a"), w.group("b")
    stable(w, first)
    stable(w, second, kind="connect", protocols=(("default", b"d"),))
    yield DescribeGroupsRequest(groups=[first, second, w.group("none"), first])


def nothing(w):
    yield DescribeGroupsRequest(groups=[])


@versions("3+")
def with_authorized_operations(w):
    group = w.group()
    stable(w, group)
    yield DescribeGroupsRequest(groups=[group, w.group("none")], include_authorized_operations=True)


def a_static_member(w):
    group = w.group()
    stable(w, group, instance="i")
    yield DescribeGroupsRequest(groups=[group])


def a_consumer_group(w):
    group, topic = w.group(), w.known_topic()
    w.ask(consumer_member(group, "m", topics=[topic.name]))
    yield DescribeGroupsRequest(groups=[group])
