"""A repeated offset's batch and memory beside those of every other commit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.coordinators.group_effects import Moment
from ottla.broker.coordinators.group_offsets import CommittedOffset
from ottla.broker.coordinators.group_records import decode_record, encode_record
from ottla.broker.coordinators.group_settings import GroupSettings
from ottla.broker.coordinators.group_shard import GroupShard
from ottla.broker.coordinators.offset_commits import OffsetToCommit, commit_records
from ottla.broker.coordinators.repeated_offset import RepeatedOffset
from ottla.protocol.messages.offset_commit import OffsetCommitRequest
from ottla.protocol.plain_batch import build_plain_batch
from ottla.protocol.primitives import ZERO_UUID

LONGS = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from([249, 250, 400]).map("n".__mul__)
TOPIC_IDS = st.sampled_from([ZERO_UUID, b"0123456789abcdef"])
COMMITS = st.tuples(
    NAMES, NAMES, TOPIC_IDS, st.integers(0, 2**31 - 1), st.integers(-(2**31), 2**31 - 1)
)  # group, topic, topic id, partition, leader epoch


@given(
    commit=COMMITS, moments=st.lists(st.tuples(LONGS, LONGS), min_size=1, max_size=4), metadata=st.none() | st.just("")
)
def test_log_and_memory_are_those_of_any_commit(commit, moments, metadata):
    group, topic, topic_id, partition, leader_epoch = commit
    repeated = RepeatedOffset(*commit)
    again, read = GroupShard(GroupSettings()), GroupShard(GroupSettings())
    for record_offset, (offset, now_ms) in enumerate(moments):
        request = OffsetCommitRequest(group_id=group)
        to_commit = OffsetToCommit(topic, topic_id, partition, offset, leader_epoch, metadata)
        [record] = commit_records(request, [to_commit], Moment(0, now_ms))
        key, value = encode_record(record)
        assert repeated.batch(offset, now_ms) == build_plain_batch([(key, value)], now_ms)
        again.replay_again(repeated, offset, now_ms, record_offset)
        read.replay(decode_record(key, value), record_offset)
        assert again.offsets.snapshot() == read.offsets.snapshot()
        assert type(again.offsets.get(group, topic, partition)) is CommittedOffset
    assert list(again.groups) == list(read.groups) == [group]


def test_of_two_offsets_the_one_further_down_the_log_holds():
    repeated = RepeatedOffset("g", "t", ZERO_UUID, 0, -1)
    shard = GroupShard(GroupSettings())
    shard.replay_again(repeated, 9, 0, 7)
    shard.replay_again(repeated, 1, 0, 3)
    assert shard.offsets.get("g", "t", 0).offset == 9
