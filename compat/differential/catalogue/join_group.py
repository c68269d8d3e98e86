"""JoinGroup."""

from __future__ import annotations

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.join_group import JoinGroupRequest

from ..case import Answer, On, Parked, versions
from ..group_requests import beat, consumer_member, join, stable, subscription, sync

API = JoinGroupRequest


def _joined(group, **said):
    """Join as clients do: again with the member id that the broker asks for."""
    answer = yield join(group, **said)
    if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        answer = yield join(group, answer.member_id, **said)
    return answer


def the_first_member(w):
    group = w.group()
    answer = yield from _joined(group)
    yield sync(group, answer.generation_id, answer.member_id, [(answer.member_id, b"x")])
    yield beat(group, answer.generation_id, answer.member_id)


def again_as_the_leader(w):
    group = w.group()
    first = yield from _joined(group)
    yield sync(group, first.generation_id, first.member_id, [(first.member_id, b"x")])
    again = yield join(group, first.member_id)
    yield beat(group, again.generation_id, first.member_id)


def a_second_member(w):
    group = w.group()
    first = yield from _joined(group)
    yield sync(group, first.generation_id, first.member_id, [(first.member_id, b"x")])
    second, other = None, (("range", subscription("u")),)
    if w.version >= 4:
        second = (yield On("second", join(group, protocols=other))).member_id
    yield Parked("second", join(group, second or "", other))
    w.until(lambda: w.ask(beat(group, first.generation_id, first.member_id)).error_code, "the group rebalances")
    yield join(group, first.member_id)
    yield Answer("second")


def with_several_protocols(w):
    yield from _joined(w.group(), protocols=(("a", b"1"), ("b", b"2")))


def without_protocols(w):
    yield join(w.group(), protocols=())


def without_a_protocol_type(w):
    yield join(w.group(), kind="")


def with_neither(w):
    yield join(w.group(), protocols=(), kind="")


def another_protocol_type(w):
    group = w.group()
    stable(w, group)
    yield join(group, kind="connect")


def no_protocol_in_common(w):
    group = w.group()
    stable(w, group)
    yield join(group, protocols=(("other", b""),))


def session_timeouts_that_are_not_valid(w):
    group = w.group()
    for session_ms in (0, -1, 999, 1_800_001):
        yield join(group, session_ms=session_ms)


def an_unknown_member(w):
    group = w.group()
    yield join(group, "nobody")
    stable(w, group)
    yield join(group, "nobody")


def an_empty_group_id(w):
    yield join("")


def a_blank_group_id(w):
    yield join("  ", "nobody")


@versions("5+")
def a_static_member(w):
    group = w.group()
    first = yield join(group, instance="i")
    yield sync(group, first.generation_id, first.member_id, [(first.member_id, b"x")], instance="i")
    again = yield join(group, instance="i")
    yield join(group, first.member_id, instance="i")
    yield beat(group, again.generation_id, first.member_id, "i")
    yield beat(group, again.generation_id, again.member_id, "i")


@versions("5+")
def a_static_member_that_comes_back_and_changes(w):
    group = w.group()
    member, _ = stable(w, group, instance="i")
    again = yield join(group, instance="i")
    yield join(group, again.member_id, instance="i", protocols=(("range", subscription("t", "u")),))
    yield beat(group, 1, member, "i")


@versions("5+")
def an_empty_instance_id(w):
    yield join(w.group(), instance="")


@versions("8+")
def with_a_reason(w):
    yield from _joined(w.group(), reason="because")


def a_consumer_group(w):
    group, topic = w.group(), w.known_topic()
    w.ask(consumer_member(group, "m", topics=[topic.name]))
    yield join(group, protocols=(("range", b"\x00"),))
