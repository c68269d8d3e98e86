"""Whether a consumer group lets a member commit offsets, and look them up: its epoch must fit (KIP-848, KIP-1251)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ...protocol.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...protocol.messages.offset_commit import OffsetCommitRequest
    from ...protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
    from .consumer_group import ConsumerGroup
    from .consumer_member import ConsumerMember

_FIRST_VERSION_FOR_CONSUMERS = 9
# To look a member up in its enum takes 0.1 µs.
_NONE: Final = ErrorCode.NONE


class CommittedPartition(Protocol):
    """What an offset is committed for."""

    @property
    def topic_id(self) -> bytes:
        """The topic's id."""

    @property
    def partition(self) -> int:
        """The partition's index."""


def check_commit(
    group: ConsumerGroup, request: OffsetCommitRequest, commits: Iterable[CommittedPartition], api_version: int
) -> ErrorCode:
    """Whether the group takes all of these commits.

    A member that is behind the group may still commit what it has had since an epoch that is not after its own.
    """
    epoch = request.generation_id_or_member_epoch
    if epoch < 0 and not group.members:
        return ErrorCode.NONE
    member = group.members.get(request.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if member.classic is None and api_version < _FIRST_VERSION_FOR_CONSUMERS:
        return ErrorCode.UNSUPPORTED_VERSION
    return check_epoch(member, epoch, commits)


def check_transactional_commit(
    group: ConsumerGroup, request: TxnOffsetCommitRequest, commits: Iterable[CommittedPartition]
) -> ErrorCode:
    """Whether the group takes these commits of a transaction; one that names nobody is the producer's affair."""
    names_nobody = not request.member_id and request.group_instance_id is None
    if request.generation_id < 0 and (names_nobody or not group.members):
        return ErrorCode.NONE
    member = group.members.get(request.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    is_in_order = check_epoch(member, request.generation_id, commits) is ErrorCode.NONE
    return ErrorCode.NONE if is_in_order else ErrorCode.ILLEGAL_GENERATION


def check_epoch(member: ConsumerMember, epoch: int, commits: Iterable[CommittedPartition]) -> ErrorCode:
    """Whether the member's epoch lets it commit these."""
    if epoch == member.epoch:
        return _NONE
    if epoch > member.epoch:
        return _stale(member)
    for commit in commits:
        assignment_epoch = member.assignment_epoch_of(commit.topic_id, commit.partition)
        if assignment_epoch is None or epoch < assignment_epoch:
            return _stale(member)
    return ErrorCode.NONE


def check_fetch(group: ConsumerGroup, member_id: str | None, epoch: int) -> ErrorCode:
    """Whether the group lets this member look; an admin names none."""
    if member_id is None:
        # An epoch without a member makes Kafka stumble, and that is what it says.
        return ErrorCode.NONE if epoch < 0 else ErrorCode.UNKNOWN_SERVER_ERROR
    member = group.members.get(member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    return ErrorCode.NONE if epoch == member.epoch else _stale(member)


def _stale(member: ConsumerMember) -> ErrorCode:
    return ErrorCode.ILLEGAL_GENERATION if member.is_classic else ErrorCode.STALE_MEMBER_EPOCH
