"""SyncGroup and Heartbeat, script by script."""

from __future__ import annotations

import pytest
from ottla.protocol.errors import ErrorCode

from .playbook import (
    Advance,
    Beat,
    Code,
    Join,
    JoinReply,
    RefuseNextAppend,
    Sync,
    SyncReply,
    Wrote,
)


@pytest.fixture
def completing(play):
    """a (the leader) and b have generation 1 and no assignment."""
    play >> Join("a", rebalance_ms=5000) << Wrote(0) >> Join("b", rebalance_ms=5000) >> Advance(0)
    return play << JoinReply("a", 1) << JoinReply("b", 1)


def test_followers_wait_for_the_leader(completing):
    completing >> Sync("b")
    assert completing.parked == {"b"}
    completing >> Sync("a", {"a": b"A", "b": b"B"})
    completing << Wrote(1, ("a", "b"), "a") << SyncReply("a", b"A") << SyncReply("b", b"B")
    assert completing.state == "Stable"


def test_a_follower_that_comes_later_is_answered_at_once(completing):
    completing >> Sync("a", {"a": b"A", "b": b"B"}) << Wrote(1) << SyncReply("a", b"A")
    completing >> Sync("b") << SyncReply("b", b"B")
    assert completing.group.sync_deadline_ms is None


def test_who_gets_no_assignment_gets_an_empty_one_and_ghosts_are_not_written(completing):
    completing >> Sync("a", {"a": b"A", "ghost": b"G"}) << Wrote(1, ("a", "b")) << SyncReply("a", b"A")
    completing >> Sync("b") << SyncReply("b", b"")


def test_protocol_is_echoed(completing):
    completing >> Sync("a", protocol_type="consumer", protocol_name="range") << Wrote(1) << SyncReply("a")
    response = completing.group.assigned_response(completing.group.members["a-1"])
    assert (response.protocol_type, response.protocol_name) == ("consumer", "range")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation": 0}, ErrorCode.ILLEGAL_GENERATION),
        ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"instance": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_refused_and_nothing_changes(completing, wrong, error):
    completing >> Sync("a", {"a": b"A"}, **wrong) << SyncReply("a", error=error)
    assert completing.state == "CompletingRebalance"


def test_no_group(play):
    play >> Sync("a", member_id="a", generation=1) << SyncReply("a", error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_rebalance_ends_the_wait(completing):
    completing >> Sync("b") >> Join("c") << SyncReply("b", error=ErrorCode.REBALANCE_IN_PROGRESS)
    completing >> Sync("a") << SyncReply("a", error=ErrorCode.REBALANCE_IN_PROGRESS)


def test_a_sync_that_is_sent_again_takes_the_place_of_the_first(completing):
    completing >> Sync("b") >> Sync("b") << SyncReply("b", error=ErrorCode.REBALANCE_IN_PROGRESS)
    completing >> Sync("a", {"b": b"B"}) << Wrote(1) << SyncReply("a") << SyncReply("b", b"B")


def test_members_that_never_sync_are_out_after_the_rebalance_timeout(completing):
    completing >> Sync("a") << Wrote(1) << SyncReply("a") >> Advance(4999)
    assert "b-2" in completing.group.members
    completing >> Advance(1)
    assert "b-2" not in completing.group.members
    assert completing.state == "PreparingRebalance"
    completing >> Join("a") << JoinReply("a", 2, members=("a",))


def test_a_leader_that_never_syncs_is_out_and_its_followers_rejoin(completing):
    completing >> Sync("b") >> Advance(5000) << SyncReply("b", error=ErrorCode.REBALANCE_IN_PROGRESS)
    completing >> Join("b") << JoinReply("b", 2, leader="b", members=("b",))


def test_an_assignment_that_cannot_be_written_is_no_assignment(completing):
    completing >> Sync("b") >> RefuseNextAppend(ErrorCode.NOT_ENOUGH_REPLICAS) >> Sync("a", {"a": b"A"})
    completing << SyncReply("a", b"", ErrorCode.COORDINATOR_NOT_AVAILABLE)
    completing << SyncReply("b", b"", ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert completing.state == "PreparingRebalance"
    completing >> Join("a") >> Join("b") << JoinReply("a", 2) << JoinReply("b", 2)


def test_waiting_for_the_leader_excuses_from_heartbeats(play):
    play >> Join("a", rebalance_ms=60_000, session_ms=60_000) << Wrote(0)
    play >> Join("b", session_ms=1000, rebalance_ms=60_000) >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("b") >> Advance(50_000) >> Sync("a") << Wrote(1) << SyncReply("a") << SyncReply("b")
    play >> Advance(999)
    assert play.state == "Stable"
    play >> Advance(1)
    assert play.state == "PreparingRebalance"


class TestHeartbeat:
    def test_extends_the_session(self, stable):
        for _ in range(5):
            stable >> Advance(9000) >> Beat("a") << Code() >> Beat("b") << Code()
        stable >> Advance(9999)
        assert stable.state == "Stable"
        stable >> Advance(1) << Wrote(2, ())

    def test_extends_the_session_during_a_rebalance_and_tells_of_it(self, stable):
        stable >> Join("a")
        for _ in range(4):
            stable >> Advance(9000) >> Beat("b") << Code(ErrorCode.REBALANCE_IN_PROGRESS)
        assert "b-2" in stable.group.members
        stable >> Join("b") << JoinReply("a", 2) << JoinReply("b", 2)

    def test_is_accepted_while_the_assignment_is_awaited(self, completing):
        completing >> Beat("b") << Code()

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [
            ({"generation": 0}, ErrorCode.ILLEGAL_GENERATION),
            ({"generation": 2}, ErrorCode.ILLEGAL_GENERATION),
            ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
            ({"member_id": ""}, ErrorCode.UNKNOWN_MEMBER_ID),
            ({"instance": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ],
    )
    def test_refused(self, stable, wrong, error):
        stable >> Beat("a", **wrong) << Code(error)

    def test_no_group(self, play):
        play >> Beat("a", member_id="a", generation=1) << Code(ErrorCode.UNKNOWN_MEMBER_ID)

    def test_an_id_that_was_not_used_yet_is_no_member(self, play):
        play >> Join("a", version=4) << Wrote(0) << JoinReply("a", error=ErrorCode.MEMBER_ID_REQUIRED)
        play >> Beat("a", generation=0) << Code(ErrorCode.UNKNOWN_MEMBER_ID)

    def test_who_does_not_heartbeat_is_out(self, stable):
        stable >> Advance(5000) >> Beat("a") << Code() >> Advance(5000)
        assert [member.member_id for member in stable.group.members] == ["a-1"]
        assert stable.state == "PreparingRebalance"
        stable >> Beat("b") << Code(ErrorCode.UNKNOWN_MEMBER_ID)

    def test_when_all_are_silent_the_group_is_empty(self, stable):
        stable >> Advance(10_000) << Wrote(2, ())
        assert stable.state == "Empty"
