"""Committed offsets of the groups of one partition of `__consumer_offsets`.

Changed only by `replay`; everything else looks, or says which records would have to be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.primitives import ZERO_UUID
from .group_records import GroupRecord, offset_tombstone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...protocol.stored.classic_groups import OffsetCommitKey, OffsetCommitValue


class CommittedOffset(NamedTuple):
    """How far a group has read one partition. Times are wall-clock ms; without an expiry of its own it is -1."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int
    topic_id: bytes
    record_offset: int
    """Where in the log it was committed; -1 while that is not known."""

    def is_of_topic(self, topic_id: bytes) -> bool:
        """Whether it belongs to that topic, as far as both sides know their topic ids."""
        return ZERO_UUID in (topic_id, self.topic_id) or topic_id == self.topic_id

    def is_expired(self, now_ms: int, base_ms: int, retention_ms: int) -> bool:
        """Whether its own time has come, or else the retention has passed since `base_ms`."""
        if self.expire_timestamp_ms >= 0:
            return now_ms >= self.expire_timestamp_ms
        return now_ms - base_ms >= retention_ms


Topics = dict[str, dict[int, CommittedOffset]]


class GroupOffsets:
    """Offsets by group, topic and partition; nothing empty is kept."""

    __slots__ = ("_by_group",)

    def __init__(self) -> None:
        self._by_group: dict[str, Topics] = {}

    def replay(self, key: OffsetCommitKey, value: OffsetCommitValue | None, record_offset: int) -> None:
        """Take over a committed offset, or its tombstone; of two offsets the one further down the log holds.

        They may come the other way round, when the first was part of a transaction that was committed later.
        """
        if value is None:
            self._remove(key)
            return
        partitions = self._by_group.setdefault(key.group, {}).setdefault(key.topic, {})
        known = partitions.get(key.partition)
        if known is not None and known.record_offset > record_offset:
            return
        partitions[key.partition] = CommittedOffset(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            record_offset,
        )

    def _remove(self, key: OffsetCommitKey) -> None:
        topics = self._by_group.get(key.group, {})
        partitions = topics.get(key.topic, {})
        partitions.pop(key.partition, None)
        if not partitions:
            topics.pop(key.topic, None)
        if not topics:
            self._by_group.pop(key.group, None)

    def get(self, group_id: str, topic: str, partition: int) -> CommittedOffset | None:
        """The offset committed for one partition."""
        topics = self._by_group.get(group_id)
        if topics is None:
            return None
        partitions = topics.get(topic)
        return None if partitions is None else partitions.get(partition)

    def topics(self, group_id: str) -> Topics:
        """All offsets of a group; not to be changed."""
        return self._by_group.get(group_id, {})

    def snapshot(self) -> dict[str, dict[tuple[str, int], CommittedOffset]]:
        """Everything, by group and then by topic and partition."""
        return {
            group_id: {(topic, partition): committed for topic, partition, committed in _flat(topics)}
            for group_id, topics in self._by_group.items()
        }

    def tombstones_of_group(self, group_id: str) -> list[GroupRecord]:
        """Records that end every offset of a group."""
        return [offset_tombstone(group_id, topic, partition) for topic, partition, _ in _flat(self.topics(group_id))]

    def tombstones_of_topic(self, topic: str, topic_id: bytes) -> list[GroupRecord]:
        """Records that end every offset of a deleted topic; those of a namesake with another id stay."""
        return [
            offset_tombstone(group_id, topic, partition)
            for group_id, topics in self._by_group.items()
            for partition, committed in topics.get(topic, {}).items()
            if committed.topic_id in (ZERO_UUID, topic_id)
        ]

    def tombstones_of_expired(
        self,
        group_id: str,
        is_subscribed_to: Callable[[str], bool],
        is_expired: Callable[[CommittedOffset], bool],
    ) -> tuple[list[GroupRecord], bool]:
        """Records that end the expired offsets of a group, and whether no offset is left after them."""
        tombstones = []
        kept = 0
        for topic, partitions in self.topics(group_id).items():
            if is_subscribed_to(topic):
                kept += len(partitions)
                continue
            expired = [partition for partition, committed in partitions.items() if is_expired(committed)]
            tombstones += [offset_tombstone(group_id, topic, partition) for partition in expired]
            kept += len(partitions) - len(expired)
        return tombstones, kept == 0


def _flat(topics: Topics) -> Iterator[tuple[str, int, CommittedOffset]]:
    for topic, partitions in topics.items():
        for partition, committed in partitions.items():
            yield topic, partition, committed
