"""`range`: of each topic, every member gets one run of partitions; the first members get the longer ones.

Members go in the order of their instance ids, then those without in the order of their member ids, so that the
partitions of equal number of different topics meet at one member, and a static member keeps its run when it restarts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .group_spec import Assignment, GroupSpec, MemberSpec, MutableAssignment


class RangeAssignor:
    """Kafka's `RangeAssignor`. It looks at no earlier assignment: equal groups are assigned alike."""

    name = "range"

    def assign(self, group: GroupSpec) -> Mapping[str, Assignment]:
        """Cut each topic into runs, one a subscriber."""
        members = sorted(group.members.items(), key=_rank)
        subscribers: dict[bytes, int] = {}
        for _, member in members:
            for topic_id in member.topic_ids:
                subscribers[topic_id] = subscribers.get(topic_id, 0) + 1
        runs = {topic_id: _Runs(group.partition_counts[topic_id], count) for topic_id, count in subscribers.items()}
        assignments: dict[str, MutableAssignment] = {}
        for member_id, member in members:
            assignments[member_id] = assignment = {}
            for topic_id in member.topic_ids:
                run = runs[topic_id].next()
                if run:
                    assignment[topic_id] = set(run)
        return assignments


def _rank(item: tuple[str, MemberSpec]) -> tuple[bool, str]:
    member_id, member = item
    if member.instance_id is not None:
        return False, member.instance_id
    return True, member_id


class _Runs:
    """The runs of one topic, handed out one after the other."""

    __slots__ = ("_extra", "_length", "_next")

    def __init__(self, partition_count: int, member_count: int) -> None:
        self._length, self._extra = divmod(partition_count, member_count)
        self._next = 0

    def next(self) -> range:
        length = self._length + (self._extra > 0)
        self._extra -= self._extra > 0
        start, self._next = self._next, self._next + length
        return range(start, self._next)
