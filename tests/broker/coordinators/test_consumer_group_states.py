"""Every state of a consumer group under everything that can be asked of it, and where that leads it.

The answers are those of Apache Kafka 4.3.1 to the same requests (`compat/differential/sequences/consumer_states.py`).
A consumer group's state follows from its epochs and its members, so what the table of ways tells is what can happen.
"""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.offset_commits import OffsetToCommit
from ottla.protocol.errors import ErrorCode

from .consumer_bench import AT_ONCE, GROUP, SESSION_MS, ConsumerBench, topic_id

STATES = ("no group", "Empty", "Assigning", "Reconciling", "Stable")
EPOCHS = {"no group": 2, "Empty": 2, "Assigning": 3, "Reconciling": 2, "Stable": 3}
"""The epoch of the member that asks, a; in the first two states it is not there."""

NO_GROUP, NOBODY, FENCED, STALE = "GROUP_ID_NOT_FOUND", "UNKNOWN_MEMBER_ID", "FENCED_MEMBER_EPOCH", "STALE_MEMBER_EPOCH"

# By request, the code and the state afterwards, in each of the states.
TABLE = {
    "join": (("NONE", "Stable"), ("NONE", "Stable"), ("NONE", "Reconciling"), *(("NONE", "Reconciling"),) * 2),
    "join again": (
        ("NONE", "Stable"),
        ("NONE", "Stable"),
        ("NONE", "Stable"),
        ("NONE", "Reconciling"),
        ("NONE", "Stable"),
    ),
    "beat": ((NO_GROUP, None), (NOBODY, None), ("NONE", "Stable"), ("NONE", "Reconciling"), ("NONE", "Stable")),
    "beat with what is left": (
        (NO_GROUP, None),
        (NOBODY, None),
        ("NONE", "Stable"),
        ("NONE", "Reconciling"),
        ("NONE", "Stable"),
    ),
    "beat of an epoch before": ((NO_GROUP, None), (NOBODY, None), *((FENCED, None),) * 3),
    "beat of an epoch to come": ((NO_GROUP, None), (NOBODY, None), *((FENCED, None),) * 3),
    "beat of a stranger": ((NO_GROUP, None), *((NOBODY, None),) * 4),
    "other topics": ((NO_GROUP, None), (NOBODY, None), *(("NONE", "Reconciling"),) * 3),
    "leave": ((NO_GROUP, None), (NOBODY, None), ("NONE", "Empty"), *(("NONE", "Assigning"),) * 2),
    "leave of a stranger": ((NO_GROUP, None), *((NOBODY, None),) * 4),
    "leave of an instance that is not there": ((NO_GROUP, None), *((NOBODY, None),) * 4),
    "commit": ((NO_GROUP, None), (NOBODY, None), *(("NONE", None),) * 3),
    "commit of an epoch to come": ((NO_GROUP, None), (NOBODY, None), *((STALE, None),) * 3),
    "commit of a stranger": ((NO_GROUP, None), *((NOBODY, None),) * 4),
    "commit of nobody": (("NONE", "Empty"), ("NONE", None), *((NOBODY, None),) * 3),
    "delete": ((NO_GROUP, None), ("NONE", "no group"), *(("NON_EMPTY_GROUP", None),) * 3),
}
# What happens without a request.
HAPPENINGS = {
    "a restart": ("no group", "Empty", "Assigning", "Reconciling", "Stable"),
    "all sessions end": ("no group", *("Empty",) * 4),
}


def in_state(state: str) -> ConsumerBench:
    """A group that got there by its members' requests."""
    bench = ConsumerBench(AT_ONCE)
    bench.topic("t", 4)
    bench.topic("u", 2)
    if state == "no group":
        return bench
    bench.join("a", "t")
    if state == "Empty":
        bench.beat("a", -1)
    else:
        bench.join("b", "t")
        if state != "Reconciling":
            bench.beat("a", 2)
            bench.beat("a", 2, {"t": [0, 1]})
            bench.beat("b", 3)
        if state == "Assigning":
            bench.beat("b", -1)
    assert state_of(bench) == state
    return bench


def state_of(bench: ConsumerBench) -> str:
    return bench.state if GROUP in bench.shard.groups else "no group"


def asked(bench: ConsumerBench, request: str, epoch: int) -> ErrorCode:
    if request.startswith("commit"):
        return committed(bench, request, epoch)
    if request == "delete":
        return bench.decided(bench.shard.delete_group(GROUP))
    answer = {
        "join": lambda: bench.join("c", "t"),
        "join again": lambda: bench.join("a", "t"),
        "beat": lambda: bench.beat("a", epoch),
        "beat with what is left": lambda: bench.beat("a", epoch, {"t": [0]}),
        "beat of an epoch before": lambda: bench.beat("a", epoch - 1),
        "beat of an epoch to come": lambda: bench.beat("a", epoch + 1),
        "beat of a stranger": lambda: bench.beat("ghost", epoch),
        "other topics": lambda: bench.beat("a", epoch, subscribed_topic_names=["u"]),
        "leave": lambda: bench.beat("a", -1),
        "leave of a stranger": lambda: bench.beat("ghost", -1),
        "leave of an instance that is not there": lambda: bench.beat("a", -2, instance_id="i"),
    }[request]()
    return ErrorCode(answer.error_code)


def committed(bench: ConsumerBench, request: str, epoch: int) -> ErrorCode:
    who = {"commit of a stranger": "ghost", "commit of nobody": ""}.get(request, "a")
    said = {"commit of an epoch to come": epoch + 1, "commit of nobody": -1}.get(request, epoch)
    offset = OffsetToCommit("t", topic_id("t"), 0, 5, -1, None)
    return bench.decided(bench.shard.commit(bench.commit_request(who, said), [offset], 9, bench.now))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("request_", TABLE)
def test_a_request_in_a_state(state, request_):
    bench = in_state(state)
    written = len(bench.log)
    code, becomes = TABLE[request_][STATES.index(state)]
    assert asked(bench, request_, EPOCHS[state]).name == code
    assert state_of(bench) == (becomes or state)
    if code != "NONE":
        assert len(bench.log) == written


@pytest.mark.parametrize("state", STATES)
def test_a_restart_changes_no_state(state):
    bench = in_state(state)
    bench.restart()
    assert state_of(bench) == HAPPENINGS["a restart"][STATES.index(state)]


@pytest.mark.parametrize("state", STATES)
def test_when_all_sessions_end_nobody_is_left(state):
    bench = in_state(state)
    bench.advance(SESSION_MS)
    assert state_of(bench) == HAPPENINGS["all sessions end"][STATES.index(state)]
