"""Whether two members that live ever read one partition at the same time, as they say themselves.

A member that is paused or dead owns nothing, whatever it thinks. Continued, it owns nothing until it has noticed.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .churn_members import ChurnMember, Event
    from .churn_watch import Owner, Snapshot

NEAR_S = 1.0
ENDS = ("revoked", "lost", "leaving")


class Overlap(NamedTuple):
    at_s: float
    partition: int
    first: str
    second: str


class Reading:
    """What one member reads while it counts as living."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.partitions: frozenset[int] = frozenset()
        self._is_out = False
        self._is_back = False

    def take(self, event: Event) -> None:
        if event.kind in ("paused", "killed"):
            self._is_out, self._is_back, self.partitions = True, False, frozenset()
        elif event.kind == "continued":
            self._is_back = True
        elif event.kind in ENDS:
            self._is_out = self._is_out and not self._is_back
            self.partitions = frozenset() if event.kind == "leaving" else self.partitions - event.partitions
        elif not self._is_out:
            self.partitions |= event.partitions


def overlaps(members: Iterable[ChurnMember]) -> Iterable[Overlap]:
    readings = {member.name: Reading(member.name) for member in members}
    told = sorted(
        (event.at_s, event.kind not in ENDS, member.name, event) for member in members for event in member.events
    )
    for at_s, _, name, event in told:
        before = readings[name].partitions
        readings[name].take(event)
        for partition in readings[name].partitions - before:
            for other in readings.values():
                if other.name != name and partition in other.partitions:
                    yield Overlap(at_s, partition, other.name, name)


def check_one_reader_each(members: list[ChurnMember], was_out: Callable[[str, float], bool]) -> None:
    """`was_out` says of a member that nobody paused whether the group had given it up nevertheless: a busy machine
    may hold a process up for longer than its session."""
    found = [each for each in overlaps(members) if not was_out(each.first, each.at_s)]
    assert not found, f"partitions were read by two members at a time: {found}"


def was_out(snapshots: list[Snapshot], name: str, at_s: float) -> bool:
    """Whether the group did without this member, or had let it in anew, about that time."""
    near = [each.members.get(name) for each in snapshots if abs(each.at_s - at_s) < NEAR_S]
    return None in near or any(itertools.starmap(_began_anew, itertools.pairwise(near)))


def _began_anew(before: Owner | None, after: Owner | None) -> bool:
    if before is None or after is None:
        return True
    return before.member_id != after.member_id or after.epoch < before.epoch
