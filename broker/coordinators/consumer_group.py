"""A consumer group (KIP-848): its epochs, its members, what they are to have and what they have.

What is durable changes only by replaying records. Deadlines are volatile, and begin again after a load. What each
request does to the group is in `consumer_heartbeat`, `consumer_leave` and `classic_in_consumer_group`; the way of a
member to its target in `consumer_reconciliation` (Kafka's `ConsumerGroup`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .consumer_deadlines import ConsumerDeadlines
from .consumer_subscriptions import Subscriptions
from .group_refusal import GroupRefusal
from .group_topics import NEVER
from .subscription import CONSUMER_PROTOCOL_TYPE

if TYPE_CHECKING:
    from .assignors.group_spec import Assignment
    from .consumer_member import ConsumerMember, OwnedPartitions

NOT_OWNED = -1
_NO_TARGET_EPOCH = -1
_FIRST_EPOCH = 1


class ConsumerGroupState(Enum):
    """What a consumer group is doing; the value is what DescribeGroups and ListGroups show.

    It follows from the rest: nobody is in (EMPTY), members have changed since the target was worked out (ASSIGNING),
    members are on their way to it (RECONCILING), or all have it (STABLE).
    """

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"
    DEAD = "Dead"


class ConsumerGroup:
    """One group."""

    __slots__ = (
        "assigned_ms",
        "assignment_epoch",
        "classic_member_count",
        "classic_protocols",
        "deadlines",
        "epoch",
        "group_id",
        "has_old_metadata_record",
        "members",
        "metadata_hash",
        "partition_epochs",
        "server_assignors",
        "static_member_ids",
        "subscriptions",
        "target_owners",
        "targets",
        "topics_seen",
    )

    protocol_type = CONSUMER_PROTOCOL_TYPE
    type_name = "consumer"

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.epoch = _FIRST_EPOCH
        self.metadata_hash = 0
        self.topics_seen = NEVER
        """When the group last took the hash of its topics, by the count of `GroupTopics`. Volatile."""
        self.has_old_metadata_record = False
        self.members: dict[str, ConsumerMember] = {}
        self.static_member_ids: dict[str, str] = {}
        self.server_assignors: dict[str, int] = {}
        """How many members ask for each assignor."""
        self.subscriptions = Subscriptions()
        self.assignment_epoch = _FIRST_EPOCH
        self.assigned_ms = 0
        """Wall time of the last target assignment; 0 when it is not known."""
        self.targets: dict[str, Assignment] = {}
        self.target_owners: dict[bytes, dict[int, str]] = {}
        self.partition_epochs: dict[bytes, dict[int, int]] = {}
        """By topic and partition the epoch of the member that has it, or is giving it up."""
        self.classic_member_count = 0
        self.classic_protocols: dict[str, int] = {}
        """How many classic members speak each protocol."""
        self.deadlines = ConsumerDeadlines()

    # ---- looking

    @property
    def state(self) -> ConsumerGroupState:
        """What the group is doing."""
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch > self.assignment_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in the group."""
        return not self.members

    @property
    def next_deadline_ms(self) -> int | None:
        """No deadline is earlier than this one."""
        return self.deadlines.next_ms

    def member(self, member_id: str) -> ConsumerMember:
        """The member of that id. Raises GroupRefusal."""
        member = self.members.get(member_id)
        if member is None:
            raise GroupRefusal(
                ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}."
            )
        return member

    def static_member(self, instance_id: str | None) -> ConsumerMember | None:
        """The member that has the instance id."""
        member_id = None if instance_id is None else self.static_member_ids.get(instance_id)
        return None if member_id is None else self.members[member_id]

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic."""
        return topic in self.subscriptions.topics

    def target_of(self, member: ConsumerMember) -> Assignment:
        """What a member is to have; a static one takes over from whoever had its instance id."""
        member_id: str | None = member.member_id
        if member.instance_id is not None:
            member_id = self.static_member_ids.get(member.instance_id)
        return self.targets.get(member_id or "", {})

    def epoch_of(self, topic_id: bytes, partition: int) -> int:
        """The epoch of the partition's owner, -1 without one."""
        epochs = self.partition_epochs.get(topic_id)
        return NOT_OWNED if epochs is None else epochs.get(partition, NOT_OWNED)

    def preferred_assignor(self, old: ConsumerMember | None, new: ConsumerMember | None) -> str | None:
        """The assignor that most members ask for, if `old` became `new`; None when nobody asks for one.

        Of two with as many votes, uniform is taken: Kafka's hash map has it first.
        """
        counts = dict(self.server_assignors)
        _recount(counts, _assignor(old), _assignor(new))
        return max(counts, key=lambda name: (counts[name], name == "uniform"), default=None)

    # ---- replay

    def put_member(self, member: ConsumerMember) -> None:
        """Take a member over as a record tells it."""
        old = self.members.get(member.member_id)
        self.members[member.member_id] = member
        self._recount(old, member)
        if old is not None:
            self._release(old.assigned, old.epoch)
            self._release(old.revoking, old.epoch)
        self._own(member.assigned, member.epoch)
        self._own(member.revoking, member.epoch)
        if member.instance_id is not None:
            self.static_member_ids[member.instance_id] = member.member_id

    def remove_member(self, member_id: str) -> None:
        """Let a member go, with its deadlines."""
        old = self.members.pop(member_id, None)
        if old is None:
            return
        self._recount(old, None)
        self._release(old.assigned, old.epoch)
        self._release(old.revoking, old.epoch)
        if old.instance_id is not None and self.static_member_ids.get(old.instance_id) == member_id:
            del self.static_member_ids[old.instance_id]
        self.deadlines.forget(member_id)

    def put_target(self, member_id: str, assignment: Assignment) -> None:
        """Take over what a member is to have."""
        self._disown(member_id)
        for topic_id, partitions in assignment.items():
            owners = self.target_owners.setdefault(topic_id, {})
            for partition in partitions:
                owners[partition] = member_id
        self.targets[member_id] = assignment

    def remove_target(self, member_id: str) -> None:
        """The member is to have nothing, and is in the target no more."""
        self._disown(member_id)
        self.targets.pop(member_id, None)

    def forget_target_epoch(self) -> None:
        """The record of the target's epoch has ended."""
        self.assignment_epoch, self.assigned_ms = _NO_TARGET_EPOCH, 0

    def _disown(self, member_id: str) -> None:
        """Take the partitions of a target off the member, except those that were given to somebody else meanwhile."""
        for topic_id, partitions in self.targets.get(member_id, {}).items():
            owners = self.target_owners.get(topic_id, {})
            for partition in partitions:
                if owners.get(partition) == member_id:
                    del owners[partition]
            if not owners:
                self.target_owners.pop(topic_id, None)

    def _recount(self, old: ConsumerMember | None, new: ConsumerMember | None) -> None:
        self.subscriptions.replace(old, new)
        _recount(self.server_assignors, _assignor(old), _assignor(new))
        old_protocols, new_protocols = _protocols(old), _protocols(new)
        self.classic_member_count += (new_protocols is not None) - (old_protocols is not None)
        if old_protocols == new_protocols:
            return
        for name in old_protocols or ():
            _recount(self.classic_protocols, name, None)
        for name in new_protocols or ():
            _recount(self.classic_protocols, None, name)

    def _own(self, owned: OwnedPartitions, epoch: int) -> None:
        for topic_id, partitions in owned.items():
            epochs = self.partition_epochs.setdefault(topic_id, {})
            for partition in partitions:
                if epochs.get(partition, NOT_OWNED) < epoch or partition not in epochs:
                    epochs[partition] = epoch

    def _release(self, owned: OwnedPartitions, epoch: int) -> None:
        """Free partitions, except those that somebody took over in a later epoch: a compacted log may tell it so."""
        for topic_id, partitions in owned.items():
            epochs = self.partition_epochs.get(topic_id, {})
            for partition in partitions:
                if epochs.get(partition) == epoch:
                    del epochs[partition]
            if not epochs:
                self.partition_epochs.pop(topic_id, None)


def _assignor(member: ConsumerMember | None) -> str | None:
    return None if member is None else member.server_assignor


def _protocols(member: ConsumerMember | None) -> list[str] | None:
    if member is None or member.classic is None:
        return None
    return [protocol.name for protocol in member.classic.supported_protocols]


def _recount(counts: dict[str, int], old: str | None, new: str | None) -> None:
    if old == new:
        return
    if new is not None:
        counts[new] = counts.get(new, 0) + 1
    if old is not None:
        counts[old] = counts.get(old, 0) - 1
        if counts[old] <= 0:
            del counts[old]
