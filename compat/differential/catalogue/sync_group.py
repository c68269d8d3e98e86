"""SyncGroup."""

from __future__ import annotations

from ottla.protocol.messages.sync_group import SyncGroupRequest

from ..case import Answer, Parked, versions
from ..group_requests import a_second_join, await_rebalance, expel, join, stable, sync

API = SyncGroupRequest


def by_the_leader(w):
    group = w.group()
    asked = w.ask(join(group))
    joined = w.ask(join(group, asked.member_id))
    yield sync(group, joined.generation_id, joined.member_id, [(joined.member_id, b"mine"), ("nobody", b"x")])
    yield sync(group, joined.generation_id, joined.member_id)


def without_an_assignment(w):
    group = w.group()
    joined = w.ask(join(group, w.ask(join(group)).member_id))
    yield sync(group, joined.generation_id, joined.member_id)


def generations_that_are_wrong(w):
    group = w.group()
    member, generation = stable(w, group)
    for wrong in (generation + 1, generation - 1, -1):
        yield sync(group, wrong, member)


def members_that_are_not_there(w):
    group = w.group()
    yield sync(group, 1, "nobody")
    _, generation = stable(w, group)
    yield sync(group, generation, "nobody")
    yield sync(group, generation, "")


def while_a_second_member_joins(w):
    group = w.group()
    member, generation = stable(w, group)
    yield Parked("second", a_second_join(w, group))
    await_rebalance(w, group, generation, member)
    yield sync(group, generation, member)
    expel(w, group, member)
    yield Answer("second")


def an_empty_group_id(w):
    yield sync("", 1, "m")


@versions("3+")
def static_members(w):
    group = w.group()
    member, generation = stable(w, group, instance="i")
    yield sync(group, generation, member, instance="i")
    yield sync(group, generation, "other", instance="i")
    yield sync(group, generation, member, instance="nobody")


@versions("5+")
def protocols_that_are_wrong(w):
    group = w.group()
    member, generation = stable(w, group)
    yield sync(group, generation, member, kind="connect")
    yield sync(group, generation, member, name="other")
    yield sync(group, generation, member, kind=None, name=None)
    yield sync(group, generation, member, kind=None)
    yield sync(group, generation, member, name=None)
