"""All groups whose records share one partition of `__consumer_offsets` (Kafka's `GroupCoordinatorShard`).

A shard finds the group a request means, lets it decide, and replays records into it. It is the same after a load as it
was before: what `replay` made of the log is all that lasts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from ...protocol.stored.classic_groups import GroupMetadataKey, GroupMetadataValue, OffsetCommitValue
from . import classic_join, classic_leave, classic_sync
from .classic_group import ClassicGroup, refused_join, refused_sync
from .classic_group_state import ClassicGroupState
from .group_effects import Append, Caller, Effect, Moment, append_error, nothing_more
from .group_offsets import NO_PRODUCER_ID, CommittedOffset, GroupOffsets
from .group_records import GroupRecord, group_tombstone, new_group_record, offset_tombstone
from .offset_commits import (
    OffsetToCommit,
    check_commit,
    check_transactional_commit,
    commit_records,
    transactional_commit_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...protocol.messages.heartbeat import HeartbeatRequest
    from ...protocol.messages.join_group import JoinGroupRequest
    from ...protocol.messages.leave_group import MemberIdentity, MemberResponse
    from ...protocol.messages.offset_commit import OffsetCommitRequest
    from ...protocol.messages.sync_group import SyncGroupRequest
    from ...protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
    from .group_settings import GroupSettings

_BUSY = (ClassicGroupState.STABLE, ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.COMPLETING_REBALANCE)


_UNATTENDED_RECORDS = 1000


class Decision(NamedTuple):
    """An answer that waits for nobody else: an error, or records that must be written before NONE is true."""

    code: ErrorCode
    records: tuple[GroupRecord, ...] = ()


class GroupShard:
    """The groups and offsets of one partition."""

    __slots__ = ("groups", "offsets", "settings")

    def __init__(self, settings: GroupSettings) -> None:
        self.settings = settings
        self.groups: dict[str, ClassicGroup] = {}
        self.offsets = GroupOffsets()

    # ---- records

    def replay(self, record: GroupRecord, record_offset: int, producer_id: int = NO_PRODUCER_ID) -> None:
        """Take over one record, from the log or just written to it; with a producer id it is part of a transaction."""
        key, value = record.key, record.value
        if isinstance(key, GroupMetadataKey):
            if isinstance(value, GroupMetadataValue):
                self._group_of_record(key.group).replay(value)
            else:
                self.groups.pop(key.group, None)
        elif isinstance(value, OffsetCommitValue):
            self._group_of_record(key.group)
            self.offsets.replay(key, value, record_offset, producer_id)
        else:
            self.offsets.replay(key, None, record_offset)

    def _group_of_record(self, group_id: str) -> ClassicGroup:
        """The group of a record. One that only commits offsets has no record of its own: it is here all the same."""
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = ClassicGroup(group_id, self.settings)
        return group

    def end_transaction(self, producer_id: int, *, is_commit: bool) -> None:
        """A marker was written to this partition, or read from it."""
        self.offsets.end_transaction(producer_id, is_commit=is_commit)

    def resume(self, now: Moment) -> list[Effect]:
        """Begin to live after a load."""
        return [effect for group in self.groups.values() for effect in group.resume(now)]

    def unload(self, now: Moment) -> list[Effect]:
        """Give everything up; whoever waits is told."""
        return [effect for group in self.groups.values() for effect in group.unload(now)]

    # ---- members

    def join(
        self, request: JoinGroupRequest, caller: Caller, new_member_id: Callable[[], str], now: Moment
    ) -> list[Effect]:
        """Join a group; one that does not exist is written down first."""
        group = self.groups.get(request.group_id)
        if group is not None:
            return classic_join.join(group, request, caller, new_member_id, now)
        if request.member_id:
            return [refused_join(caller.waiter, request.member_id, ErrorCode.UNKNOWN_MEMBER_ID)]
        return [
            Append(
                (new_group_record(request.group_id, now.wall_ms),),
                partial(self.join, request, caller, new_member_id, now),
                partial(_group_unwritten, caller),
            )
        ]

    def sync(self, request: SyncGroupRequest, caller: Caller, now: Moment) -> list[Effect]:
        """Hand out or receive an assignment."""
        group = self.groups.get(request.group_id)
        if group is None:
            return [refused_sync(caller.waiter, ErrorCode.UNKNOWN_MEMBER_ID)]
        return classic_sync.sync(group, request, caller, now)

    def heartbeat(self, request: HeartbeatRequest, now: Moment) -> ErrorCode:
        """Extend a member's session."""
        group = self.groups.get(request.group_id)
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return classic_sync.heartbeat(group, request, now)

    def leave(
        self, group_id: str, identities: list[MemberIdentity], now: Moment
    ) -> tuple[list[MemberResponse], list[Effect]]:
        """Let members go; an answer each, and the effects on the others."""
        group = self.groups.get(group_id)
        if group is None:
            unknown = ErrorCode.UNKNOWN_MEMBER_ID
            return [classic_leave.leave_response(identity, unknown) for identity in identities], []
        return classic_leave.leave(group, identities, now)

    # ---- offsets and groups as a whole

    def commit(
        self, request: OffsetCommitRequest, commits: Iterable[OffsetToCommit], api_version: int, now: Moment
    ) -> Decision:
        """Decide on offsets of partitions that exist."""
        code = check_commit(self.groups.get(request.group_id), request, api_version, now)
        if code is not ErrorCode.NONE:
            return Decision(code)
        return Decision(ErrorCode.NONE, commit_records(request, commits, now))

    def commit_in_transaction(
        self, request: TxnOffsetCommitRequest, commits: Iterable[OffsetToCommit], now: Moment
    ) -> Decision:
        """Decide on offsets of partitions that exist, which hold when the producer's transaction is committed."""
        code = check_transactional_commit(self.groups.get(request.group_id), request)
        if code is not ErrorCode.NONE:
            return Decision(code)
        return Decision(ErrorCode.NONE, transactional_commit_records(request.group_id, commits, now))

    def check_offset_delete(self, group_id: str) -> ErrorCode:
        """Whether offsets of the group may be deleted: not under members whose subscriptions are not known."""
        group = self.groups.get(group_id)
        if group is None or group.state is ClassicGroupState.DEAD:
            return ErrorCode.GROUP_ID_NOT_FOUND
        if group.state in _BUSY and not group.uses_consumer_protocol:
            return ErrorCode.NON_EMPTY_GROUP
        return ErrorCode.NONE

    def delete_offset(self, group_id: str, topic: str, partition: int) -> Decision:
        """Decide on one offset of a group that `check_offset_delete` let through."""
        if self.groups[group_id].is_subscribed_to(topic):
            return Decision(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
        offsets = self.offsets
        if offsets.get(group_id, topic, partition) is None and not offsets.is_pending(group_id, topic, partition):
            return Decision(ErrorCode.NONE)
        return Decision(ErrorCode.NONE, (offset_tombstone(group_id, topic, partition),))

    def delete_group(self, group_id: str) -> Decision:
        """Decide on the end of a group and of all its offsets."""
        group = self.groups.get(group_id)
        if group is None or group.state is ClassicGroupState.DEAD:
            return Decision(ErrorCode.GROUP_ID_NOT_FOUND)
        if group.state in _BUSY:
            return Decision(ErrorCode.NON_EMPTY_GROUP)
        return Decision(ErrorCode.NONE, (*self.offsets.tombstones_of_group(group_id), group_tombstone(group_id)))

    def delete_topic_offsets(self, topic: str, topic_id: bytes) -> list[Effect]:
        """Forget how far a deleted topic was read."""
        tombstones = self.offsets.tombstones_of_topic(topic, topic_id)
        return _unattended(tombstones)

    def clean_up(self, now: Moment) -> list[Effect]:
        """End the offsets that have expired, and the groups that are empty without offsets."""
        effects: list[Effect] = []
        for group in self.groups.values():
            effects += _unattended(self._expired(group, now))
        return effects

    def _expired(self, group: ClassicGroup, now: Moment) -> list[GroupRecord]:
        tombstones: list[GroupRecord] = []
        has_none_left = not self.offsets.topics(group.group_id)
        is_expired = self._expiry_of(group, now)
        if not has_none_left and is_expired is not None:
            tombstones, has_none_left = self.offsets.tombstones_of_expired(
                group.group_id, group.is_subscribed_to, is_expired
            )
        if has_none_left and group.state is ClassicGroupState.EMPTY and not self.offsets.has_pending(group.group_id):
            tombstones.append(group_tombstone(group.group_id))
        return tombstones

    def _expiry_of(self, group: ClassicGroup, now: Moment) -> Callable[[CommittedOffset], bool] | None:
        """How an offset of the group expires now, or None while none does (KIP-211).

        An empty group's offsets live on from the moment it became empty; those that nobody in a stable group
        subscribes to, and those of a simple group, from their commit.
        """
        retention_ms = self.settings.offsets_retention_ms
        empty_since_ms = group.state_since_ms
        if group.protocol_type is not None and group.state is ClassicGroupState.EMPTY and empty_since_ms is not None:
            return lambda committed: committed.is_expired(now.wall_ms, empty_since_ms, retention_ms)
        is_known_consumer = group.uses_consumer_protocol and group.subscribed_topics is not None
        is_by_commit = (
            group.protocol_type is None
            or group.state is ClassicGroupState.EMPTY
            or (is_known_consumer and group.state is ClassicGroupState.STABLE)
        )
        if not is_by_commit:
            return None
        return lambda committed: committed.is_expired(now.wall_ms, committed.commit_timestamp_ms, retention_ms)


def _unattended(records: list[GroupRecord]) -> list[Effect]:
    """Appends that nobody waits for: when one fails, the next round finds the same again.

    In pieces, so that no number of tombstones is more than a batch may hold.
    """
    return [
        Append(tuple(records[start : start + _UNATTENDED_RECORDS]), nothing_more, _ignored)
        for start in range(0, len(records), _UNATTENDED_RECORDS)
    ]


def _ignored(_: ErrorCode) -> list[Effect]:
    return []


def _group_unwritten(caller: Caller, code: ErrorCode) -> list[Effect]:
    return [refused_join(caller.waiter, "", append_error(code))]
