"""Static members (KIP-345, KIP-814), script by script."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.protocol.errors import ErrorCode

from .playbook import (
    Advance,
    Beat,
    Code,
    Commit,
    Join,
    JoinReply,
    Leave,
    RefuseNextAppend,
    Restart,
    Sync,
    SyncReply,
    Wrote,
    subscription,
)

RANGE_AND_STICKY = {"range": subscription("t"), "sticky": subscription("t")}


@pytest.fixture
def static(play):
    """A stable group of static members: a on instance i (the leader), b on instance j."""
    play >> Join("a", instance="i") << Wrote(0) >> Join("b", instance="j") >> Advance(0)
    play << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("a", {"a": b"A", "b": b"B"}, instance="i") << Wrote(1) << SyncReply("a", b"A")
    return play >> Sync("b", instance="j") << SyncReply("b", b"B")


def test_ids_are_made_of_the_instance(static):
    assert static.ids == {"a": "i-1", "b": "j-2"}


def test_a_follower_comes_back_without_a_rebalance(static):
    static >> Join("b2", version=9, instance="j")
    static << Wrote(1) << JoinReply("b2", 1, leader="a", members=(), skip_assignment=False)
    assert static.state == "Stable"
    static >> Sync("b2", instance="j") << SyncReply("b2", b"B")


def test_the_leader_comes_back_and_is_told_to_skip_the_assignment(static):
    static >> Join("a2", version=9, instance="i")
    static << Wrote(1) << JoinReply("a2", 1, leader="a2", members=("a2", "b"), skip_assignment=True)
    assert static.group.members.leader_id == "i-3"


def test_an_older_leader_that_comes_back_takes_itself_for_a_follower(static):
    static >> Join("a2", version=8, instance="i")
    static << Wrote(1) << JoinReply("a2", 1, leader="a", members=(), skip_assignment=False)
    assert static.group.members.leader_id == "i-3"


def test_the_old_id_is_fenced_everywhere(static):
    static >> Join("b2", version=9, instance="j") << Wrote(1) << JoinReply("b2", 1)
    static >> Beat("b", instance="j") << Code(ErrorCode.FENCED_INSTANCE_ID)
    static >> Sync("b", instance="j") << SyncReply("b", error=ErrorCode.FENCED_INSTANCE_ID)
    static >> Join("b", instance="j") << JoinReply("b", error=ErrorCode.FENCED_INSTANCE_ID)
    static >> Commit("b", instance="j") << Code(ErrorCode.FENCED_INSTANCE_ID)
    static >> Leave("b", instance="j") << Code(ErrorCode.FENCED_INSTANCE_ID)
    static >> Beat("b") << Code(ErrorCode.UNKNOWN_MEMBER_ID)


def test_the_old_session_ends_without_effect(static):
    static >> Advance(9000) >> Beat("a", instance="i") << Code()
    static >> Join("b2", version=9, instance="j", session_ms=10_000) << Wrote(1) << JoinReply("b2", 1)
    static >> Advance(2000)
    assert static.state == "Stable"


def test_a_change_of_the_chosen_protocol_rebalances(play):
    play >> Join("a", instance="i", protocols=RANGE_AND_STICKY) << Wrote(0) >> Advance(0)
    play << JoinReply("a", 1, protocol="range") >> Sync("a", instance="i") << Wrote(1) << SyncReply("a")
    play >> Join("a2", version=9, instance="i", protocols=dict(reversed(RANGE_AND_STICKY.items())))
    play << JoinReply("a2", 2, protocol="sticky")
    assert play.state == "CompletingRebalance"


def test_changed_metadata_alone_does_not(static):
    static >> Join("b2", version=9, instance="j", protocols={"range": subscription("u")}) << Wrote(1)
    static << JoinReply("b2", 1)
    assert static.group.subscribed_topics == {"t", "u"}


def test_coming_back_while_the_assignment_is_awaited_rebalances(play):
    play >> Join("a", instance="i") << Wrote(0) >> Join("b", instance="j") >> Advance(0)
    play << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("b", instance="j") >> Join("b2", version=9, instance="j")
    play << SyncReply("b", error=ErrorCode.FENCED_INSTANCE_ID)
    assert play.state == "PreparingRebalance"
    play >> Join("a", instance="i") << JoinReply("a", 2) << JoinReply("b2", 2)


def test_coming_back_while_members_gather_fences_the_parked_join(static):
    static >> Join("b", instance="j", protocols={"range": subscription("u")}) >> Join("b2", version=9, instance="j")
    static << JoinReply("b", error=ErrorCode.FENCED_INSTANCE_ID)
    assert static.parked == {"b2"}
    static >> Join("a", instance="i") << JoinReply("a", 2) << JoinReply("b2", 2)


def test_an_id_that_cannot_be_written_is_not_given(static):
    static >> RefuseNextAppend(ErrorCode.KAFKA_STORAGE_ERROR) >> Join("b2", version=9, instance="j")
    static << JoinReply("b2", error=ErrorCode.NOT_COORDINATOR)
    static >> Beat("b", instance="j") << Code()
    assert static.group.members.static_member_id("j") == "j-2"


def test_static_members_who_do_not_rejoin_stay_until_their_session_ends(static):
    static >> Join("a", instance="i", rebalance_ms=2000, session_ms=60_000)
    static.group.members["j-2"].rebalance_timeout_ms = 2000
    static.group.join_deadline_ms = static.group.wake_by(2000)
    static >> Advance(2000) << JoinReply("a", 2, members=("a", "b"))


def test_when_none_of_them_rejoins_the_wait_does_not_spin(play):
    play >> Join("a", instance="i", rebalance_ms=1, session_ms=10_000) << Wrote(0) >> Advance(0) << JoinReply("a", 1)
    play >> Sync("a", instance="i") << Wrote(1) << SyncReply("a")
    play.settings = GroupSettings(session_timeout_min_ms=1, group_size_max=0)
    play >> Restart() >> Advance(1)
    assert play.group.join_deadline_ms == play.now.monotonic_ms + 100
    play >> Advance(9_999) << Wrote(2, ())


def test_leave_by_instance_alone(static):
    static >> Leave("admin", instance="j", member_id="") << Code()
    assert static.group.members.static_member_id("j") is None
    static >> Leave("admin", instance="j", member_id="") << Code(ErrorCode.UNKNOWN_MEMBER_ID)


def test_all_of_it_survives_a_restart(static):
    static >> Join("b2", version=9, instance="j") << Wrote(1) << JoinReply("b2", 1)
    static >> Restart() >> Beat("b2", instance="j") << Code()
    static >> Beat("b", instance="j") << Code(ErrorCode.FENCED_INSTANCE_ID)
    static >> Join("a2", version=9, instance="i") << Wrote(1) << JoinReply("a2", 1, leader="a2", skip_assignment=True)
    static >> Sync("a2", instance="i") << SyncReply("a2", b"A")
