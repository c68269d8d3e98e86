"""OffsetCommit and what ends offsets and groups, script by script."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.offset_commits import is_metadata_too_large
from ottla.protocol.errors import ErrorCode

from .playbook import (
    GROUP,
    TOPIC_ID,
    WALL_START_MS,
    Advance,
    Beat,
    CleanUp,
    Code,
    Commit,
    DeleteGroup,
    DeleteOffset,
    DeleteTopic,
    Join,
    JoinReply,
    Leave,
    Playbook,
    RefuseNextAppend,
    Restart,
    Sync,
    SyncReply,
    Wrote,
    WroteEnd,
    WroteOffset,
)

WEEK_MS = 7 * 24 * 3_600_000


def committed(play, topic="t", partition=0):
    return play.shard.offsets.get(GROUP, topic, partition)


class TestCommit:
    def test_of_a_member(self, stable):
        stable >> Commit("a", 5) << WroteOffset(5) << Code()
        kept = committed(stable)
        assert (kept.offset, kept.leader_epoch, kept.metadata, kept.topic_id) == (5, 7, "meta", TOPIC_ID)
        assert kept.commit_timestamp_ms == WALL_START_MS

    def test_survives_a_restart(self, stable):
        stable >> Commit("a", 5) << WroteOffset(5) << Code() >> Commit("a", 6) << WroteOffset(6) << Code()
        before = committed(stable)
        stable >> Restart()
        assert committed(stable) == before
        stable >> Commit("b", 7) << WroteOffset(7) << Code()

    def test_extends_the_session(self, stable):
        for offset in range(4):
            stable >> Advance(9000) >> Commit("a", offset) << WroteOffset(offset) << Code() >> Beat("b") << Code()
        assert stable.state == "Stable"

    def test_is_accepted_while_members_gather(self, stable):
        stable >> Join("c") >> Commit("a", 5) << WroteOffset(5) << Code()

    def test_is_not_while_the_assignment_is_awaited(self, play):
        play >> Join("a") << Wrote(0) >> Advance(0) << JoinReply("a", 1)
        play >> Commit("a", 5) << Code(ErrorCode.REBALANCE_IN_PROGRESS)

    @pytest.mark.parametrize(
        ("commit", "error"),
        [
            (Commit("a", generation=0), ErrorCode.ILLEGAL_GENERATION),
            (Commit("a", generation=2), ErrorCode.ILLEGAL_GENERATION),
            (Commit("a", generation=-1), ErrorCode.ILLEGAL_GENERATION),
            (Commit("ghost", generation=1), ErrorCode.UNKNOWN_MEMBER_ID),
            (Commit("a", instance="nobody"), ErrorCode.UNKNOWN_MEMBER_ID),
            (Commit(None), ErrorCode.UNKNOWN_MEMBER_ID),
        ],
    )
    def test_refused_and_nothing_changes(self, stable, commit, error):
        stable >> commit << Code(error)
        assert committed(stable) is None

    def test_without_a_group_makes_a_simple_one(self, play):
        play >> Commit(None, 5) << WroteOffset(5) << Code()
        assert (play.state, play.group.protocol_type) == ("Empty", None)
        play >> Restart()
        assert play.state == "Empty"

    def test_without_a_generation_into_an_empty_group(self, play):
        play >> Join("a") << Wrote(0) >> Advance(0) << JoinReply("a", 1) >> Leave("a") << Code() << Wrote(2, ())
        play >> Commit(None, 5) << WroteOffset(5) << Code()

    def test_with_a_generation_but_no_group(self, play):
        play >> Commit("a", generation=1, version=8) << Code(ErrorCode.ILLEGAL_GENERATION)
        play >> Commit("a", generation=1, version=9) << Code(ErrorCode.GROUP_ID_NOT_FOUND)

    def test_that_cannot_be_written(self, stable):
        stable >> RefuseNextAppend(ErrorCode.KAFKA_STORAGE_ERROR) >> Commit("a", 5) << Code(ErrorCode.NOT_COORDINATOR)
        assert committed(stable) is None

    def test_metadata_is_counted_as_java_counts_it(self):
        assert not is_metadata_too_large(None, 4)
        assert not is_metadata_too_large("äöüß", 4)
        assert is_metadata_too_large("äöüß5", 4)
        assert not is_metadata_too_large("\U0001f600\U0001f600", 4)
        assert is_metadata_too_large("\U0001f600\U0001f6005", 4)


class TestExpiry:
    def test_a_week_after_the_group_became_empty(self, stable):
        stable >> Commit("a", 5) << WroteOffset(5) << Code()
        stable >> Leave("b") << Code() >> Leave("a") << Code() << Wrote(2, ())
        stable >> Advance(WEEK_MS - 1) >> CleanUp()
        assert committed(stable) is not None
        stable >> Restart() >> Advance(1) >> CleanUp() << WroteOffset(None) << WroteEnd()
        assert GROUP not in stable.shard.groups

    def test_not_while_a_member_reads_the_topic(self, play):
        week = WEEK_MS * 2
        play >> Join("a", session_ms=week, rebalance_ms=week) << Wrote(0) >> Advance(0) << JoinReply("a", 1)
        play >> Sync("a") << Wrote(1) << SyncReply("a")
        play >> Commit("a", 5) << WroteOffset(5) << Code() >> Commit("a", 6, topic="old") << WroteOffset(6, "old")
        play << Code() >> Advance(WEEK_MS) >> CleanUp() << WroteOffset(None, "old")
        assert committed(play).offset == 5

    def test_of_members_whose_subscriptions_are_unknown_never(self, play):
        play >> Join("a", session_ms=WEEK_MS * 2, protocol_type="connect") << Wrote(0) >> Advance(0)
        play << JoinReply("a", 1) >> Sync("a") << Wrote(1) << SyncReply("a")
        play >> Commit("a", 5) << WroteOffset(5) << Code() >> Advance(WEEK_MS) >> CleanUp()
        assert committed(play).offset == 5

    def test_of_a_simple_group_counts_from_the_commit(self, play):
        play >> Commit(None, 5) << WroteOffset(5) << Code() >> Advance(WEEK_MS - 1)
        play >> Commit(None, 6, partition=1) << WroteOffset(6, partition=1) << Code()
        play >> Advance(1) >> CleanUp() << WroteOffset(None)
        assert committed(play, partition=1).offset == 6

    def test_a_retention_of_its_own(self, play):
        play >> Commit(None, 5, version=2, retention_ms=1000) << WroteOffset(5) << Code()
        play >> Advance(999) >> Restart() >> CleanUp() >> Advance(1) >> CleanUp() << WroteOffset(None) << WroteEnd()

    def test_a_retention_of_minus_one_is_not_now(self, play):
        play >> Commit(None, 5, version=2, retention_ms=-1) << WroteOffset(5) << Code() >> Advance(1000) >> CleanUp()
        assert committed(play).offset == 5

    def test_an_empty_group_without_offsets_goes_at_the_next_look(self, play):
        play >> Join("a") << Wrote(0) >> Advance(0) << JoinReply("a", 1) >> Leave("a") << Code() << Wrote(2, ())
        play >> CleanUp() << WroteEnd()

    def test_a_group_with_members_stays(self, stable):
        stable >> CleanUp()
        assert stable.state == "Stable"

    def test_what_cannot_be_written_is_tried_again(self, play):
        play >> Commit(None, 5, version=2, retention_ms=0) << WroteOffset(5) << Code()
        play >> RefuseNextAppend(ErrorCode.KAFKA_STORAGE_ERROR) >> CleanUp()
        assert committed(play).offset == 5
        play >> CleanUp() << WroteOffset(None) << WroteEnd()


class TestDeletion:
    def test_of_a_group_with_its_offsets(self, play):
        (
            play
            >> Commit(None, 5)
            << WroteOffset(5)
            << Code()
            >> DeleteGroup()
            << WroteOffset(None)
            << WroteEnd()
            << Code()
        )
        play >> Restart()
        assert GROUP not in play.shard.groups
        assert committed(play) is None

    def test_of_a_group_with_members(self, stable):
        stable >> DeleteGroup() << Code(ErrorCode.NON_EMPTY_GROUP)

    def test_of_no_group(self, play):
        play >> DeleteGroup() << Code(ErrorCode.GROUP_ID_NOT_FOUND)

    def test_of_an_offset(self, play):
        play >> Commit(None, 5) << WroteOffset(5) << Code() >> DeleteOffset() << WroteOffset(None) << Code()
        play >> DeleteOffset() << Code()

    def test_of_an_offset_of_a_topic_that_is_read(self, stable):
        stable >> Commit("a", 5) << WroteOffset(5) << Code()
        stable >> DeleteOffset() << Code(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
        stable >> Commit("a", 5, "other") << WroteOffset(5, "other") << Code()
        stable >> DeleteOffset("other") << WroteOffset(None, "other") << Code()

    def test_of_an_offset_under_members_who_are_no_consumers(self, play):
        play >> Join("a", protocol_type="connect") << Wrote(0)
        play >> DeleteOffset() << Code(ErrorCode.NON_EMPTY_GROUP) >> Advance(0) << JoinReply("a", 1)

    def test_of_an_offset_of_no_group(self, play):
        play >> DeleteOffset() << Code(ErrorCode.GROUP_ID_NOT_FOUND)

    def test_of_a_topic(self, stable):
        stable >> Commit("a", 5) << WroteOffset(5) << Code() >> Commit("a", 6, "u") << WroteOffset(6, "u") << Code()
        stable >> DeleteTopic("t") << WroteOffset(None)
        assert committed(stable, "u").offset == 6

    def test_of_a_namesake_leaves_the_offset(self, stable):
        stable >> Commit("a", 5) << WroteOffset(5) << Code() >> DeleteTopic("t", b"another-topic-id")
        assert committed(stable).offset == 5


def test_consumers_whose_metadata_cannot_be_read_may_read_every_topic(play):
    play >> Join("a", protocols={"range": b"\x00\x00\x00"}) << Wrote(0) >> Advance(0) << JoinReply("a", 1)
    play >> Sync("a") << Wrote(1) << SyncReply("a") >> Commit("a", 5) << WroteOffset(5) << Code()
    play >> DeleteOffset() << Code(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)


def test_retention_is_a_setting():
    play = Playbook(GroupSettings(offsets_retention_ms=1000))
    play >> Commit(None, 5) << WroteOffset(5) << Code() >> Advance(1000) >> CleanUp() << WroteOffset(None) << WroteEnd()
