"""What a ConsumerGroupHeartbeat must be whatever the group is (`throwIfConsumerGroupHeartbeatRequestIsInvalid`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .consumer_member import LEAVE_EPOCH, STATIC_LEAVE_EPOCH
from .group_refusal import GroupRefusal

if TYPE_CHECKING:
    from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest

_FIRST_VERSION_WITH_OWN_MEMBER_ID = 1
_JOIN_EPOCH = 0
_NOT_SAID = -1
_BLANKS = "".join(map(chr, range(33)))


def check(request: ConsumerGroupHeartbeatRequest, api_version: int, assignors: tuple[str, ...]) -> None:
    """Raise GroupRefusal for a request that no group can take."""
    epoch = request.member_epoch
    if api_version >= _FIRST_VERSION_WITH_OWN_MEMBER_ID or epoch > _JOIN_EPOCH or epoch == LEAVE_EPOCH:
        _refuse_blank(request.member_id, "MemberId can't be empty.")
    _refuse_blank(request.group_id, "GroupId can't be empty.")
    # Not said by the usual heartbeat, as most of what follows.
    if request.instance_id is not None:
        _refuse_blank(request.instance_id, "InstanceId can't be empty.")
    if request.rack_id is not None:
        _refuse_blank(request.rack_id, "RackId can't be empty.")
    if epoch == _JOIN_EPOCH:
        _check_join(request)
    elif epoch < _JOIN_EPOCH:
        _check_leave(request)
    if request.server_assignor is not None and request.server_assignor not in assignors:
        raise GroupRefusal(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. Supported assignors: {', '.join(assignors)}.",
        )


def _check_leave(request: ConsumerGroupHeartbeatRequest) -> None:
    epoch = request.member_epoch
    _refuse(epoch < STATIC_LEAVE_EPOCH, "MemberEpoch is invalid.")
    _refuse(epoch == STATIC_LEAVE_EPOCH and request.instance_id is None, "InstanceId can't be null.")


def _check_join(request: ConsumerGroupHeartbeatRequest) -> None:
    _refuse(request.rebalance_timeout_ms == _NOT_SAID, "RebalanceTimeoutMs must be provided in first request.")
    is_nothing_owned = request.topic_partitions is not None and not request.topic_partitions
    _refuse(not is_nothing_owned, "TopicPartitions must be empty when (re-)joining.")
    _refuse(
        request.subscribed_topic_names is None and request.subscribed_topic_regex is None,
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
    )


def _refuse_blank(text: str, message: str) -> None:
    if not text.strip(_BLANKS):
        raise GroupRefusal(ErrorCode.INVALID_REQUEST, message)


def _refuse(is_wrong: bool, message: str) -> None:
    if is_wrong:
        raise GroupRefusal(ErrorCode.INVALID_REQUEST, message)
