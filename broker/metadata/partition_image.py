"""One topic and its partitions, as their records say.

A `PartitionImage` never changes: a change record makes a new one, with the epochs that Kafka's
`PartitionRegistration.merge` would give it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ...protocol.stored.metadata import PartitionRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...protocol.stored.metadata import PartitionChangeRecord

NO_LEADER: Final = -1
LEADER_UNCHANGED: Final = -2
RECOVERY_STATE_UNCHANGED: Final = -1


@dataclass(frozen=True, slots=True)
class PartitionImage:
    """A partition: who holds it, who leads it, and how often either has changed.

    `directories` names, replica by replica, the log directory that holds it (16 bytes each; empty when unknown).
    """

    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    directories: tuple[bytes, ...] = ()
    removing_replicas: tuple[int, ...] = ()
    adding_replicas: tuple[int, ...] = ()
    leader_recovery_state: int = 0
    eligible_leader_replicas: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: PartitionRecord) -> PartitionImage:
        """The partition that a PARTITION record states in full."""
        return cls(
            index=record.partition_id,
            replicas=tuple(record.replicas),
            isr=tuple(record.isr),
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
            directories=tuple(record.directories),
            removing_replicas=tuple(record.removing_replicas),
            adding_replicas=tuple(record.adding_replicas),
            leader_recovery_state=record.leader_recovery_state,
            eligible_leader_replicas=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
        )

    def to_record(self, topic_id: bytes) -> PartitionRecord:
        """The PARTITION record that states this partition in full, as a snapshot holds it."""
        return PartitionRecord(
            partition_id=self.index,
            topic_id=topic_id,
            replicas=list(self.replicas),
            isr=list(self.isr),
            removing_replicas=list(self.removing_replicas),
            adding_replicas=list(self.adding_replicas),
            leader=self.leader,
            leader_recovery_state=self.leader_recovery_state,
            leader_epoch=self.leader_epoch,
            partition_epoch=self.partition_epoch,
            directories=list(self.directories),
            eligible_leader_replicas=list(self.eligible_leader_replicas) or None,
            last_known_elr=list(self.last_known_elr) or None,
        )

    def merge(self, change: PartitionChangeRecord) -> PartitionImage:
        """The partition after `change`: null and the "unchanged" values keep what was there.

        The partition epoch always moves; the leader epoch moves when the record names a leader, be it the same one.
        """
        leader_named = change.leader != LEADER_UNCHANGED
        recovery_kept = change.leader_recovery_state == RECOVERY_STATE_UNCHANGED
        return replace(
            self,
            replicas=_changed(self.replicas, change.replicas),
            isr=_changed(self.isr, change.isr),
            leader=change.leader if leader_named else self.leader,
            leader_epoch=self.leader_epoch + leader_named,
            partition_epoch=self.partition_epoch + 1,
            directories=self._merged_directories(change),
            removing_replicas=_changed(self.removing_replicas, change.removing_replicas),
            adding_replicas=_changed(self.adding_replicas, change.adding_replicas),
            leader_recovery_state=self.leader_recovery_state if recovery_kept else change.leader_recovery_state,
            eligible_leader_replicas=_changed(self.eligible_leader_replicas, change.eligible_leader_replicas),
            last_known_elr=_changed(self.last_known_elr, change.last_known_elr),
        )

    def without_elr(self) -> PartitionImage:
        """The partition after its eligible leader replicas were cleared."""
        return replace(self, eligible_leader_replicas=(), last_known_elr=(), partition_epoch=self.partition_epoch + 1)

    def _merged_directories(self, change: PartitionChangeRecord) -> tuple[bytes, ...]:
        """The directories of the new replicas; one that stays keeps its directory when none is named."""
        if change.directories is not None:
            return tuple(change.directories)
        if change.replicas is None or not self.directories:
            return self.directories
        known = dict(zip(self.replicas, self.directories, strict=False))
        return tuple(known.get(replica, bytes(16)) for replica in change.replicas)


def _changed(current: tuple[int, ...], new: list[int] | None) -> tuple[int, ...]:
    return current if new is None else tuple(new)


class TopicImage:
    """A topic: its name, its id, and its partitions in the order of their numbers, without a gap."""

    __slots__ = ("name", "partitions", "topic_id")

    def __init__(self, name: str, topic_id: bytes, partitions: Iterable[PartitionImage] = ()) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TopicImage):
            return NotImplemented
        mine = (self.name, self.topic_id, self.partitions)
        return mine == (other.name, other.topic_id, other.partitions)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"TopicImage({self.name!r}, partitions={len(self.partitions)})"
