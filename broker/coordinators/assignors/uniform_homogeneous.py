"""The uniform assignment of a group whose members all read the same topics.

Each member may have the mean number of partitions, the first ones one more. Who has more gives up the excess; what is
free then goes to those who have less (Kafka's `UniformHomogeneousAssignmentBuilder`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .group_spec import without_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .group_spec import Assignment, GroupSpec, MutableAssignment

_Free = list[tuple[bytes, int]]


def assign_homogeneous(group: GroupSpec) -> Mapping[str, Assignment]:
    """Say what every member is to have."""
    topic_ids = next(iter(group.members.values())).topic_ids
    if not topic_ids:
        return {}
    free = _unowned(group, list(topic_ids))
    total = sum(group.partition_counts[topic_id] for topic_id in topic_ids)
    quota, extras = divmod(total, len(group.members))
    assignments: dict[str, MutableAssignment] = {}
    wanting: list[tuple[str, int]] = []
    for index, (member_id, member) in enumerate(group.members.items()):
        own_quota = quota + (extras > 0)
        kept, room = _keep(member.assignment, frozenset(topic_ids), own_quota, free)
        assignments[member_id] = kept
        takes_extra = extras > 0
        if takes_extra and room > 0 and len(group.members) - index > extras:
            # Somebody behind who has more already may keep it; the last ones must take what is left.
            takes_extra = False
            room -= 1
        extras -= takes_extra
        if room > 0:
            wanting.append((member_id, room))
    _hand_out(free, wanting, assignments)
    return assignments


def _unowned(group: GroupSpec, topic_ids: list[bytes]) -> _Free:
    free = []
    for topic_id in topic_ids:
        owners = group.owners.get(topic_id, {})
        free += [
            (topic_id, partition) for partition in range(group.partition_counts[topic_id]) if partition not in owners
        ]
    return free


def _keep(
    assignment: Assignment, topic_ids: frozenset[bytes], quota: int, free: _Free
) -> tuple[MutableAssignment, int]:
    """What a member keeps of its assignment, and how many more it may have; the excess goes to `free`."""
    kept = without_topics(assignment, topic_ids)
    for topic_id, partitions in list(kept.items()):
        excess = sorted(partitions)[quota:]
        quota -= len(partitions) - len(excess)
        free += [(topic_id, partition) for partition in excess]
        partitions.difference_update(excess)
        if not partitions:
            del kept[topic_id]
    return kept, quota


def _hand_out(free: _Free, wanting: list[tuple[str, int]], assignments: dict[str, MutableAssignment]) -> None:
    rest = iter(free)
    for member_id, room in wanting:
        assignment = assignments[member_id]
        for _, (topic_id, partition) in zip(range(room), rest, strict=False):
            assignment.setdefault(topic_id, set()).add(partition)
