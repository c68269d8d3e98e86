"""One member of a consumer group (KIP-848): what it asks for, what it has, and how far it has come.

A member never changes: a heartbeat makes the next one, and replaying its records puts that in place
(Kafka's `ConsumerGroupMember`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from ...protocol.stored.consumer_groups import ConsumerGroupMemberMetadataValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...protocol.stored.consumer_groups import (
        ClassicMemberMetadata,
        ConsumerGroupCurrentMemberAssignmentValue,
        TopicPartitions,
    )

OwnedPartitions: TypeAlias = "Mapping[bytes, Mapping[int, int]]"
"""Partitions by topic id, each with the epoch in which the member was given it (KIP-1251)."""

LEAVE_EPOCH = -1
STATIC_LEAVE_EPOCH = -2


class MemberState(IntEnum):
    """How a member stands to its target assignment; the number is what its record holds."""

    STABLE = 0
    """It has its target, as far as the epoch it is in goes."""
    UNREVOKED_PARTITIONS = 1
    """It has to give up partitions first, and has not said yet that it did."""
    UNRELEASED_PARTITIONS = 2
    """It waits for partitions that others have not given up yet."""
    UNKNOWN = 127
    """A state that a newer Kafka wrote."""


# To look a member up in its enum takes 0.1 µs, and each heartbeat asks.
_STABLE: Final = MemberState.STABLE


@dataclass(frozen=True, slots=True)
class ConsumerMember:
    """A member; times in milliseconds, empty regular expression for none."""

    member_id: str
    epoch: int = 0
    previous_epoch: int = -1
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    topic_regex: str | None = ""
    server_assignor: str | None = None
    assigned: OwnedPartitions = field(default_factory=dict)
    revoking: OwnedPartitions = field(default_factory=dict)
    """Partitions that it must give up, and still owns."""
    classic: ClassicMemberMetadata | None = None
    """Only for a member that speaks the classic protocol within the group."""

    @property
    def is_classic(self) -> bool:
        """Whether it joins, syncs and heartbeats in the classic protocol."""
        return self.classic is not None

    def is_reconciled_to(self, assignment_epoch: int) -> bool:
        """Whether it has all that the target of that epoch gives it."""
        return self.epoch == assignment_epoch and self.state is _STABLE

    def assignment_epoch_of(self, topic_id: bytes, partition: int) -> int | None:
        """The epoch in which it was given a partition that it has or is giving up; None for one that it has not."""
        for owned in (self.assigned, self.revoking):
            epoch = owned.get(topic_id, {}).get(partition)
            if epoch is not None:
                return epoch
        return None

    def moved(
        self, epoch: int, state: MemberState, assigned: OwnedPartitions, revoking: OwnedPartitions
    ) -> ConsumerMember:
        """The member in its next epoch, which may be the one that it is in."""
        return replace(self, epoch=epoch, previous_epoch=self.epoch, state=state, assigned=assigned, revoking=revoking)

    def temporarily_gone(self) -> ConsumerMember:
        """The static member after it left to come back: it keeps its partitions, which count from epoch 0 again."""
        kept = {topic_id: dict.fromkeys(epochs, 0) for topic_id, epochs in self.assigned.items()}
        return replace(self, epoch=STATIC_LEAVE_EPOCH, assigned=kept, revoking={})

    def with_metadata(self, value: ConsumerGroupMemberMetadataValue) -> ConsumerMember:
        """The member as its metadata record says."""
        return replace(
            self,
            instance_id=value.instance_id,
            rack_id=value.rack_id,
            rebalance_timeout_ms=value.rebalance_timeout_ms,
            client_id=value.client_id,
            client_host=value.client_host,
            topic_names=frozenset(value.subscribed_topic_names),
            topic_regex=value.subscribed_topic_regex,
            server_assignor=value.server_assignor,
            classic=value.classic_member_metadata,
        )

    def to_metadata(self) -> ConsumerGroupMemberMetadataValue:
        """What its metadata record holds."""
        return ConsumerGroupMemberMetadataValue(
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            subscribed_topic_names=sorted(self.topic_names),
            subscribed_topic_regex=self.topic_regex,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            server_assignor=self.server_assignor,
            classic_member_metadata=self.classic,
        )

    def with_assignment(self, value: ConsumerGroupCurrentMemberAssignmentValue) -> ConsumerMember:
        """The member as its assignment record says."""
        known = value.state in MemberState._value2member_map_
        return replace(
            self,
            epoch=value.member_epoch,
            previous_epoch=value.previous_member_epoch,
            state=MemberState(value.state) if known else MemberState.UNKNOWN,
            assigned=_owned(value.assigned_partitions, value.member_epoch),
            revoking=_owned(value.partitions_pending_revocation, value.member_epoch),
        )

    def without_assignment(self) -> ConsumerMember:
        """The member after its assignment record was ended."""
        return replace(self, epoch=LEAVE_EPOCH, previous_epoch=LEAVE_EPOCH, assigned={}, revoking={})


def _owned(stored: list[TopicPartitions], member_epoch: int) -> OwnedPartitions:
    """Read partitions back; a Kafka before 4.2 wrote no epochs, so those count from the member's own."""
    owned = {}
    for topic in stored:
        epochs = topic.assignment_epochs
        if epochs is None or len(epochs) != len(topic.partitions):
            epochs = [max(member_epoch, 0)] * len(topic.partitions)
        owned[topic.topic_id] = dict(zip(topic.partitions, epochs, strict=True))
    return owned
