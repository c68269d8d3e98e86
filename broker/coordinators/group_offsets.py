"""Committed offsets of the groups of one partition of `__consumer_offsets`.

Changed only by `replay`, `put` and `end_transaction`; everything else looks, or says which records would have to be
written. Offsets that are part of a transaction are pending until its marker: nobody reads them, but who asks for stable
offsets (KIP-447) is told that they are there, and neither the group nor the offset expires.
Kafka: `OffsetMetadataManager`.
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
OffsetPlace = tuple[str, str, int]
"""(group, topic, partition)"""
NO_PRODUCER_ID = -1
# What a NamedTuple's own constructor ends in: 0.2 µs less for each commit.
_new_tuple = tuple.__new__


class GroupOffsets:
    """Offsets by group, topic and partition; nothing empty is kept."""

    __slots__ = ("_by_group", "_open", "_pending")

    def __init__(self) -> None:
        self._by_group: dict[str, Topics] = {}
        self._pending: dict[int, dict[OffsetPlace, CommittedOffset]] = {}
        """What the open transaction of each producer would commit."""
        self._open: dict[str, dict[tuple[str, int], set[int]]] = {}
        """By group, then topic and partition: the producers whose open transactions would commit there."""

    def replay(
        self,
        key: OffsetCommitKey,
        value: OffsetCommitValue | None,
        record_offset: int,
        producer_id: int = NO_PRODUCER_ID,
    ) -> None:
        """Take over a committed offset, or its tombstone; of two offsets the one further down the log holds.

        With a producer id the offset is part of a transaction and waits for its end. A tombstone ends what open
        transactions would bring, too.
        """
        place = (key.group, key.topic, key.partition)
        if value is None:
            self._remove(place)
            return
        fields = (
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            record_offset,
        )
        committed = _new_tuple(CommittedOffset, fields)
        if producer_id == NO_PRODUCER_ID:
            self.put(place, committed)
        else:
            self._pending.setdefault(producer_id, {})[place] = committed
            self._open.setdefault(key.group, {}).setdefault(place[1:], set()).add(producer_id)

    def end_transaction(self, producer_id: int, *, is_commit: bool) -> None:
        """A producer's transaction has its marker in this partition: what it left pending holds now, or never will."""
        for place, committed in self._pending.pop(producer_id, {}).items():
            self._close(place, producer_id)
            if is_commit:
                self.put(place, committed)

    def put(self, place: OffsetPlace, committed: CommittedOffset) -> None:
        """Take over what a record says, as `replay` has read it; the newer offset stays.

        A transaction may be committed after an offset that was written later than its own.
        """
        group_id, topic, partition = place
        topics = self._by_group.get(group_id)
        if topics is None:
            topics = self._by_group[group_id] = {}
        partitions = topics.get(topic)
        if partitions is None:
            partitions = topics[topic] = {}
        known = partitions.get(partition)
        if known is None or known.record_offset <= committed.record_offset:
            partitions[partition] = committed

    def _remove(self, place: OffsetPlace) -> None:
        group_id, topic, partition = place
        topics = self._by_group.get(group_id, {})
        partitions = topics.get(topic, {})
        partitions.pop(partition, None)
        if not partitions:
            topics.pop(topic, None)
        if not topics:
            self._by_group.pop(group_id, None)
        for producer_id in tuple(self._open.get(group_id, {}).get(place[1:], ())):
            self._pending[producer_id].pop(place, None)
            self._close(place, producer_id)

    def _close(self, place: OffsetPlace, producer_id: int) -> None:
        partitions = self._open.get(place[0], {})
        producers = partitions.get(place[1:])
        if producers is None:
            return
        producers.discard(producer_id)
        if not producers:
            del partitions[place[1:]]
        if not partitions:
            del self._open[place[0]]

    def get(self, group_id: str, topic: str, partition: int) -> CommittedOffset | None:
        """The offset committed for one partition."""
        topics = self._by_group.get(group_id)
        if topics is None:
            return None
        partitions = topics.get(topic)
        return None if partitions is None else partitions.get(partition)

    def is_pending(self, group_id: str, topic: str, partition: int) -> bool:
        """Whether an open transaction would commit an offset there."""
        partitions = self._open.get(group_id)
        return partitions is not None and (topic, partition) in partitions

    def has_pending(self, group_id: str) -> bool:
        """Whether an open transaction would commit an offset of the group."""
        return group_id in self._open

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
        """Records that end every offset of a group, committed or pending."""
        places = dict.fromkeys((topic, partition) for topic, partition, _ in _flat(self.topics(group_id)))
        places |= dict.fromkeys(self._open.get(group_id, ()))
        return [offset_tombstone(group_id, topic, partition) for topic, partition in places]

    def tombstones_of_topic(self, topic: str, topic_id: bytes) -> list[GroupRecord]:
        """Records that end every offset of a deleted topic; those of a namesake with another id stay."""
        committed_there = [
            ((group_id, topic, partition), committed)
            for group_id, topics in self._by_group.items()
            for partition, committed in topics.get(topic, {}).items()
        ]
        pending_there = [
            (place, committed)
            for pending in self._pending.values()
            for place, committed in pending.items()
            if place[1] == topic
        ]
        places = dict.fromkeys(
            place for place, committed in committed_there + pending_there if committed.topic_id in (ZERO_UUID, topic_id)
        )
        return [offset_tombstone(*place) for place in places]

    def tombstones_of_expired(
        self,
        group_id: str,
        is_subscribed_to: Callable[[str], bool],
        is_expired: Callable[[CommittedOffset], bool],
    ) -> tuple[list[GroupRecord], bool]:
        """Records that end the expired offsets of a group, and whether no committed offset is left after them."""
        tombstones = []
        kept = 0
        for topic, partitions in self.topics(group_id).items():
            if is_subscribed_to(topic):
                kept += len(partitions)
                continue
            expired = [
                partition
                for partition, committed in partitions.items()
                if is_expired(committed) and not self.is_pending(group_id, topic, partition)
            ]
            tombstones += [offset_tombstone(group_id, topic, partition) for partition in expired]
            kept += len(partitions) - len(expired)
        return tombstones, kept == 0


def _flat(topics: Topics) -> Iterator[tuple[str, int, CommittedOffset]]:
    for topic, partitions in topics.items():
        for partition, committed in partitions.items():
            yield topic, partition, committed
