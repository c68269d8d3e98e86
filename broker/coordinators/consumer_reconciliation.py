"""How a member of a consumer group comes to its target assignment, one heartbeat at a time.

A member first gives up what it is not to have any more, and stays in its epoch until it says that it has; then it
moves to the target's epoch and gets what is free. A partition has one owner at any time, since what another member
still holds, or has not said to have given up, is not handed out (Kafka's `CurrentAssignmentBuilder`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from .consumer_member import ConsumerMember, MemberState, OwnedPartitions
from .group_refusal import GroupRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Protocol

    from .assignors.group_spec import Assignment

    class TopicPartitions(Protocol):
        """A topic with partitions, as a request names them."""

        topic_id: bytes
        partitions: list[int]


class Target(NamedTuple):
    """What a member is to have, and the epoch in which it is to have it."""

    epoch: int
    assignment: Assignment


class Reconciliation:
    """One member and all that its next step depends on."""

    __slots__ = ("_epoch_of", "_member", "_owned", "_readable", "_target")

    def __init__(
        self,
        member: ConsumerMember,
        target: Target,
        *,
        readable_topic_ids: Collection[bytes],
        epoch_of: Callable[[bytes, int], int],
        owned: Sequence[TopicPartitions] | None,
    ) -> None:
        """`epoch_of` tells the epoch of a partition's owner, -1 without one; `owned` is what the member says it has."""
        self._member = member
        self._target = target
        self._readable = readable_topic_ids
        self._epoch_of = epoch_of
        self._owned = owned

    def next_step(self, *, subscription_changed: bool) -> ConsumerMember:
        """The member as it is to be; the same one when it has to wait."""
        member = self._member
        if member.state is MemberState.STABLE and member.epoch == self._target.epoch:
            return self._without_unread() if subscription_changed else member
        if member.state is MemberState.UNREVOKED_PARTITIONS and self._still_owns(member.revoking):
            return self._without_unread() if subscription_changed else member
        if member.state is MemberState.UNKNOWN:
            return self._from_unknown()
        return self._advance()

    def _from_unknown(self) -> ConsumerMember:
        """Begin again with a member whose state a newer Kafka wrote; it must have nothing."""
        if self._owned is None or self._owned:
            raise GroupRefusal(
                ErrorCode.FENCED_MEMBER_EPOCH,
                "The consumer group member is in a unknown state. "
                "The member must abandon all its partitions and rejoin.",
            )
        return self._advance(self._target.epoch)

    def _still_owns(self, revoking: OwnedPartitions) -> bool:
        """Whether the member still has some of these; one that does not say what it has may have them all."""
        if self._owned is None:
            return True
        return any(
            partition in revoking.get(topic.topic_id, ()) for topic in self._owned for partition in topic.partitions
        )

    def _without_unread(self) -> ConsumerMember:
        """Take only the topics away that the member reads no more."""
        member = self._member
        unread = [topic_id for topic_id in member.assigned if topic_id not in self._readable]
        if not unread:
            return member
        assigned = {topic_id: epochs for topic_id, epochs in member.assigned.items() if topic_id in self._readable}
        revoking = {topic_id: dict(epochs) for topic_id, epochs in member.revoking.items()}
        for topic_id in unread:
            revoking.setdefault(topic_id, {}).update(member.assigned[topic_id])
        if self._still_owns(revoking):
            return member.moved(member.epoch, MemberState.UNREVOKED_PARTITIONS, assigned, revoking)
        return member.moved(member.epoch, member.state, assigned, member.revoking)

    def _advance(self, waiting_epoch: int | None = None) -> ConsumerMember:
        """Compare what the member has with its target, and go as far as the others let it."""
        member, target = self._member, self._target
        wanted = {topic_id: own for topic_id, own in target.assignment.items() if topic_id in self._readable}
        kept: dict[bytes, Mapping[int, int]] = {}
        revoking: dict[bytes, Mapping[int, int]] = {}
        for topic_id, current in member.assigned.items():
            own = wanted.get(topic_id, frozenset())
            _put(kept, topic_id, {partition: epoch for partition, epoch in current.items() if partition in own})
            _put(revoking, topic_id, {partition: epoch for partition, epoch in current.items() if partition not in own})
        if revoking and self._still_owns(revoking):
            epoch = member.epoch if waiting_epoch is None else waiting_epoch
            return member.moved(epoch, MemberState.UNREVOKED_PARTITIONS, kept, revoking)
        state = MemberState.STABLE
        for topic_id, own in wanted.items():
            missing = own - kept.get(topic_id, {}).keys()
            free = [partition for partition in sorted(missing) if self._is_free(topic_id, partition)]
            if len(free) < len(missing):
                state = MemberState.UNRELEASED_PARTITIONS
            _put(kept, topic_id, {**kept.get(topic_id, {}), **dict.fromkeys(free, target.epoch)})
        return member.moved(target.epoch, state, kept, {})

    def _is_free(self, topic_id: bytes, partition: int) -> bool:
        """Whether nobody else has the partition; what the member itself is giving up, it can have back."""
        return self._epoch_of(topic_id, partition) == -1 or partition in self._member.revoking.get(topic_id, {})


def _put(partitions: dict[bytes, Mapping[int, int]], topic_id: bytes, epochs: Mapping[int, int]) -> None:
    if epochs:
        partitions[topic_id] = epochs
