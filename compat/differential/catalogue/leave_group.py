"""LeaveGroup."""

from __future__ import annotations

from ottla.protocol.messages.leave_group import LeaveGroupRequest

from ..case import versions
from ..group_requests import beat, join, leave, stable

API = LeaveGroupRequest


def the_last_member(w):
    group = w.group()
    member, generation = stable(w, group)
    yield leave(w, group, (member, None))
    yield beat(group, generation, member)
    yield leave(w, group, (member, None))


def members_that_are_not_there(w):
    group = w.group()
    yield leave(w, group, ("nobody", None))
    stable(w, group)
    yield leave(w, group, ("nobody", None))
    yield leave(w, group, ("", None))


def a_member_that_only_asked(w):
    group = w.group()
    asked = w.ask(join(group))
    yield leave(w, group, (asked.member_id, None))


def an_empty_group_id(w):
    yield leave(w, "", ("m", None))


@versions("3+")
def several_members(w):
    group = w.group()
    member, _ = stable(w, group)
    yield leave(w, group, (member, None), ("nobody", None), ("", "nobody"))


@versions("3+")
def nobody(w):
    group = w.group()
    yield leave(w, group)
    stable(w, group)
    yield leave(w, group)


@versions("3+")
def static_members(w):
    group = w.group()
    member, _ = stable(w, group, instance="i")
    yield leave(w, group, ("other", "i"))
    yield leave(w, group, (member, "other"))
    yield leave(w, group, ("", "i"))
    yield leave(w, group, (member, "i"))
