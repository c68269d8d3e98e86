"""The records that consumer groups write into `__consumer_offsets`, made from what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.stored.consumer_groups import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    TopicPartition,
    TopicPartitions,
)
from .group_records import GroupRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .assignors.group_spec import Assignment
    from .consumer_member import ConsumerMember, OwnedPartitions
    from .consumer_subscriptions import ResolvedRegex


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> GroupRecord:
    """The group's epoch, and the hash of the topics that it reads."""
    value = ConsumerGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash)
    return GroupRecord(ConsumerGroupMetadataKey(group_id=group_id), value)


def member_record(group_id: str, member: ConsumerMember) -> GroupRecord:
    """What a member asks for."""
    return GroupRecord(_member_key(group_id, member.member_id), member.to_metadata())


def target_record(group_id: str, member_id: str, assignment: Assignment) -> GroupRecord:
    """What a member is to have."""
    topics = [
        TopicPartition(topic_id=topic_id, partitions=sorted(partitions)) for topic_id, partitions in assignment.items()
    ]
    key = ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id)
    return GroupRecord(key, ConsumerGroupTargetAssignmentMemberValue(topic_partitions=topics))


def target_epoch_record(group_id: str, epoch: int, assigned_ms: int) -> GroupRecord:
    """The epoch for which the targets were worked out, and when (wall ms)."""
    value = ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=assigned_ms)
    return GroupRecord(ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id), value)


def current_record(group_id: str, member: ConsumerMember) -> GroupRecord:
    """What a member has, and in which epoch it is."""
    value = ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=member.state,
        assigned_partitions=_stored(member.assigned),
        partitions_pending_revocation=_stored(member.revoking),
    )
    return GroupRecord(_current_key(group_id, member.member_id), value)


def regex_record(group_id: str, regex: str, resolved: ResolvedRegex) -> GroupRecord:
    """The topics that a regular expression stands for."""
    value = ConsumerGroupRegularExpressionValue(
        topics=sorted(resolved.topics), version=resolved.version, timestamp=resolved.resolved_ms
    )
    return GroupRecord(_regex_key(group_id, regex), value)


def regex_tombstone(group_id: str, regex: str) -> GroupRecord:
    """The record that ends a regular expression."""
    return GroupRecord(_regex_key(group_id, regex), None)


def subscription_metadata_tombstone(group_id: str) -> GroupRecord:
    """The record that ends what a Kafka before 4.1 kept instead of the hash."""
    return GroupRecord(ConsumerGroupPartitionMetadataKey(group_id=group_id), None)


def member_tombstones(group_id: str, member_id: str) -> Iterator[GroupRecord]:
    """The records that end a member."""
    yield GroupRecord(_current_key(group_id, member_id), None)
    yield _target_tombstone(group_id, member_id)
    yield GroupRecord(_member_key(group_id, member_id), None)


def consumer_group_tombstones(group_id: str, member_ids: list[str], regexes: Iterable[str]) -> Iterator[GroupRecord]:
    """The records that end a group with all that is in it."""
    for member_id in member_ids:
        yield GroupRecord(_current_key(group_id, member_id), None)
    for member_id in member_ids:
        yield _target_tombstone(group_id, member_id)
    yield GroupRecord(ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id), None)
    for member_id in member_ids:
        yield GroupRecord(_member_key(group_id, member_id), None)
    for regex in regexes:
        yield regex_tombstone(group_id, regex)
    yield subscription_metadata_tombstone(group_id)
    yield GroupRecord(ConsumerGroupMetadataKey(group_id=group_id), None)


def _member_key(group_id: str, member_id: str) -> ConsumerGroupMemberMetadataKey:
    return ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=member_id)


def _current_key(group_id: str, member_id: str) -> ConsumerGroupCurrentMemberAssignmentKey:
    return ConsumerGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id)


def _regex_key(group_id: str, regex: str) -> ConsumerGroupRegularExpressionKey:
    return ConsumerGroupRegularExpressionKey(group_id=group_id, regular_expression=regex)


def _target_tombstone(group_id: str, member_id: str) -> GroupRecord:
    return GroupRecord(ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None)


def _stored(owned: OwnedPartitions) -> list[TopicPartitions]:
    stored = []
    for topic_id, epochs in owned.items():
        partitions = sorted(epochs)
        in_step = [epochs[partition] for partition in partitions]
        stored.append(TopicPartitions(topic_id=topic_id, partitions=partitions, assignment_epochs=in_step))
    return stored
