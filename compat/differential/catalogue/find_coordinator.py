"""FindCoordinator."""

from __future__ import annotations

from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest

from ..case import Once, versions

API = FindCoordinatorRequest


def _request(w, *keys, key_type=0):
    if w.version >= 4:
        return FindCoordinatorRequest(coordinator_keys=list(keys), key_type=key_type)
    return FindCoordinatorRequest(key=keys[0], key_type=key_type)


def of_a_group(w):
    yield _request(w, w.name("g"))


@versions("1+")
def of_a_transactional_id(w):
    yield _request(w, w.name("x"), key_type=1)


@versions("4+")
def of_several_groups(w):
    yield _request(w, w.name("a"), w.name("b"))


@versions("4+")
def of_the_same_group_twice(w):
    yield _request(w, w.name("a"), w.name("a"))


@versions("4+")
def of_nobody(w):
    yield _request(w)


def of_the_empty_group(w):
    yield Once(_request(w, ""))


@versions("1+")
def of_the_empty_transactional_id(w):
    yield Once(_request(w, "", key_type=1))


@versions("1+")
def of_types_that_are_not_there(w):
    for key_type in (3, 9, -1, 127):
        yield Once(_request(w, w.name("g"), key_type=key_type))


@versions("1-5")
def of_a_share_partition_before_version_6(w):
    yield Once(_request(w, w.name("g"), key_type=2))


@versions("6+")
def of_share_partitions_that_are_not_valid(w):
    for key in ("", "a", "a:b", "a:b:c", w.name("g") + ":AAAAAAAAAAAAAAAAAAAAAQ:x"):
        yield Once(_request(w, key, key_type=2))
