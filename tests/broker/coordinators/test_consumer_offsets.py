"""Who may commit and look up offsets of a consumer group, by its epoch."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.offset_commits import OffsetToCommit
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest

from .consumer_bench import GROUP, WALL_START_MS, ConsumerBench, topic_id


@pytest.fixture
def bench():
    """a keeps 0 since epoch 2 and must give 1 up; b waits for it in epoch 3."""
    bench = ConsumerBench()
    bench.topic("t", 2)
    bench.join("a", "t")
    bench.join("b", "t")
    bench.beat("a", 2)
    return bench


def commit(bench, member, epoch, partition=0, version=9):
    offset = OffsetToCommit("t", topic_id("t"), partition, 5, -1, None)
    return bench.decided(bench.shard.commit(bench.commit_request(member, epoch), [offset], version, bench.now))


@pytest.mark.parametrize(
    ("member", "epoch", "partition", "version", "code"),
    [
        ("a", 2, 0, 9, ErrorCode.NONE),
        ("a", 2, 0, 10, ErrorCode.NONE),
        ("a", 2, 0, 8, ErrorCode.UNSUPPORTED_VERSION),
        ("a", 3, 0, 9, ErrorCode.STALE_MEMBER_EPOCH),
        ("a", 1, 0, 9, ErrorCode.STALE_MEMBER_EPOCH),
        ("a", -1, 0, 9, ErrorCode.STALE_MEMBER_EPOCH),
        ("who", 2, 0, 9, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", -1, 0, 9, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_commits(bench, member, epoch, partition, version, code):
    assert commit(bench, member, epoch, partition, version) is code
    assert (bench.shard.offsets.get(GROUP, "t", 0) is None) is (code is not ErrorCode.NONE)


def test_a_member_behind_its_group_may_commit_what_it_has_had_for_long_enough(bench):
    assert commit(bench, "a", 2, partition=1) is ErrorCode.NONE  # it must give 1 up, and may say how far it read
    bench.beat("a", 2, {"t": [0]})
    assert bench.group.members["a"].epoch == 3
    assert commit(bench, "a", 2, partition=0) is ErrorCode.NONE
    assert commit(bench, "a", 2, partition=1) is ErrorCode.STALE_MEMBER_EPOCH
    bench.beat("b", 3)
    assert commit(bench, "b", 3, partition=1) is ErrorCode.NONE
    assert commit(bench, "b", 2, partition=1) is ErrorCode.STALE_MEMBER_EPOCH


def test_an_admin_commits_to_an_empty_group(bench):
    bench.beat("a", -1)
    bench.beat("b", -1)
    assert commit(bench, "", -1) is ErrorCode.NONE
    assert commit(bench, "a", 3) is ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize(
    ("member", "epoch", "code"),
    [
        (None, -1, ErrorCode.NONE),
        ("a", 2, ErrorCode.NONE),
        ("a", 1, ErrorCode.STALE_MEMBER_EPOCH),
        ("who", 2, ErrorCode.UNKNOWN_MEMBER_ID),
        (None, 2, ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
def test_look_ups(bench, member, epoch, code):
    assert bench.shard.check_fetch(GROUP, member, epoch) is code


@pytest.mark.parametrize(
    ("member", "epoch", "code"),
    [
        ("", -1, ErrorCode.NONE),
        ("a", 2, ErrorCode.NONE),
        ("a", 3, ErrorCode.ILLEGAL_GENERATION),
        ("who", 2, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_commits_of_a_transaction(bench, member, epoch, code):
    request = TxnOffsetCommitRequest(group_id=GROUP, member_id=member, generation_id=epoch, producer_id=1)
    offset = OffsetToCommit("t", topic_id("t"), 0, 5, -1, None)
    assert bench.shard.commit_in_transaction(request, [offset], bench.now).code is code


def test_offsets_of_topics_that_are_read_are_kept(bench):
    bench.topic("old", 1)
    offset = OffsetToCommit("old", topic_id("old"), 0, 5, -1, None)
    bench.decided(bench.shard.commit(bench.commit_request("a", 2), [offset], 9, bench.now))
    commit(bench, "a", 2)
    assert bench.shard.check_offset_delete(GROUP) is ErrorCode.NONE
    assert bench.shard.delete_offset(GROUP, "t", 0).code is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    later_ms = WALL_START_MS + bench.classic_settings.offsets_retention_ms
    bench._perform(bench.shard.clean_up(bench.now._replace(wall_ms=later_ms)))
    assert bench.shard.offsets.get(GROUP, "old", 0) is None
    assert bench.shard.offsets.get(GROUP, "t", 0) is not None
