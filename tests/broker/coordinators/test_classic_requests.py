"""Every state of a classic group under everything that can be asked of it; what is refused is not written.

The answers of all states but Dead, which no client can hold, are those of Apache Kafka 4.3.1 to the same requests.
"""

from __future__ import annotations

import pytest

from .playbook import (
    Advance,
    Beat,
    Commit,
    DeleteGroup,
    DeleteOffset,
    Join,
    Leave,
    Playbook,
    Sync,
)

STATES = ("no group", "Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead")
GONE = ("UNKNOWN_MEMBER_ID",) * 2
DEAD = "COORDINATOR_NOT_AVAILABLE"

# By request, the answer in each of the states; "parked" is none yet.
TABLE = {
    "join of a stranger": (*GONE, *GONE, "UNKNOWN_MEMBER_ID", DEAD),
    "join of another type": ("parked", "parked", *("INCONSISTENT_GROUP_PROTOCOL",) * 3, DEAD),
    "beat": (*GONE, "REBALANCE_IN_PROGRESS", "NONE", "NONE", DEAD),
    "beat of a stranger": (*GONE, *GONE, "UNKNOWN_MEMBER_ID", DEAD),
    "beat of another generation": (*GONE, *("ILLEGAL_GENERATION",) * 3, DEAD),
    "sync": (*GONE, "REBALANCE_IN_PROGRESS", "parked", "NONE", DEAD),
    "sync of a stranger": (*GONE, *GONE, "UNKNOWN_MEMBER_ID", DEAD),
    "sync of another generation": (*GONE, *("ILLEGAL_GENERATION",) * 3, DEAD),
    "sync of another type": (*GONE, *("INCONSISTENT_GROUP_PROTOCOL",) * 3, DEAD),
    "commit": ("GROUP_ID_NOT_FOUND", "UNKNOWN_MEMBER_ID", "NONE", "REBALANCE_IN_PROGRESS", "NONE", DEAD),
    "commit of an older client": (
        "ILLEGAL_GENERATION",
        "UNKNOWN_MEMBER_ID",
        "NONE",
        "REBALANCE_IN_PROGRESS",
        "NONE",
        DEAD,
    ),
    "commit of nobody": ("NONE", "NONE", *("UNKNOWN_MEMBER_ID",) * 3, DEAD),
    "commit of a stranger": ("GROUP_ID_NOT_FOUND", *("UNKNOWN_MEMBER_ID",) * 4, DEAD),
    "commit of another generation": ("GROUP_ID_NOT_FOUND", "UNKNOWN_MEMBER_ID", *("ILLEGAL_GENERATION",) * 3, DEAD),
    "leave": (*GONE, "NONE", "NONE", "NONE", DEAD),
    "leave of a stranger": (*GONE, *GONE, "UNKNOWN_MEMBER_ID", DEAD),
    "delete group": ("GROUP_ID_NOT_FOUND", "NONE", *("NON_EMPTY_GROUP",) * 3, "GROUP_ID_NOT_FOUND"),
    "delete offset": ("GROUP_ID_NOT_FOUND", "NONE", *("GROUP_SUBSCRIBED_TO_TOPIC",) * 3, "GROUP_ID_NOT_FOUND"),
}

REQUESTS = {
    "join of a stranger": Join("x", member_id="ghost"),
    "join of another type": Join("x", protocol_type="connect", version=3),
    "beat": Beat("a"),
    "beat of a stranger": Beat("x", generation=1, member_id="ghost"),
    "beat of another generation": Beat("a", generation=9),
    "sync": Sync("b"),
    "sync of a stranger": Sync("x", generation=1, member_id="ghost"),
    "sync of another generation": Sync("b", generation=9),
    "sync of another type": Sync("b", protocol_type="connect"),
    "commit": Commit("a", offset=5),
    "commit of an older client": Commit("a", offset=5, version=8),
    "commit of nobody": Commit(None, offset=5),
    "commit of a stranger": Commit("ghost", offset=5, generation=1),
    "commit of another generation": Commit("a", offset=5, generation=9),
    "leave": Leave("a"),
    "leave of a stranger": Leave("x", member_id="ghost"),
    "delete group": DeleteGroup(),
    "delete offset": DeleteOffset(),
}


def in_state(play: Playbook, state: str) -> Playbook:
    """A group that got there by its members' requests; only Dead is simply said."""
    play.ids, play.generations = {"a": "a-1", "b": "b-2"}, {"a": 1, "b": 1}
    steps = {
        "no group": (),
        "Empty": (Join("a", member_id=""), Advance(0), Sync("a"), Leave("a")),
    }.get(state, (Join("a", member_id=""), Join("b", member_id=""), Advance(0)))
    if state in ("PreparingRebalance", "Stable", "Dead"):
        steps += (Sync("a", {"a": b"A", "b": b"B"}), Sync("b"))
    if state == "PreparingRebalance":
        steps += (Join("c"),)
    for step in steps:
        play >> step
        play.seen.clear()
    if state == "Dead":
        play.group.state = type(play.group.state)("Dead")
    assert state == "no group" or play.state == state
    return play


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("request_", TABLE)
def test_a_request_in_a_state(play, state, request_):
    in_state(play, state)
    written = list(play.log)
    play >> REQUESTS[request_]
    answers = [seen.error.name for seen in play.seen if hasattr(seen, "error")]
    play.seen.clear()
    expected = TABLE[request_][STATES.index(state)]
    assert answers[:1] == ([] if expected == "parked" else [expected])
    if expected not in ("NONE", "parked"):
        assert play.log == written
        assert state == "no group" or play.state == state


def test_the_table_is_whole():
    assert set(TABLE) == set(REQUESTS)
    assert {len(row) for row in TABLE.values()} == {len(STATES)}
