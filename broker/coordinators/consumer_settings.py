"""The properties that decide how consumer groups behave: the broker's, and a group's own over some of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .assignors.range import RangeAssignor
from .assignors.uniform import UniformAssignor


@dataclass(frozen=True, slots=True)
class GroupIntervals:
    """What a group may set for itself, with Kafka's defaults."""

    session_timeout_ms: int = 45_000  # consumer.session.timeout.ms
    heartbeat_interval_ms: int = 5_000  # consumer.heartbeat.interval.ms
    assignment_interval_ms: int = 1_000  # consumer.assignment.interval.ms


@dataclass(frozen=True, slots=True)
class ConsumerGroupSettings:
    """Kafka's defaults; each comment names the property."""

    intervals: GroupIntervals = field(default_factory=GroupIntervals)  # group.consumer.*.ms
    size_max: int = 2_147_483_647  # group.consumer.max.size
    assignors: tuple[str, ...] = ("uniform", "range")  # group.consumer.assignors; the first is the default
    regex_refresh_interval_ms: int = 600_000  # group.consumer.regex.refresh.interval.ms
    can_upgrade: bool = True  # group.consumer.migration.policy
    can_downgrade: bool = True

    @property
    def can_migrate(self) -> bool:
        """Whether classic and consumer members may meet in one group at all."""
        return self.can_upgrade or self.can_downgrade


class ConsumerGroupConfigs:
    """The settings in force and what groups set for themselves, shared by all shards; whoever changes it, replaces."""

    __slots__ = ("intervals", "settings")

    def __init__(self, settings: ConsumerGroupSettings) -> None:
        self.settings = settings
        self.intervals: dict[str, GroupIntervals] = {}

    def intervals_of(self, group_id: str) -> GroupIntervals:
        """The intervals that hold for a group."""
        return self.intervals.get(group_id) or self.settings.intervals


ASSIGNORS = {assignor.name: assignor for assignor in (UniformAssignor(), RangeAssignor())}
"""Every assignor that the broker has."""
