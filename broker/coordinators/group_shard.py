"""All groups whose records share one partition of `__consumer_offsets` (Kafka's `GroupCoordinatorShard`).

A shard finds the group a request means, lets it decide, and replays records into it. It is the same after a load as it
was before: what `replay` made of the log is all that lasts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from ...protocol.stored.classic_groups import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from ...protocol.stored.consumer_groups import ConsumerGroupMetadataKey
from ..metadata.image import MetadataImage
from . import classic_in_consumer_group, classic_join, classic_leave, classic_sync, consumer_heartbeat, consumer_leave
from .classic_group import ClassicGroup, refused_join, refused_sync
from .consumer_group import ConsumerGroup
from .consumer_offsets import check_fetch
from .consumer_replay import apply
from .consumer_settings import ConsumerGroupConfigs, ConsumerGroupSettings
from .group_context import GroupContext
from .group_effects import Append, Caller, Effect, Moment, append_error, nothing_more
from .group_lifetime import check_offset_delete, expiry_of, is_empty, is_gone, is_in_use, tombstones
from .group_offsets import NO_PRODUCER_ID, GroupOffsets
from .group_records import GroupRecord, new_group_record, offset_tombstone
from .group_topics import GroupTopics
from .offset_commits import (
    OffsetToCommit,
    check_commit,
    check_transactional_commit,
    commit_records,
    transactional_commit_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...protocol.messages.consumer_group_heartbeat import (
        ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse,
    )
    from ...protocol.messages.heartbeat import HeartbeatRequest
    from ...protocol.messages.join_group import JoinGroupRequest
    from ...protocol.messages.leave_group import MemberIdentity, MemberResponse
    from ...protocol.messages.offset_commit import OffsetCommitRequest
    from ...protocol.messages.sync_group import SyncGroupRequest
    from ...protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
    from .consumer_kinds import ConsumerGroupKey
    from .consumer_settings import GroupIntervals
    from .group_context import Group
    from .group_records import GroupValue
    from .group_settings import GroupSettings
    from .repeated_offset import RepeatedOffset

# What a NamedTuple's own constructor ends in: 0.3 µs less for each commit.
_new_tuple = tuple.__new__
_NOBODY = -1
_UNATTENDED_RECORDS = 1000


class Decision(NamedTuple):
    """An answer that waits for nobody else: an error, or records that must be written before NONE is true."""

    code: ErrorCode
    records: tuple[GroupRecord, ...] = ()


class GroupShard:
    """The groups and offsets of one partition."""

    __slots__ = ("context", "groups", "offsets")

    def __init__(
        self,
        settings: GroupSettings,
        configs: ConsumerGroupConfigs | None = None,
        topics: GroupTopics | None = None,
    ) -> None:
        """Without `topics` there are none."""
        self.context = GroupContext(
            settings,
            configs or ConsumerGroupConfigs(ConsumerGroupSettings()),
            topics or GroupTopics(MetadataImage("", _NOBODY)),
        )
        self.groups = self.context.groups
        self.offsets = GroupOffsets()

    # ---- records

    def replay(self, record: GroupRecord, record_offset: int, producer_id: int = NO_PRODUCER_ID) -> None:
        """Take over one record, from the log or just written to it; with a producer id it is part of a transaction."""
        key, value, _ = record
        if isinstance(key, OffsetCommitKey):
            offset = value if isinstance(value, OffsetCommitValue) else None
            if offset is not None and key.group not in self.groups:
                # A group that only commits offsets has no record of its own: it is here all the same.
                self._classic_group_of_record(key.group)
            self.offsets.replay(key, offset, record_offset, producer_id)
        elif isinstance(key, GroupMetadataKey):
            if isinstance(value, GroupMetadataValue):
                self._classic_group_of_record(key.group).replay(value)
            else:
                self.groups.pop(key.group, None)
        else:
            self._replay_consumer_group(key, value)

    def replay_again(self, repeated: RepeatedOffset, offset: int, now_ms: int, record_offset: int) -> None:
        """Take over the record of `repeated.batch`, just written, without reading it: `replay` would leave the same."""
        group_id = repeated.place[0]
        if group_id not in self.groups:
            self._classic_group_of_record(group_id)
        self.offsets.put(repeated.place, repeated.committed(offset, now_ms, record_offset))

    def _classic_group_of_record(self, group_id: str) -> ClassicGroup:
        group = self.groups.get(group_id)
        if not isinstance(group, ClassicGroup):
            group = self.groups[group_id] = ClassicGroup(group_id, self.context.settings)
        return group

    def _replay_consumer_group(self, key: ConsumerGroupKey, value: GroupValue | None) -> None:
        """Take over a record of a consumer group; whatever the group was before, it is a consumer group from here."""
        group_id = key.group_id
        group = self.groups.get(group_id)
        if value is None and not isinstance(group, ConsumerGroup):
            return
        if value is None and isinstance(key, ConsumerGroupMetadataKey):
            del self.groups[group_id]
            return
        if not isinstance(group, ConsumerGroup):
            group = self.groups[group_id] = ConsumerGroup(group_id)
        apply(group, key, value)

    def end_transaction(self, producer_id: int, *, is_commit: bool) -> None:
        """A marker was written to this partition, or read from it."""
        self.offsets.end_transaction(producer_id, is_commit=is_commit)

    def resume(self, now: Moment) -> list[Effect]:
        """Begin to live after a load."""
        effects: list[Effect] = []
        for group in self.groups.values():
            if isinstance(group, ConsumerGroup):
                consumer_heartbeat.resume(self.context, group, now)
            else:
                effects += group.resume(now)
        return effects

    def unload(self, now: Moment) -> list[Effect]:
        """Give everything up; whoever waits is told."""
        classic = [group for group in self.groups.values() if isinstance(group, ClassicGroup)]
        return [effect for group in classic for effect in group.unload(now)]

    def expire(self, group_id: str, now: Moment) -> list[Effect]:
        """Do what has become due in a group."""
        group = self.groups.get(group_id)
        if group is None:
            return []
        if isinstance(group, ConsumerGroup):
            return consumer_leave.expire(self.context, group, now)
        return group.expire(now)

    # ---- members

    def consumer_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, caller: Caller, new_member_id: Callable[[], str], now: Moment
    ) -> ConsumerGroupHeartbeatResponse | list[Effect]:
        """Join, stay in or leave a consumer group: an answer, or effects that bring it."""
        return consumer_heartbeat.heartbeat(self.context, request, caller, new_member_id, now)

    def quiet_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, client_id: str, client_host: str, now: Moment
    ) -> GroupIntervals | None:
        """Stay in a consumer group, where the request says nothing and the group has nothing new; None otherwise."""
        return consumer_heartbeat.extend_quietly(self.context, request, client_id, client_host, now)

    def join(
        self, request: JoinGroupRequest, caller: Caller, new_member_id: Callable[[], str], now: Moment
    ) -> list[Effect]:
        """Join a group; one that does not exist, or is an empty consumer group, is written down first."""
        group = self.groups.get(request.group_id)
        if isinstance(group, ClassicGroup):
            return classic_join.join(group, request, caller, new_member_id, now)
        if group is not None and not group.is_empty:
            return classic_in_consumer_group.join(self.context, group, request, caller, new_member_id, now)
        if request.member_id:
            return [refused_join(caller.waiter, request.member_id, ErrorCode.UNKNOWN_MEMBER_ID)]
        ended = [] if group is None else tombstones(group)
        return [
            Append(
                (*ended, new_group_record(request.group_id, now.wall_ms)),
                partial(self.join, request, caller, new_member_id, now),
                partial(_group_unwritten, caller),
            )
        ]

    def sync(self, request: SyncGroupRequest, caller: Caller, now: Moment) -> list[Effect]:
        """Hand out or receive an assignment."""
        group = self.groups.get(request.group_id)
        if isinstance(group, ClassicGroup):
            return classic_sync.sync(group, request, caller, now)
        if group is None or group.is_empty:
            return [refused_sync(caller.waiter, ErrorCode.UNKNOWN_MEMBER_ID)]
        return classic_in_consumer_group.sync(self.context, group, request, caller, now)

    def heartbeat(self, request: HeartbeatRequest, now: Moment) -> ErrorCode:
        """Extend a classic member's session."""
        group = self.groups.get(request.group_id)
        if isinstance(group, ClassicGroup):
            return classic_sync.heartbeat(group, request, now)
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return classic_in_consumer_group.heartbeat(group, request, now)

    def leave(
        self, group_id: str, identities: list[MemberIdentity], now: Moment
    ) -> tuple[list[MemberResponse], list[Effect]]:
        """Let members go; an answer each, and the effects on the others."""
        group = self.groups.get(group_id)
        if isinstance(group, ClassicGroup):
            return classic_leave.leave(group, identities, now)
        if group is None:
            unknown = ErrorCode.UNKNOWN_MEMBER_ID
            return [classic_leave.leave_response(identity, unknown) for identity in identities], []
        return classic_in_consumer_group.leave(self.context, group, identities, now)

    # ---- offsets and groups as a whole

    def commit(
        self, request: OffsetCommitRequest, commits: Sequence[OffsetToCommit], api_version: int, now: Moment
    ) -> Decision:
        """Decide on offsets of partitions that exist."""
        code = check_commit(self.groups.get(request.group_id), request, commits, api_version, now)
        return _new_tuple(Decision, (code, () if code else commit_records(request, commits, now)))

    def commit_in_transaction(
        self, request: TxnOffsetCommitRequest, commits: Sequence[OffsetToCommit], now: Moment
    ) -> Decision:
        """Decide on offsets of partitions that exist, which hold when the producer's transaction is committed."""
        code = check_transactional_commit(self.groups.get(request.group_id), request, commits)
        if code:
            return Decision(code)
        return Decision(code, transactional_commit_records(request.group_id, commits, now))

    def check_fetch(self, group_id: str, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Whether this member may look offsets up; a classic group lets everybody."""
        group = self.groups.get(group_id)
        return check_fetch(group, member_id, member_epoch) if isinstance(group, ConsumerGroup) else ErrorCode.NONE

    def check_offset_delete(self, group_id: str) -> ErrorCode:
        """Whether offsets of the group may be deleted: not under members whose subscriptions are not known."""
        return check_offset_delete(self.groups.get(group_id))

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
        if group is None or is_gone(group):
            return Decision(ErrorCode.GROUP_ID_NOT_FOUND)
        if is_in_use(group):
            return Decision(ErrorCode.NON_EMPTY_GROUP)
        return Decision(ErrorCode.NONE, (*self.offsets.tombstones_of_group(group_id), *tombstones(group)))

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

    def _expired(self, group: Group, now: Moment) -> list[GroupRecord]:
        ended: list[GroupRecord] = []
        has_none_left = not self.offsets.topics(group.group_id)
        is_expired = expiry_of(group, now, self.context.settings.offsets_retention_ms)
        if not has_none_left and is_expired is not None:
            ended, has_none_left = self.offsets.tombstones_of_expired(
                group.group_id, group.is_subscribed_to, is_expired
            )
        if has_none_left and is_empty(group) and not self.offsets.has_pending(group.group_id):
            ended += tombstones(group)
        return ended


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
