"""What an assignor gets and gives, and what it may raise (Kafka's `GroupSpec`, `GroupAssignment`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

Assignment: TypeAlias = Mapping[bytes, Set[int]]
"""Partition numbers by topic id; no topic without partitions."""

MutableAssignment: TypeAlias = dict[bytes, set[int]]


class MemberSpec(NamedTuple):
    """A member as an assignor sees it."""

    topic_ids: Collection[bytes]
    """The existing topics that it reads, in a stable order."""
    assignment: Assignment
    """What it was to have so far."""
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A group as an assignor sees it."""

    members: Mapping[str, MemberSpec]
    is_homogeneous: bool
    """All members read the same topics."""
    owners: Mapping[bytes, Mapping[int, str]]
    """Who was to have each partition so far."""
    partition_counts: Mapping[bytes, int]
    """Of every topic that a member reads."""


class Assignor(Protocol):
    """A way to distribute partitions; `name` is what clients ask for."""

    name: str

    def assign(self, group: GroupSpec) -> Mapping[str, Assignment]:
        """Say what every member is to have; one that is left out gets nothing. Nothing of the group changes."""


def without_topics(assignment: Assignment, kept: Collection[bytes]) -> MutableAssignment:
    """A copy of an assignment with the topics of `kept` alone."""
    return {topic_id: set(partitions) for topic_id, partitions in assignment.items() if topic_id in kept}
