"""Offsets that are part of a transaction: pending until its marker, then committed or forgotten."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_effects import Moment
from ottla.broker.coordinators.group_records import offset_commit_record, offset_tombstone
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.group_shard import GroupShard
from ottla.broker.coordinators.offset_commits import OffsetToCommit
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
from ottla.protocol.stored.classic_groups import OffsetCommitValue

ALICE, BOB = 1, 2
NOW = Moment(1000, 1_700_000_000_000)
LATER = Moment(1000, NOW.wall_ms + 8 * 24 * 3_600_000)
TOPIC_ID = b"t" * 16


class Offsets:
    """One shard, and where its log ends."""

    def __init__(self) -> None:
        self.shard = GroupShard(GroupSettings())
        self.end = 0

    def replay(self, record, producer_id: int = -1) -> None:
        self.shard.replay(record, self.end, producer_id)
        self.end += 1

    def commit(self, offset: int, *, producer_id: int = -1, partition: int = 0, group: str = "g") -> None:
        value = OffsetCommitValue(offset=offset, commit_timestamp=NOW.wall_ms)
        self.replay(offset_commit_record(group, "t", partition, value), producer_id)

    def at(self, partition: int = 0) -> int | None:
        committed = self.shard.offsets.get("g", "t", partition)
        return None if committed is None else committed.offset

    def is_pending(self, partition: int = 0) -> bool:
        return self.shard.offsets.is_pending("g", "t", partition)


@pytest.fixture
def offsets() -> Offsets:
    return Offsets()


def test_a_pending_offset_is_not_there_yet(offsets):
    offsets.commit(5, producer_id=ALICE)
    assert offsets.at() is None
    assert offsets.is_pending()
    assert not offsets.is_pending(1)


def test_a_commit_brings_it(offsets):
    offsets.commit(5, producer_id=ALICE)
    offsets.shard.end_transaction(ALICE, is_commit=True)
    assert offsets.at() == 5
    assert not offsets.is_pending()


def test_an_abort_forgets_it(offsets):
    offsets.commit(3)
    offsets.commit(5, producer_id=ALICE)
    offsets.shard.end_transaction(ALICE, is_commit=False)
    assert offsets.at() == 3
    assert not offsets.is_pending()


def test_the_last_offset_of_a_transaction_holds(offsets):
    offsets.commit(5, producer_id=ALICE)
    offsets.commit(6, producer_id=ALICE)
    offsets.shard.end_transaction(ALICE, is_commit=True)
    assert offsets.at() == 6


def test_an_offset_written_after_it_holds_although_it_was_committed_before(offsets):
    offsets.commit(5, producer_id=ALICE)
    offsets.commit(4)
    offsets.shard.end_transaction(ALICE, is_commit=True)
    assert offsets.at() == 4


def test_two_transactions_are_ended_each_by_itself(offsets):
    offsets.commit(5, producer_id=ALICE)
    offsets.commit(7, producer_id=BOB)
    offsets.shard.end_transaction(ALICE, is_commit=True)
    assert offsets.at() == 5
    assert offsets.is_pending()
    offsets.shard.end_transaction(BOB, is_commit=False)
    assert offsets.at() == 5
    assert not offsets.is_pending()


def test_a_marker_without_offsets_changes_nothing(offsets):
    offsets.commit(5)
    offsets.shard.end_transaction(ALICE, is_commit=True)
    assert offsets.at() == 5


def test_a_tombstone_ends_what_is_pending(offsets):
    offsets.commit(5, producer_id=ALICE)
    offsets.commit(6, producer_id=ALICE, partition=1)
    offsets.replay(offset_tombstone("g", "t", 0))
    assert not offsets.is_pending()
    offsets.shard.end_transaction(ALICE, is_commit=True)
    assert offsets.at(0) is None
    assert offsets.at(1) == 6


def test_a_pending_offset_keeps_the_group_and_the_committed_offset_alive(offsets):
    offsets.commit(3)
    offsets.commit(5, producer_id=ALICE)
    assert offsets.shard.clean_up(LATER) == []
    offsets.shard.end_transaction(ALICE, is_commit=False)
    [effect] = offsets.shard.clean_up(LATER)
    assert [type(record.key).__name__ for record in effect.records] == ["OffsetCommitKey", "GroupMetadataKey"]


def test_a_group_with_nothing_but_a_pending_offset_lives_on(offsets):
    offsets.commit(5, producer_id=ALICE)
    assert offsets.shard.clean_up(LATER) == []


def test_deleting_an_offset_or_a_group_ends_what_is_pending(offsets):
    offsets.commit(5, producer_id=ALICE)
    assert offsets.shard.delete_offset("g", "t", 0).records == (offset_tombstone("g", "t", 0),)
    assert offsets.shard.delete_offset("g", "t", 1).records == ()
    assert offset_tombstone("g", "t", 0) in offsets.shard.delete_group("g").records


def test_deleting_a_topic_ends_what_is_pending(offsets):
    offsets.commit(3)
    offsets.commit(5, producer_id=ALICE)
    offsets.commit(6, producer_id=ALICE, partition=1)
    [effect] = offsets.shard.delete_topic_offsets("t", TOPIC_ID)
    assert [(record.key.partition, record.value) for record in effect.records] == [(0, None), (1, None)]


# ---- who may commit


def commit_code(offsets: Offsets, **fields) -> ErrorCode:
    request = TxnOffsetCommitRequest(transactional_id="x", group_id="g", producer_id=1, producer_epoch=0, **fields)
    decision = offsets.shard.commit_in_transaction(request, [OffsetToCommit("t", TOPIC_ID, 0, 5, 2, None)], NOW)
    assert bool(decision.records) is (decision.code is ErrorCode.NONE)
    return decision.code


def test_a_group_that_is_not_there_takes_offsets_without_a_generation_alone(offsets):
    assert commit_code(offsets) is ErrorCode.NONE
    assert commit_code(offsets, generation_id=3, member_id="m") is ErrorCode.ILLEGAL_GENERATION


def test_an_empty_group_takes_offsets_without_a_generation(offsets):
    offsets.commit(1)
    assert commit_code(offsets, member_id="anybody") is ErrorCode.NONE
    assert commit_code(offsets, generation_id=0, member_id="m") is ErrorCode.UNKNOWN_MEMBER_ID
    assert commit_code(offsets, generation_id=0, group_instance_id="i") is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_record_has_no_topic_id(offsets):
    request = TxnOffsetCommitRequest(transactional_id="x", group_id="g", producer_id=1, producer_epoch=0)
    commits = [OffsetToCommit("t", TOPIC_ID, 0, 5, 2, None)]
    [record] = offsets.shard.commit_in_transaction(request, commits, NOW).records
    assert (record.value.offset, record.value.leader_epoch, record.value.metadata) == (5, 2, "")
    assert record.value.topic_id == bytes(16)
