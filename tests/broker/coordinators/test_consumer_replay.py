"""Records of consumer groups as logs really hold them: compacted, from older and newer Kafkas, and in odd order."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.classic_group import ClassicGroup
from ottla.broker.coordinators.consumer_group import ConsumerGroup
from ottla.broker.coordinators.consumer_member import ConsumerMember, MemberState
from ottla.broker.coordinators.consumer_records import (
    consumer_group_tombstones,
    epoch_record,
    member_record,
    member_tombstones,
    target_epoch_record,
    target_record,
)
from ottla.broker.coordinators.group_records import (
    GroupRecord,
    decode_record,
    encode_record,
    new_group_record,
    offset_commit_record,
)
from ottla.protocol.errors import ErrorCode
from ottla.protocol.stored import consumer_groups as stored
from ottla.protocol.stored.classic_groups import OffsetCommitValue

from .consumer_bench import GROUP, ConsumerBench, topic_id

OFFSET = offset_commit_record(GROUP, "t", 0, OffsetCommitValue(offset=5, metadata="", commit_timestamp=1))


@pytest.fixture
def bench():
    bench = ConsumerBench()
    bench.topic("t", 4)
    return bench


def current(member, epoch, partitions, *, epochs=None, state=0, revoking=()):
    value = stored.ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=epoch,
        previous_member_epoch=epoch - 1,
        state=state,
        assigned_partitions=[
            stored.TopicPartitions(topic_id=topic_id("t"), partitions=list(partitions), assignment_epochs=epochs)
        ],
        partitions_pending_revocation=[
            stored.TopicPartitions(topic_id=topic_id("t"), partitions=list(revoking), assignment_epochs=None)
        ],
    )
    return GroupRecord(stored.ConsumerGroupCurrentMemberAssignmentKey(group_id=GROUP, member_id=member), value)


def replay(bench, *records):
    bench._write(records)
    bench.check()


def test_every_record_survives_its_bytes(bench):
    bench.join("a", "t", instance_id="i", rack_id="r", server_assignor="range")
    bench.beat("a", 2, instance_id="i", subscribed_topic_regex="t.*")
    bench.join("b", "t")
    bench.beat("b", -1)
    kinds = {kind.removeprefix("-") for kind in bench.written()}
    assert kinds >= {"Metadata", "MemberMetadata", "TargetAssignmentMember", "TargetAssignmentMetadata"}
    assert kinds >= {"CurrentMemberAssignment", "RegularExpression"}
    for key, value in bench.log:
        assert encode_record(decode_record(key, value)) == (key, value)


@pytest.mark.parametrize("at", range(5))
def test_tombstones_of_what_is_not_there_are_passed_over(bench, at):
    records = [*member_tombstones(GROUP, "a"), *consumer_group_tombstones(GROUP, ["b"], ["x.*"])]
    replay(bench, *records[at:])
    assert GROUP not in bench.shard.groups


def test_offsets_in_front_of_a_group_stay_its_own(bench):
    replay(bench, OFFSET)
    assert isinstance(bench.shard.groups[GROUP], ClassicGroup)
    replay(bench, epoch_record(GROUP, 3, 0))
    assert isinstance(bench.shard.groups[GROUP], ConsumerGroup)
    replay(bench, OFFSET)
    assert isinstance(bench.shard.groups[GROUP], ConsumerGroup)
    assert bench.shard.offsets.get(GROUP, "t", 0).offset == 5


def test_the_kind_of_a_group_is_what_its_last_records_say(bench):
    replay(bench, new_group_record(GROUP, 1), epoch_record(GROUP, 3, 0))
    assert isinstance(bench.shard.groups[GROUP], ConsumerGroup)
    replay(bench, new_group_record(GROUP, 1))
    assert isinstance(bench.shard.groups[GROUP], ClassicGroup)


def test_a_kafka_before_4_2_wrote_no_epochs_of_assignments(bench):
    replay(bench, current("a", 7, [0, 1]), current("b", -2, [2]), current("c", 5, [3], epochs=[1, 2]))
    group = bench.group
    assert group.members["a"].assigned == {topic_id("t"): {0: 7, 1: 7}}
    assert group.members["b"].assigned == {topic_id("t"): {2: 0}}
    assert group.members["c"].assigned == {topic_id("t"): {3: 5}}


def test_a_state_of_a_newer_kafka_is_left_by_joining_without_partitions(bench):
    bench.join("a", "t")
    replay(bench, current("a", 2, [0, 1, 2, 3], state=9))
    assert bench.group.members["a"].state is MemberState.UNKNOWN
    answer = bench.beat("a", 2)
    assert (answer.error_code, answer.error_message) == (
        ErrorCode.FENCED_MEMBER_EPOCH,
        "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
    )
    assert bench.told(bench.join("a", "t")) == {"t": [0, 1, 2, 3]}
    assert bench.group.members["a"].state is MemberState.STABLE


def test_what_a_kafka_before_4_1_noted_of_topics_is_ended_at_the_next_change(bench):
    bench.join("a", "t")
    key = stored.ConsumerGroupPartitionMetadataKey(group_id=GROUP)
    replay(bench, GroupRecord(key, stored.ConsumerGroupPartitionMetadataValue()))
    assert bench.group.has_old_metadata_record
    bench.restart()
    written = len(bench.log)
    bench.beat("a", 2)
    assert bench.written(written) == ["-PartitionMetadata"]
    assert not bench.group.has_old_metadata_record


def test_compaction_may_leave_the_new_owner_in_front_of_the_old(bench):
    """Of a partition that moved, the log may hold the later owner's record alone, before an older one's release."""
    replay(bench, current("b", 5, [0]), current("a", 4, [0]), current("a", 5, []))
    assert bench.group.epoch_of(topic_id("t"), 0) == 5


def test_a_target_may_name_the_new_owner_first(bench):
    t = topic_id("t")
    replay(bench, target_record(GROUP, "a", {t: {0, 1}}), target_record(GROUP, "b", {t: {1}}))
    assert bench.group.target_owners == {t: {0: "a", 1: "b"}}
    bench._write([target_record(GROUP, "a", {t: {0}})])
    bench.check()
    assert bench.group.target_owners == {t: {0: "a", 1: "b"}}


def test_an_ended_group_leaves_nothing(bench):
    bench.join("a", "t", subscribed_topic_regex="t.*")
    group = bench.group
    replay(bench, *consumer_group_tombstones(GROUP, list(group.members), group.subscriptions.resolved))
    assert GROUP not in bench.shard.groups
    replay(bench, member_record(GROUP, ConsumerMember("a")), target_epoch_record(GROUP, 1, 0))
    assert bench.group.epoch == 1
