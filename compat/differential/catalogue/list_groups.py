"""ListGroups."""

from __future__ import annotations

from ottla.protocol.messages.list_groups import ListGroupsRequest

from ..case import versions
from ..group_requests import commit, consumer_member, stable

API = ListGroupsRequest


def _groups(w):
    stable(w, w.group("stable"))
    stable(w, w.group("connect"), kind="connect")
    topic = w.known_topic()
    w.ask(commit(w.group("offsets"), topic, (0, 1)))
    w.ask(consumer_member(w.group("consumer"), "m", topics=[topic.name]))


def everything(w):
    _groups(w)
    yield ListGroupsRequest()


@versions("4+")
def by_state(w):
    _groups(w)
    for states in (["Stable"], ["stable"], ["Empty", "Stable"], ["Dead"], ["Nonsense"], [""], ["Reconciling"]):
        yield ListGroupsRequest(states_filter=states)


@versions("5+")
def by_type(w):
    _groups(w)
    for types in (["classic"], ["Consumer"], ["CLASSIC", "consumer"], ["share"], ["streams"], ["nonsense"], [""]):
        yield ListGroupsRequest(types_filter=types)


@versions("5+")
def by_both(w):
    _groups(w)
    yield ListGroupsRequest(types_filter=["classic"], states_filter=["Empty"])
