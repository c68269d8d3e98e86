"""The broker properties that decide how groups behave, in the units that the coordinators count in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Kafka's defaults; each comment names the property."""

    session_timeout_min_ms: int = 6_000  # group.min.session.timeout.ms
    session_timeout_max_ms: int = 1_800_000  # group.max.session.timeout.ms
    initial_rebalance_delay_ms: int = 3_000  # group.initial.rebalance.delay.ms
    group_size_max: int = 2_147_483_647  # group.max.size
    offset_metadata_bytes_max: int = 4_096  # offset.metadata.max.bytes
    offsets_retention_ms: int = 7 * 24 * 3_600_000  # offsets.retention.minutes
    offsets_check_interval_ms: int = 600_000  # offsets.retention.check.interval.ms


NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
"""How long a JoinGroup of a member that has no id yet may be parked (Kafka's fixed five minutes).

Such a member cannot heartbeat, so a client that gave up would otherwise stay in the rebalance for ever.
"""
