"""DeleteGroups."""

from __future__ import annotations

from ottla.protocol.messages.delete_groups import DeleteGroupsRequest

from ..group_requests import commit, consumer_member, stable

API = DeleteGroupsRequest


def a_group_of_offsets_alone(w):
    group = w.group()
    w.ask(commit(group, w.topic(), (0, 1)))
    yield DeleteGroupsRequest(groups_names=[group])
    yield DeleteGroupsRequest(groups_names=[group])


def a_group_with_members(w):
    group = w.group()
    stable(w, group)
    yield DeleteGroupsRequest(groups_names=[group])


def what_is_not_there(w):
    yield DeleteGroupsRequest(groups_names=[w.group("none")])
    yield DeleteGroupsRequest(groups_names=[""])


def several_groups(w):
    group, busy = w.group("a"), w.group("b")
    w.ask(commit(group, w.topic(), (0, 1)))
    stable(w, busy)
    yield DeleteGroupsRequest(groups_names=[group, busy, w.group("none")])


def the_same_group_twice(w):
    group = w.group()
    w.ask(commit(group, w.topic(), (0, 1)))
    yield DeleteGroupsRequest(groups_names=[group, group])


def nothing(w):
    yield DeleteGroupsRequest(groups_names=[])


def a_consumer_group(w):
    group, topic = w.group(), w.known_topic()
    w.ask(consumer_member(group, "m", topics=[topic.name]))
    yield DeleteGroupsRequest(groups_names=[group])
