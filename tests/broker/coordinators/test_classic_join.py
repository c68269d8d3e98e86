"""JoinGroup, script by script."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.protocol.errors import ErrorCode

from .playbook import (
    Advance,
    Beat,
    Code,
    Join,
    JoinReply,
    Leave,
    Playbook,
    RefuseNextAppend,
    Restart,
    Sync,
    SyncReply,
    Wrote,
    subscription,
)

BOTH = {"range": subscription("t"), "sticky": subscription("t")}
OTHER = {"range": subscription("other")}


def test_first_member_leads_generation_one(play):
    play >> Join("a") << Wrote(0) >> Advance(0)
    play << JoinReply("a", 1, leader="a", members=("a",), protocol="range")
    assert play.state == "CompletingRebalance"


def test_a_group_is_written_down_before_anybody_is_in_it(play):
    play >> Join("a", version=4) << Wrote(0) << JoinReply("a", error=ErrorCode.MEMBER_ID_REQUIRED)
    assert play.state == "Empty"
    assert play.ids["a"] == "a-1"


def test_a_new_group_that_cannot_be_written_is_not_there(play):
    play >> RefuseNextAppend(ErrorCode.KAFKA_STORAGE_ERROR) >> Join("a")
    play << JoinReply("a", error=ErrorCode.NOT_COORDINATOR)
    assert not play.shard.groups


def test_a_member_joins_with_the_id_it_was_given(play):
    play >> Join("a", version=9) << Wrote(0) << JoinReply("a", error=ErrorCode.MEMBER_ID_REQUIRED)
    play >> Join("a", version=9) >> Advance(0) << JoinReply("a", 1)
    assert play.ids["a"] == "a-1"


def test_an_id_that_was_not_used_for_a_session_is_forgotten(play):
    play >> Join("a", version=9, session_ms=6000) << Wrote(0) << JoinReply("a", error=ErrorCode.MEMBER_ID_REQUIRED)
    play >> Advance(5999)
    assert "a-1" in play.group.members.pending
    play >> Advance(1) >> Join("a", version=9) << JoinReply("a", error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_an_outstanding_id_holds_up_the_rebalance_until_it_expires(stable):
    stable >> Join("c", version=9, session_ms=6000) << JoinReply("c", error=ErrorCode.MEMBER_ID_REQUIRED)
    stable >> Join("a") >> Join("b")
    assert stable.parked == {"a", "b"}
    stable >> Advance(6000) << JoinReply("a", 2) << JoinReply("b", 2)


def test_an_unknown_member_of_no_group(play):
    play >> Join("a", member_id="ghost") << JoinReply("a", error=ErrorCode.UNKNOWN_MEMBER_ID)
    assert not play.shard.groups


def test_an_unknown_member_of_a_group(stable):
    stable >> Join("x", member_id="ghost") << JoinReply("x", error=ErrorCode.UNKNOWN_MEMBER_ID)


@pytest.mark.parametrize("wrong", [{"protocol_type": "connect"}, {"protocols": {"other": b""}}, {"protocols": {}}])
def test_members_must_share_type_and_protocol(stable, wrong):
    stable >> Join("c", **wrong) << JoinReply("c", error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    stable >> Join("b", **wrong) << JoinReply("b", error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    assert stable.state == "Stable"


@pytest.mark.parametrize("wrong", [{"protocol_type": ""}, {"protocols": {}}])
def test_a_first_member_needs_type_and_protocol(play, wrong):
    play >> Join("a", **wrong) << Wrote(0) << JoinReply("a", error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    assert play.state == "Empty"


def test_an_empty_group_takes_any_type(play):
    play >> Join("a") << Wrote(0) >> Advance(0) << JoinReply("a", 1) >> Leave("a") << Code() << Wrote(2, ())
    play >> Join("b", protocol_type="connect", protocols={"compatible": b"x"}) >> Advance(0) << JoinReply("b", 3)
    assert play.group.protocol_type == "connect"
    assert play.group.subscribed_topics is None


def test_protocol_with_most_votes_among_those_all_speak(play):
    play >> Join("a", protocols={"mine": b"", **BOTH}) << Wrote(0)
    play >> Join("b", protocols={"sticky": b"s", "range": b"r"}) >> Join("c", protocols={"sticky": b"s", "range": b"r"})
    play >> Advance(0)
    for label in "abc":
        play << JoinReply(label, 1, protocol="sticky")


def test_a_newcomer_begins_a_rebalance_and_all_wait(stable):
    stable >> Join("c")
    assert stable.state == "PreparingRebalance"
    stable >> Beat("a") << Code(ErrorCode.REBALANCE_IN_PROGRESS)
    stable >> Join("a") >> Join("b")
    stable << JoinReply("a", 2, members=("a", "b", "c-3")) << JoinReply("b", 2, members=()) << JoinReply("c", 2)


def test_leader_rejoin_rebalances(stable):
    stable >> Join("a")
    assert stable.state == "PreparingRebalance"


def test_identical_follower_rejoin_gets_the_generation_again(stable):
    stable >> Join("b") << JoinReply("b", 1, leader="a", members=())
    assert stable.state == "Stable"
    stable >> Sync("b") << SyncReply("b", b"B")


def test_changed_follower_rebalances(stable):
    stable >> Join("b", protocols=OTHER)
    assert stable.state == "PreparingRebalance"
    stable >> Join("a") << JoinReply("a", 2) << JoinReply("b", 2)
    assert stable.group.subscribed_topics == {"t", "other"}


def test_a_lost_answer_is_given_again_while_the_assignment_is_awaited(play):
    play >> Join("a") << Wrote(0) >> Join("b") >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Join("b") << JoinReply("b", 1, members=())
    play >> Join("a") << JoinReply("a", 1, members=("a", "b"))
    assert play.state == "CompletingRebalance"


def test_changed_metadata_while_the_assignment_is_awaited_rebalances(play):
    play >> Join("a") << Wrote(0) >> Join("b") >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("b") >> Join("a", protocols=OTHER) << SyncReply("b", error=ErrorCode.REBALANCE_IN_PROGRESS)
    assert play.state == "PreparingRebalance"
    play >> Join("b") << JoinReply("a", 2) << JoinReply("b", 2)


def test_rebalance_timeout_removes_dynamic_members_who_only_heartbeat(play):
    play >> Join("a", rebalance_ms=7000, session_ms=60_000) << Wrote(0)
    play >> Join("b", rebalance_ms=5000, session_ms=60_000) >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("a") << Wrote(1) << SyncReply("a") >> Sync("b") << SyncReply("b")
    play >> Join("a", rebalance_ms=7000, session_ms=60_000) >> Advance(6999)
    assert play.parked == {"a"}
    play >> Advance(1) << JoinReply("a", 2, members=("a",))


def test_a_new_leader_is_elected_when_the_old_one_does_not_rejoin(play):
    play >> Join("a", rebalance_ms=5000, session_ms=60_000) << Wrote(0)
    play >> Join("b", rebalance_ms=5000, session_ms=60_000) >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("a") << Wrote(1) << SyncReply("a") >> Sync("b") << SyncReply("b")
    play >> Join("b", rebalance_ms=5000, session_ms=60_000, protocols=OTHER) >> Advance(5000)
    play << JoinReply("b", 2, leader="b", members=("b",))


def test_a_join_that_is_sent_again_takes_the_place_of_the_first(stable):
    stable >> Join("a") >> Join("a") << JoinReply("a", error=ErrorCode.REBALANCE_IN_PROGRESS)
    stable >> Join("b") << JoinReply("a", 2) << JoinReply("b", 2)


def test_a_parked_newcomer_is_given_up_after_five_minutes(play):
    play >> Join("a", rebalance_ms=10_000_000, session_ms=10_000_000) << Wrote(0) >> Advance(0) << JoinReply("a", 1)
    play >> Sync("a") << Wrote(1) << SyncReply("a")
    play >> Join("b", session_ms=1000) >> Advance(299_999)
    assert play.parked == {"b"}
    play >> Advance(1) << JoinReply("b", error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_newcomer_that_is_one_no_more_is_excused_while_it_waits(play):
    play >> Join("a", rebalance_ms=900_000, session_ms=900_000) << Wrote(0)
    play >> Join("b", session_ms=1000) >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)
    play >> Sync("a") << Wrote(1) << SyncReply("a") >> Sync("b") << SyncReply("b")
    play >> Join("b", session_ms=1000, protocols=OTHER) >> Advance(800_000)
    assert play.parked == {"b"}
    play >> Join("a") << JoinReply("a", 2) << JoinReply("b", 2)


class TestInitialRebalance:
    @pytest.fixture
    def play(self):
        playbook = Playbook(GroupSettings(session_timeout_min_ms=1, initial_rebalance_delay_ms=3000))
        yield playbook
        playbook.done()

    def test_waits_for_its_delay(self, play):
        play >> Join("a") << Wrote(0) >> Advance(2999)
        assert play.parked == {"a"}
        play >> Advance(1) << JoinReply("a", 1)

    def test_each_newcomer_extends_it_once(self, play):
        play >> Join("a") << Wrote(0) >> Advance(2000) >> Join("b") >> Advance(3999)
        assert play.parked == {"a", "b"}
        play >> Advance(1) << JoinReply("a", 1) << JoinReply("b", 1)

    def test_but_never_beyond_the_rebalance_timeout(self, play):
        play >> Join("a", rebalance_ms=5000) << Wrote(0)
        for label in "bcd":
            play >> Advance(1000) >> Join(label, rebalance_ms=5000)
        play >> Advance(0)
        assert play.parked == {"a", "b", "c"} | {"d"}
        play >> Advance(1999)
        assert play.parked == {"a", "b", "c", "d"}
        play >> Advance(1)
        for label in "abcd":
            play << JoinReply(label, 1)

    def test_a_delay_above_the_rebalance_timeout_counts_whole(self, play):
        play >> Join("a", rebalance_ms=1000) << Wrote(0) >> Advance(2999)
        assert play.parked == {"a"}
        play >> Advance(1) << JoinReply("a", 1)

    def test_all_are_here_does_not_cut_it_short(self, play):
        play >> Join("a") << Wrote(0) >> Join("b", version=9) << JoinReply("b", error=ErrorCode.MEMBER_ID_REQUIRED)
        play >> Leave("b") << Code()
        assert play.parked == {"a"}
        play >> Advance(3000) << JoinReply("a", 1)


class TestGroupMaxSize:
    @pytest.fixture
    def play(self):
        playbook = Playbook(GroupSettings(session_timeout_min_ms=1, initial_rebalance_delay_ms=0, group_size_max=2))
        yield playbook
        playbook.done()

    def test_a_third_member_while_members_gather(self, play):
        play >> Join("a") << Wrote(0) >> Join("b") >> Join("c")
        play << JoinReply("c", error=ErrorCode.GROUP_MAX_SIZE_REACHED)
        play >> Advance(0) << JoinReply("a", 1) << JoinReply("b", 1)

    def test_a_third_member_of_a_stable_group(self, stable):
        stable >> Join("c") << JoinReply("c", error=ErrorCode.GROUP_MAX_SIZE_REACHED)
        assert stable.state == "Stable"

    def test_existing_members_may_always_rejoin(self, stable):
        stable >> Join("a") >> Join("b") << JoinReply("a", 2) << JoinReply("b", 2)

    def test_a_lowered_limit_rebalances_at_load_and_sheds_the_last(self, stable):
        stable.settings = GroupSettings(session_timeout_min_ms=1, group_size_max=1)
        stable >> Restart()
        assert stable.state == "PreparingRebalance"
        stable >> Join("b") >> Join("a") << JoinReply("a", error=ErrorCode.GROUP_MAX_SIZE_REACHED)
        stable >> Advance(60_000) << JoinReply("b", 2, leader="b")
