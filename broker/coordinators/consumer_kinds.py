"""The kinds of records that consumer groups write."""

from __future__ import annotations

from typing import TypeAlias

from ...protocol.stored import consumer_groups as stored

ConsumerGroupKey: TypeAlias = (
    stored.ConsumerGroupMetadataKey
    | stored.ConsumerGroupPartitionMetadataKey
    | stored.ConsumerGroupMemberMetadataKey
    | stored.ConsumerGroupTargetAssignmentMetadataKey
    | stored.ConsumerGroupTargetAssignmentMemberKey
    | stored.ConsumerGroupCurrentMemberAssignmentKey
    | stored.ConsumerGroupRegularExpressionKey
)

ConsumerGroupValue: TypeAlias = (
    stored.ConsumerGroupMetadataValue
    | stored.ConsumerGroupPartitionMetadataValue
    | stored.ConsumerGroupMemberMetadataValue
    | stored.ConsumerGroupTargetAssignmentMetadataValue
    | stored.ConsumerGroupTargetAssignmentMemberValue
    | stored.ConsumerGroupCurrentMemberAssignmentValue
    | stored.ConsumerGroupRegularExpressionValue
)
