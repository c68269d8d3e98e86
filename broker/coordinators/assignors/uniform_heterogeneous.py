"""The uniform assignment of a group whose members read different topics.

Everybody keeps what it still reads; free partitions go to the least loaded of their subscribers; then, topic by topic,
partitions move from the most to the least loaded subscribers until no move helps. When subscriptions overlap without
being the same, that may take long, so the rounds are limited (Kafka's `UniformHeterogeneousAssignmentBuilder`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .balancer import Balancer
from .group_spec import without_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .group_spec import Assignment, GroupSpec, MutableAssignment

_ROUNDS_MAX = 16
_NOBODY = -1
_SIGNED_UUID = struct.Struct(">qq")


class HeterogeneousAssignment:
    """One assignment while it is worked out. Members are numbers here, in the order of the group."""

    def __init__(self, group: GroupSpec) -> None:
        self._group = group
        self._member_ids = list(group.members)
        self._loads = [0] * len(self._member_ids)
        self._assignments: list[MutableAssignment] = []
        self._subscribers: dict[bytes, list[int]] = {}
        for index, member in enumerate(group.members.values()):
            for topic_id in member.topic_ids:
                self._subscribers.setdefault(topic_id, []).append(index)
        self._owners = {topic_id: [_NOBODY] * group.partition_counts[topic_id] for topic_id in self._subscribers}

    def build(self) -> Mapping[str, Assignment]:
        """Say what every member is to have."""
        if not self._subscribers:
            return {}
        self._keep_what_is_read()
        self._assign_free()
        self._balance()
        return dict(zip(self._member_ids, self._assignments, strict=True))

    def _sorted_topics(self, topic_ids: Iterable[bytes]) -> list[bytes]:
        """The topics with most partitions a subscriber first, then those with fewer subscribers, then by id."""
        return sorted(topic_ids, key=self._rank)

    def _rank(self, topic_id: bytes) -> tuple[float, int, tuple[int, ...]]:
        subscriber_count = len(self._subscribers[topic_id])
        partition_count = self._group.partition_counts[topic_id]
        return -(partition_count / subscriber_count), subscriber_count, _SIGNED_UUID.unpack(topic_id)

    def _keep_what_is_read(self) -> None:
        for index, member in enumerate(self._group.members.values()):
            kept = without_topics(member.assignment, frozenset(member.topic_ids))
            self._assignments.append(kept)
            for topic_id, partitions in kept.items():
                self._loads[index] += len(partitions)
                for partition in partitions:
                    self._owners[topic_id][partition] = index

    def _assign_free(self) -> None:
        free = {
            topic_id: [partition for partition, owner in enumerate(owners) if owner == _NOBODY]
            for topic_id, owners in self._owners.items()
        }
        for topic_id in self._sorted_topics(topic_id for topic_id, partitions in free.items() if partitions):
            balancer = Balancer(self._loads, self._subscribers[topic_id])
            for partition in free[topic_id]:
                self._assign(topic_id, partition, balancer.next_least_loaded())

    def _assign(self, topic_id: bytes, partition: int, index: int) -> None:
        owners = self._owners[topic_id]
        former = owners[partition]
        if former != _NOBODY:
            partitions = self._assignments[former][topic_id]
            partitions.discard(partition)
            if not partitions:
                del self._assignments[former][topic_id]
            self._loads[former] -= 1
        self._assignments[index].setdefault(topic_id, set()).add(partition)
        owners[partition] = index
        self._loads[index] += 1

    def _balance(self) -> None:
        """Go around the topics until one round changes nothing, or the rounds are used up."""
        topic_ids = self._sorted_topics(
            topic_id for topic_id, subscribers in self._subscribers.items() if len(subscribers) > 1
        )
        last_changed = -1
        for _ in range(_ROUNDS_MAX):
            for at, topic_id in enumerate(topic_ids):
                if at == last_changed:
                    return
                if self._balance_topic(topic_id) or last_changed == -1:
                    last_changed = at

    def _balance_topic(self, topic_id: bytes) -> int:
        """Move partitions of one topic; return how many moved."""
        balancer = Balancer(self._loads, self._subscribers[topic_id])
        if balancer.imbalance <= 1:
            return 0
        owned: dict[int, list[int]] = {}
        for partition, owner in enumerate(self._owners[topic_id]):
            owned.setdefault(owner, []).append(partition)
        moved = 0
        while not balancer.is_balanced:
            giver = balancer.next_most_loaded(lambda index: bool(owned.get(index)))
            if giver is None:
                break
            partition = owned[giver].pop()
            taker = balancer.next_least_loaded()
            if balancer.is_balanced:
                break
            self._assign(topic_id, partition, taker)
            moved += 1
        return moved
