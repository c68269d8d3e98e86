"""OffsetCommit and TxnOffsetCommit: whether a group takes offsets from this member now, and the records that keep them.

Committing is no part of the group's state machine but asks it: a generation must fit, and a commit is also a sign of
life. One within a transaction is no sign of life, and may name nobody: the producer's epoch stands for it (KIP-447).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ...protocol.schema import constructor_of
from ...protocol.stored.classic_groups import OffsetCommitValue
from . import consumer_offsets
from .classic_group_state import ClassicGroupState
from .consumer_group import ConsumerGroup
from .group_records import GroupRecord, offset_commit_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...protocol.messages.offset_commit import OffsetCommitRequest
    from ...protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
    from .classic_group import ClassicGroup
    from .consumer_offsets import CommittedPartition
    from .group_context import Group
    from .group_effects import Moment

# To look a member up in its enum takes 0.1 µs, and each commit asks.
_NONE: Final = ErrorCode.NONE
_DEAD: Final = ClassicGroupState.DEAD
_EMPTY: Final = ClassicGroupState.EMPTY
_COMPLETING: Final = ClassicGroupState.COMPLETING_REBALANCE

_FIRST_VERSION_WITH_GROUP_ID_NOT_FOUND = 9
NO_RETENTION = -1
_value = constructor_of(OffsetCommitValue)


class OffsetToCommit(NamedTuple):
    """One partition's offset, of a topic that exists."""

    topic: str
    topic_id: bytes
    partition: int
    offset: int
    leader_epoch: int
    metadata: str | None


def check_commit(
    group: Group | None,
    request: OffsetCommitRequest,
    commits: Sequence[CommittedPartition],
    api_version: int,
    now: Moment,
) -> ErrorCode:
    """Whether the group accepts the commit; extends a classic member's session if so."""
    if isinstance(group, ConsumerGroup):
        return consumer_offsets.check_commit(group, request, commits, api_version)
    generation = request.generation_id_or_member_epoch
    if group is None:
        if generation < 0:
            return _NONE  # a consumer without a group, or an admin: a simple group comes to be
        if api_version >= _FIRST_VERSION_WITH_GROUP_ID_NOT_FOUND:
            return ErrorCode.GROUP_ID_NOT_FOUND
        return ErrorCode.ILLEGAL_GENERATION
    if group.state is _DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if generation < 0 and group.state is _EMPTY:
        return _NONE
    return _check_member(group, request, now)


def _check_member(group: ClassicGroup, request: OffsetCommitRequest, now: Moment) -> ErrorCode:
    generation = request.generation_id_or_member_epoch
    if generation < 0 and not request.member_id and request.group_instance_id is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    code = group.members.check(request.member_id, request.group_instance_id)
    if code is not _NONE:
        return code
    if generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    if group.state is _COMPLETING:
        return ErrorCode.REBALANCE_IN_PROGRESS
    group.extend_session(group.members[request.member_id], now)
    return _NONE


def check_transactional_commit(
    group: Group | None, request: TxnOffsetCommitRequest, commits: Sequence[OffsetToCommit]
) -> ErrorCode:
    """Whether the group accepts the commit of a transaction."""
    if isinstance(group, ConsumerGroup):
        return consumer_offsets.check_transactional_commit(group, request, commits)
    generation = request.generation_id
    if group is None:
        return _NONE if generation < 0 else ErrorCode.ILLEGAL_GENERATION
    if group.state is _DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    names_nobody = not request.member_id and request.group_instance_id is None
    if generation < 0 and (group.state is _EMPTY or names_nobody):
        return _NONE
    code = group.members.check(request.member_id, request.group_instance_id)
    if code is not _NONE:
        return code
    return _NONE if generation == group.generation else ErrorCode.ILLEGAL_GENERATION


def is_metadata_too_large(metadata: str | None, units_max: int) -> bool:
    """Whether the metadata has more UTF-16 units than offset.metadata.max.bytes; that is what Kafka counts."""
    if not metadata or len(metadata) * 2 <= units_max:
        return False
    return len(metadata.encode("utf-16-le")) // 2 > units_max


def commit_records(
    request: OffsetCommitRequest, commits: Sequence[OffsetToCommit], now: Moment
) -> tuple[GroupRecord, ...]:
    """The records of accepted offsets; a retention of the request's own (OffsetCommit 2-4) becomes a time of expiry."""
    group_id, now_ms = request.group_id, now.wall_ms
    expires_ms = -1
    if request.retention_time_ms != NO_RETENTION:
        expires_ms = now_ms + request.retention_time_ms
    if len(commits) == 1:  # as nearly always
        return (_commit_record(group_id, commits[0], now_ms, expires_ms),)
    return tuple([_commit_record(group_id, commit, now_ms, expires_ms) for commit in commits])


def transactional_commit_records(
    group_id: str, commits: Iterable[OffsetToCommit], now: Moment
) -> tuple[GroupRecord, ...]:
    """The records of accepted offsets. They carry no topic id: the request has none, as in Kafka."""
    now_ms = now.wall_ms
    return tuple([_commit_record(group_id, commit._replace(topic_id=ZERO_UUID), now_ms, -1) for commit in commits])


def _commit_record(group_id: str, commit: OffsetToCommit, now_ms: int, expires_ms: int) -> GroupRecord:
    # The version of record that can expire has no room for epoch and topic id: what it loses is left out at once,
    # so that memory and log say the same.
    topic, topic_id, partition, offset, leader_epoch, metadata = commit
    is_plain = expires_ms < 0
    value = _value(
        offset=offset,
        leader_epoch=leader_epoch if is_plain else -1,
        metadata=metadata or "",
        commit_timestamp=now_ms,
        expire_timestamp=expires_ms,
        topic_id=topic_id if is_plain else ZERO_UUID,
    )
    return offset_commit_record(group_id, topic, partition, value)
