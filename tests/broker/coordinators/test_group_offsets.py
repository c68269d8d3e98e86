"""Offsets as replaying their records leaves them."""

from __future__ import annotations

from ottla.broker.coordinators.group_offsets import GroupOffsets
from ottla.broker.coordinators.group_records import offset_commit_record
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.group_shard import GroupShard
from ottla.protocol.stored.classic_groups import OffsetCommitKey, OffsetCommitValue

KEY = OffsetCommitKey(group="g", topic="t", partition=0)


def test_a_tombstone_leaves_nothing_behind():
    offsets = GroupOffsets()
    offsets.replay(KEY, OffsetCommitValue(offset=1), 0)
    offsets.replay(KEY, None, 1)
    assert offsets.snapshot() == {}
    offsets.replay(KEY, None, 2)
    assert offsets.snapshot() == {}


def test_of_two_offsets_the_one_further_down_the_log_holds():
    offsets = GroupOffsets()
    offsets.replay(KEY, OffsetCommitValue(offset=9), 7)
    offsets.replay(KEY, OffsetCommitValue(offset=1), 3)  # of a transaction that was committed after offset 7
    assert offsets.get("g", "t", 0).offset == 9


def test_unknown_groups_topics_and_partitions():
    offsets = GroupOffsets()
    offsets.replay(KEY, OffsetCommitValue(offset=1), 0)
    assert offsets.get("other", "t", 0) is None
    assert offsets.get("g", "other", 0) is None
    assert offsets.get("g", "t", 1) is None
    assert offsets.topics("other") == {}


def test_topic_ids_differ_only_where_both_are_known():
    offsets = GroupOffsets()
    one, two = b"1" * 16, b"2" * 16
    offsets.replay(KEY, OffsetCommitValue(offset=1, topic_id=one), 0)
    known = offsets.get("g", "t", 0)
    assert known.is_of_topic(one)
    assert known.is_of_topic(bytes(16))
    assert not known.is_of_topic(two)
    assert known._replace(topic_id=bytes(16)).is_of_topic(two)


def test_a_deleted_topic_with_many_offsets_is_forgotten_in_several_batches() -> None:
    shard = GroupShard(GroupSettings())
    for partition in range(2500):
        value = OffsetCommitValue(offset=1, topic_id=b"t" * 16)
        shard.replay(offset_commit_record("group", "topic", partition, value), partition)
    effects = shard.delete_topic_offsets("topic", b"t" * 16)
    assert [len(effect.records) for effect in effects] == [1000, 1000, 500]
