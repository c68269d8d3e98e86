"""Leaving a consumer group: by one's own will, or by falling silent."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.consumer_settings import GroupIntervals
from ottla.protocol.errors import ErrorCode

from .consumer_bench import GROUP, REBALANCE_MS, SESSION_MS, ConsumerBench


@pytest.fixture
def bench():
    bench = ConsumerBench()
    bench.topic("t", 4)
    bench.join("a", "t")
    bench.join("b", "t")
    return bench


def test_what_a_leaver_had_is_free_at_once(bench):
    answer = bench.beat("a", -1)
    assert (answer.error_code, answer.member_id, answer.member_epoch) == (0, "a", -1)
    answer = bench.beat("b", 3)
    assert (answer.member_epoch, bench.told(answer)) == (4, {"t": [0, 1, 2, 3]})
    assert bench.state == "Stable"


def test_the_last_one_leaves_an_empty_group(bench):
    bench.beat("a", -1)
    written = len(bench.log)
    bench.beat("b", -1)
    assert bench.written(written) == [
        "-CurrentMemberAssignment",
        "-TargetAssignmentMember",
        "-MemberMetadata",
        "Metadata",
    ]
    assert bench.state == "Empty"
    assert bench.group.next_deadline_ms is None or bench.group.members == {}
    bench.advance(SESSION_MS * 2)
    assert bench.state == "Empty"


def test_silence_for_a_session(bench):
    bench.advance(SESSION_MS - 1)
    bench.beat("b", 3)
    assert set(bench.group.members) == {"a", "b"}
    bench.advance(1)
    assert set(bench.group.members) == {"b"}
    assert bench.beat("a", 2).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_sessions_begin_again_after_a_restart(bench):
    bench.advance(SESSION_MS - 1)
    bench.restart()
    bench.advance(SESSION_MS - 1)
    assert set(bench.group.members) == {"a", "b"}
    bench.advance(1)
    assert bench.group.members == {}


def test_a_group_may_have_a_session_of_its_own(bench):
    bench.configs.intervals[GROUP] = GroupIntervals(session_timeout_ms=50_000, heartbeat_interval_ms=7_000)
    assert bench.beat("b", 3).heartbeat_interval_ms == 7_000
    bench.advance(SESSION_MS)
    assert set(bench.group.members) == {"b"}
    bench.advance(5_000)
    assert bench.group.members == {}


def test_who_does_not_give_up_partitions_in_time_is_out(bench):
    assert bench.told(bench.beat("a", 2)) == {"t": [0, 1]}
    for _ in range(REBALANCE_MS // 20_000):
        assert bench.group.members.keys() == {"a", "b"}
        bench.beat("b", 3)
        assert bench.beat("a", 2, {"t": [0, 1, 2, 3]}).error_code == 0
        bench.advance(20_000)
    assert bench.group.members.keys() == {"b"}


def test_who_gives_them_up_has_time_again(bench):
    bench.beat("a", 2)
    bench.advance(40_000)
    bench.beat("b", 3)
    assert bench.beat("a", 2, {"t": [0, 1]}).member_epoch == 3
    bench.advance(25_000)
    assert bench.group.members.keys() == {"a", "b"}


def test_time_to_give_up_begins_again_after_a_restart(bench):
    bench.beat("a", 2)
    bench.restart()
    for _ in range(3):
        assert "a" in bench.group.members
        bench.beat("a", 2, {"t": [0, 1, 2, 3]})
        bench.advance(20_000)
    assert "a" not in bench.group.members


def test_a_log_that_takes_nothing_is_tried_again(bench):
    bench.refuse = ErrorCode.NOT_LEADER_OR_FOLLOWER
    bench.advance(SESSION_MS)
    assert set(bench.group.members) == {"a", "b"}
    bench.advance(1_000)
    assert bench.group.members == {}


def test_a_leave_that_is_not_written(bench):
    bench.refuse = ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert bench.beat("a", -1).error_code == ErrorCode.NOT_COORDINATOR
    assert "a" in bench.group.members


def test_deleting_waits_for_the_last_one(bench):
    assert bench.decided(bench.shard.delete_group(GROUP)) == ErrorCode.NON_EMPTY_GROUP
    bench.beat("a", -1)
    bench.beat("b", -1)
    written = len(bench.log)
    assert bench.decided(bench.shard.delete_group(GROUP)) == ErrorCode.NONE
    assert bench.written(written) == ["-TargetAssignmentMetadata", "-PartitionMetadata", "-Metadata"]
    assert GROUP not in bench.shard.groups
    assert bench.decided(bench.shard.delete_group(GROUP)) == ErrorCode.GROUP_ID_NOT_FOUND


def test_an_empty_group_without_offsets_is_cleaned_up(bench):
    bench._perform(bench.shard.clean_up(bench.now))
    assert GROUP in bench.shard.groups
    bench.beat("a", -1)
    bench.beat("b", -1)
    bench._perform(bench.shard.clean_up(bench.now))
    assert GROUP not in bench.shard.groups
