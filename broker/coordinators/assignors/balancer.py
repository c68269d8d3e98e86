"""Who of some members is to get the next partition, and who is to give one up.

Members stand sorted by their load. Two ranges grow towards each other: at the front those who have least, all equally
much, and at the back those who have most. Within a range everybody has a turn before the range's level moves by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Balancer:
    """The two ranges over the members of one topic; `loads` is read, and moves while partitions are assigned."""

    __slots__ = (
        "_least_end",
        "_least_level",
        "_least_next",
        "_loads",
        "_members",
        "_most_end",
        "_most_level",
        "_most_next",
        "_most_start",
        "imbalance",
    )

    def __init__(self, loads: Sequence[int], members: Sequence[int]) -> None:
        self._loads = loads
        self._members = sorted(members, key=lambda index: (loads[index], index))
        lowest, highest = loads[self._members[0]], loads[self._members[-1]]
        self.imbalance = highest - lowest
        """How much more the most loaded member had than the least loaded one, at the start."""
        self._least_end = 0
        self._least_level = lowest - 1
        self._least_next = 0
        self._most_start = self._most_end = len(self._members)
        self._most_level = highest + 1
        self._most_next = len(self._members) - 1

    @property
    def is_balanced(self) -> bool:
        """Whether the two levels have come as close as whole partitions allow."""
        return self._most_level - self._least_level <= 1

    def next_least_loaded(self) -> int:
        """The member that gets the next partition; it is taken for granted that it does."""
        if self._least_next >= self._least_end:
            self._least_level += 1
            while self._least_end < len(self._members) and self._load_at(self._least_end) == self._least_level:
                self._least_end += 1
            self._least_next = 0
        index = self._members[self._least_next]
        self._least_next += 1
        return index

    def next_most_loaded(self, can_give: Callable[[int], bool]) -> int | None:
        """The member that gives up a partition, of those who can; None when nobody is left."""
        while True:
            if self._most_next < self._most_start:
                self._lower_most_range()
            if self._most_next < 0:
                return None
            at = self._most_next
            self._most_next -= 1
            if can_give(self._members[at]):
                return self._members[at]
            self._exclude(at)

    def _lower_most_range(self) -> None:
        if self._most_end <= self._most_start and self._most_start > 0:
            # All of the range could give nothing: go on at the level of the next one.
            self._most_level = self._load_at(self._most_start - 1)
        else:
            self._most_level -= 1
        while self._most_start > 0 and self._load_at(self._most_start - 1) == self._most_level:
            self._most_start -= 1
        self._most_next = self._most_end - 1

    def _exclude(self, at: int) -> None:
        """Put a member that has nothing to give behind the end of the range."""
        members = self._members
        members[at], members[self._most_end - 1] = members[self._most_end - 1], members[at]
        self._most_end -= 1

    def _load_at(self, at: int) -> int:
        return self._loads[self._members[at]]
