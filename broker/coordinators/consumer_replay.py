"""Records of a consumer group, taken over: the only place where the durable state of one changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...protocol.stored import consumer_groups as stored
from .consumer_member import ConsumerMember
from .consumer_subscriptions import ResolvedRegex

if TYPE_CHECKING:
    from collections.abc import Callable

    from .consumer_group import ConsumerGroup
    from .consumer_kinds import ConsumerGroupKey
    from .group_records import GroupValue


def apply(group: ConsumerGroup, key: ConsumerGroupKey, value: GroupValue | None) -> None:
    """Take over one record of a group that stays; the tombstone of its epoch ends it, which is not seen here."""
    _APPLY[type(key)](group, key, value)


def _epoch(group: ConsumerGroup, _: Any, value: stored.ConsumerGroupMetadataValue | None) -> None:
    if value is not None:
        group.epoch = value.epoch
        group.metadata_hash = value.metadata_hash


def _old_metadata(group: ConsumerGroup, _: Any, value: stored.ConsumerGroupPartitionMetadataValue | None) -> None:
    group.has_old_metadata_record = value is not None


def _member(
    group: ConsumerGroup,
    key: stored.ConsumerGroupMemberMetadataKey,
    value: stored.ConsumerGroupMemberMetadataValue | None,
) -> None:
    if value is None:
        group.remove_member(key.member_id)
        return
    known = group.members.get(key.member_id) or ConsumerMember(key.member_id)
    group.put_member(known.with_metadata(value))


def _target_epoch(
    group: ConsumerGroup, _: Any, value: stored.ConsumerGroupTargetAssignmentMetadataValue | None
) -> None:
    if value is None:
        group.forget_target_epoch()
    else:
        group.assignment_epoch = value.assignment_epoch
        group.assigned_ms = value.assignment_timestamp


def _target(
    group: ConsumerGroup,
    key: stored.ConsumerGroupTargetAssignmentMemberKey,
    value: stored.ConsumerGroupTargetAssignmentMemberValue | None,
) -> None:
    if value is None:
        group.remove_target(key.member_id)
    else:
        target = {topic.topic_id: frozenset(topic.partitions) for topic in value.topic_partitions}
        group.put_target(key.member_id, target)


def _current(
    group: ConsumerGroup,
    key: stored.ConsumerGroupCurrentMemberAssignmentKey,
    value: stored.ConsumerGroupCurrentMemberAssignmentValue | None,
) -> None:
    known = group.members.get(key.member_id)
    if value is not None:
        group.put_member((known or ConsumerMember(key.member_id)).with_assignment(value))
    elif known is not None:
        group.put_member(known.without_assignment())


def _regex(
    group: ConsumerGroup,
    key: stored.ConsumerGroupRegularExpressionKey,
    value: stored.ConsumerGroupRegularExpressionValue | None,
) -> None:
    resolved = None
    if value is not None:
        resolved = ResolvedRegex(frozenset(value.topics), value.version, value.timestamp)
    group.subscriptions.resolve(key.regular_expression, resolved)


_APPLY: dict[type, Callable[[ConsumerGroup, Any, Any], None]] = {
    stored.ConsumerGroupMetadataKey: _epoch,
    stored.ConsumerGroupPartitionMetadataKey: _old_metadata,
    stored.ConsumerGroupMemberMetadataKey: _member,
    stored.ConsumerGroupTargetAssignmentMetadataKey: _target_epoch,
    stored.ConsumerGroupTargetAssignmentMemberKey: _target,
    stored.ConsumerGroupCurrentMemberAssignmentKey: _current,
    stored.ConsumerGroupRegularExpressionKey: _regex,
}
