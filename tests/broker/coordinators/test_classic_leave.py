"""LeaveGroup, script by script."""

from __future__ import annotations

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.leave_group import MemberIdentity

from .playbook import (
    GROUP,
    Advance,
    Beat,
    Code,
    Join,
    JoinReply,
    Leave,
    RefuseNextAppend,
    Restart,
    Sync,
    SyncReply,
    Wrote,
)


def test_the_others_rebalance_at_once(stable):
    stable >> Leave("b") << Code()
    assert stable.state == "PreparingRebalance"
    stable >> Beat("a") << Code(ErrorCode.REBALANCE_IN_PROGRESS)
    stable >> Join("a") << JoinReply("a", 2, members=("a",))


def test_the_last_one_leaves_an_empty_group(stable):
    stable >> Leave("b") << Code() >> Leave("a") << Code() << Wrote(2, ())
    assert stable.state == "Empty"
    assert stable.group.members.leader_id is None
    assert stable.group.protocol_name is None
    assert stable.group.protocol_type == "consumer"


def test_the_leader_leaves_and_the_longest_member_leads(stable):
    stable >> Leave("a") << Code() >> Join("b") << JoinReply("b", 2, leader="b")


def test_leaving_lets_a_rebalance_that_waits_for_it_go_on(stable):
    stable >> Join("a") >> Leave("b") << Code() << JoinReply("a", 2, members=("a",))


def test_a_parked_join_of_one_who_leaves_is_answered(stable):
    stable >> Join("c") >> Leave("c", member_id="c-3")
    stable << Code() << JoinReply("c", error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_parked_sync_of_one_who_leaves_is_answered(play):
    play >> Join("a") << Wrote(0) >> Join("b") >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("b") >> Leave("b") << Code() << SyncReply("b", error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_an_id_that_was_not_used_can_be_given_back(stable):
    stable >> Join("c", version=9) << JoinReply("c", error=ErrorCode.MEMBER_ID_REQUIRED)
    stable >> Leave("c") << Code()
    assert not stable.group.members.pending


def test_strangers(stable):
    stable >> Leave("x", member_id="ghost") << Code(ErrorCode.UNKNOWN_MEMBER_ID)
    stable >> Leave("x", member_id="") << Code(ErrorCode.UNKNOWN_MEMBER_ID)
    stable >> Leave("a", instance="nobody") << Code(ErrorCode.UNKNOWN_MEMBER_ID)
    assert stable.state == "Stable"


def test_no_group(play):
    play >> Leave("x", member_id="x") << Code(ErrorCode.UNKNOWN_MEMBER_ID)


def test_several_at_once_rebalance_once(stable):
    identities = [MemberIdentity(member_id="a-1"), MemberIdentity(member_id="?"), MemberIdentity(member_id="b-2")]
    responses, effects = stable.shard.leave(GROUP, identities, stable.now)
    assert [response.error_code for response in responses] == [0, ErrorCode.UNKNOWN_MEMBER_ID, 0]
    stable._perform(effects)
    stable << Wrote(2, ())


def test_an_emptied_group_that_cannot_be_written_is_empty_until_a_restart(stable):
    stable >> Leave("b") << Code() >> RefuseNextAppend(ErrorCode.KAFKA_STORAGE_ERROR) >> Leave("a") << Code()
    assert stable.state == "Empty"
    assert stable.group.generation == 2
    stable >> Restart()
    assert stable.state == "Stable"
    stable >> Advance(10_000) << Wrote(2, ())
