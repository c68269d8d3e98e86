"""Heartbeat."""

from __future__ import annotations

from ottla.protocol.messages.heartbeat import HeartbeatRequest

from ..case import Answer, Parked, versions
from ..group_requests import a_second_join, await_rebalance, beat, expel, join, stable

API = HeartbeatRequest


def of_a_member(w):
    group = w.group()
    member, generation = stable(w, group)
    yield beat(group, generation, member)


def generations_that_are_wrong(w):
    group = w.group()
    member, generation = stable(w, group)
    for wrong in (generation + 1, generation - 1, -1):
        yield beat(group, wrong, member)


def members_that_are_not_there(w):
    group = w.group()
    yield beat(group, 1, "nobody")
    _, generation = stable(w, group)
    yield beat(group, generation, "nobody")
    yield beat(group, generation, "")


def before_the_sync(w):
    group = w.group()
    joined = w.ask(join(group, w.ask(join(group)).member_id))
    yield beat(group, joined.generation_id, joined.member_id)


def while_a_second_member_joins(w):
    group = w.group()
    member, generation = stable(w, group)
    yield Parked("second", a_second_join(w, group))
    await_rebalance(w, group, generation, member)
    yield beat(group, generation, member)
    expel(w, group, member)
    yield Answer("second")


def an_empty_group_id(w):
    yield beat("", 1, "m")


@versions("3+")
def static_members(w):
    group = w.group()
    member, generation = stable(w, group, instance="i")
    yield beat(group, generation, member, "i")
    yield beat(group, generation, "other", "i")
    yield beat(group, generation, member, "nobody")
