"""A classic group as a whole: what a restart leaves of it, and what an unload answers."""

from __future__ import annotations

from ottla.broker.coordinators.classic_group import ClassicGroup
from ottla.broker.coordinators.group_effects import Moment
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.protocol.errors import ErrorCode
from ottla.protocol.stored.classic_groups import GroupMetadataValue, MemberMetadata

from .playbook import (
    Advance,
    Beat,
    Code,
    Join,
    JoinReply,
    Leave,
    Restart,
    Sync,
    SyncReply,
    Wrote,
    subscription,
)


def test_members_go_on_after_a_restart(stable):
    stable >> Advance(9999) >> Restart() >> Advance(9999) >> Beat("a") << Code() >> Beat("b") << Code()
    stable >> Sync("b") << SyncReply("b", b"B")
    stable >> Join("b") << JoinReply("b", 1, leader="a")
    stable >> Join("a") >> Join("b") << JoinReply("a", 2) << JoinReply("b", 2)


def test_sessions_begin_again_at_a_restart(stable):
    stable >> Restart() >> Advance(9999)
    assert stable.state == "Stable"
    stable >> Advance(1) << Wrote(2, ())


def test_a_restart_amid_a_rebalance_returns_to_the_last_assignment(stable):
    stable >> Join("c") >> Join("a") >> Restart()
    assert stable.state == "Stable"
    assert [member.member_id for member in stable.group.members] == ["a-1", "b-2"]
    stable >> Beat("c", member_id="c-3", generation=1) << Code(ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_restart_while_the_assignment_is_awaited(play):
    play >> Join("a") << Wrote(0) >> Advance(0) << JoinReply("a", 1) >> Restart()
    assert (play.state, play.group.generation) == ("Empty", 0)
    play >> Sync("a") << SyncReply("a", error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_an_empty_group_keeps_its_generation(stable):
    stable >> Leave("a") << Code() >> Leave("b") << Code() << Wrote(2, ()) >> Restart()
    stable >> Join("c") >> Advance(0) << JoinReply("c", 3)


def test_after_a_restart_only_the_chosen_protocol_is_known(play):
    both = {"range": subscription("t"), "sticky": subscription("t")}
    play >> Join("a", protocols=both) << Wrote(0) >> Advance(0) << JoinReply("a", 1, protocol="range")
    play >> Sync("a") << Wrote(1) << SyncReply("a") >> Restart()
    play >> Join("b", protocols={"sticky": b""}) << JoinReply("b", error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


def test_unload_answers_all_who_wait(stable):
    stable >> Join("c") >> Join("a")
    stable._perform(stable.shard.unload(stable.now))
    stable << JoinReply("a", error=ErrorCode.NOT_COORDINATOR) << JoinReply("c", error=ErrorCode.NOT_COORDINATOR)
    assert stable.state == "Dead"
    stable >> Beat("b") << Code(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    stable >> Join("b") << JoinReply("b", error=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    stable >> Sync("b") << SyncReply("b", error=ErrorCode.COORDINATOR_NOT_AVAILABLE)


def test_unload_answers_a_parked_sync(play):
    play >> Join("a") << Wrote(0) >> Join("b") >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1) >> Sync("b")
    play._perform(play.shard.unload(play.now))
    play << SyncReply("b", error=ErrorCode.NOT_COORDINATOR)


def test_an_old_record_without_a_rebalance_timeout_takes_the_session_for_it():
    group = ClassicGroup("g", GroupSettings())
    member = MemberMetadata(member_id="m", session_timeout=4000, rebalance_timeout=-1, subscription=b"s")
    group.replay(GroupMetadataValue(protocol_type="x", protocol="p", leader="m", generation=3, members=[member]))
    assert group.members["m"].rebalance_timeout_ms == 4000
    assert group.members["m"].metadata("p") == b"s"
    assert group.state_since_ms is None
    assert not group.resume(Moment(0, 0))


def test_deadlines_never_come_early(stable):
    stable >> Advance(10) >> Beat("a") << Code()
    assert stable.group.expire(stable.now) == []
    assert stable.group.next_deadline_ms == 10_000
