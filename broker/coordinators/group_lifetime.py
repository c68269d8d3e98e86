"""Groups as a whole, whatever their protocol: what ends them and their offsets, and what clients see of their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .classic_group import ClassicGroup
from .classic_group_state import ClassicGroupState
from .consumer_group import ConsumerGroup
from .consumer_records import consumer_group_tombstones
from .group_records import group_tombstone

if TYPE_CHECKING:
    from collections.abc import Callable

    from .group_context import Group
    from .group_effects import Moment
    from .group_offsets import CommittedOffset
    from .group_records import GroupRecord

_BUSY = (ClassicGroupState.STABLE, ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.COMPLETING_REBALANCE)


def is_empty(group: Group) -> bool:
    """Whether nobody is in the group, and nobody is about to be."""
    if isinstance(group, ConsumerGroup):
        return group.is_empty
    return group.state is ClassicGroupState.EMPTY


def is_gone(group: Group | None) -> bool:
    """Whether there is no such group, or no more."""
    return group is None or (isinstance(group, ClassicGroup) and group.state is ClassicGroupState.DEAD)


def is_in_use(group: Group) -> bool:
    """Whether members keep the group from being deleted."""
    if isinstance(group, ConsumerGroup):
        return not group.is_empty
    return group.state in _BUSY


def tombstones(group: Group) -> list[GroupRecord]:
    """The records that end the group itself."""
    if isinstance(group, ConsumerGroup):
        return list(consumer_group_tombstones(group.group_id, list(group.members), group.subscriptions.resolved))
    return [group_tombstone(group.group_id)]


def check_offset_delete(group: Group | None) -> ErrorCode:
    """Whether offsets of the group may be deleted: not under members whose subscriptions are not known."""
    if group is None or is_gone(group):
        return ErrorCode.GROUP_ID_NOT_FOUND
    if isinstance(group, ClassicGroup) and group.state in _BUSY and not group.uses_consumer_protocol:
        return ErrorCode.NON_EMPTY_GROUP
    return ErrorCode.NONE


def expiry_of(group: Group, now: Moment, retention_ms: int) -> Callable[[CommittedOffset], bool] | None:
    """How an offset of the group expires now, or None while none does (KIP-211).

    An empty classic group's offsets live on from the moment it became empty; those that nobody in a stable group
    subscribes to, and those of a simple group, from their commit; so do a consumer group's.
    """
    if isinstance(group, ClassicGroup):
        empty_since_ms = group.state_since_ms
        if group.protocol_type is not None and group.state is ClassicGroupState.EMPTY and empty_since_ms is not None:
            return lambda committed: committed.is_expired(now.wall_ms, empty_since_ms, retention_ms)
        if not _expires_by_commit(group):
            return None
    return lambda committed: committed.is_expired(now.wall_ms, committed.commit_timestamp_ms, retention_ms)


def _expires_by_commit(group: ClassicGroup) -> bool:
    is_known_consumer = group.uses_consumer_protocol and group.subscribed_topics is not None
    return (
        group.protocol_type is None
        or group.state is ClassicGroupState.EMPTY
        or (is_known_consumer and group.state is ClassicGroupState.STABLE)
    )
