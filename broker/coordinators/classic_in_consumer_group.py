"""Classic members within a consumer group: what JoinGroup, SyncGroup, Heartbeat and LeaveGroup do there.

To such a member the group looks like a classic one: its member epoch is the generation, a new target is a rebalance
that it is told of by its heartbeat, joining again is how it says what it owns, and its SyncGroup is answered at once,
since the server works out the assignment.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode, ProtocolError
from ...protocol.messages.consumer_group_heartbeat import TopicPartitions
from ...protocol.messages.join_group import JoinGroupResponse
from ...protocol.messages.sync_group import SyncGroupResponse
from .classic_group import refused_join, refused_sync
from .classic_leave import leave_response
from .classic_member import requested_protocols
from .consumer_change import ConsumerChange
from .consumer_deadlines import DeadlineKind
from .consumer_heartbeat import check_room
from .consumer_leave import fenced_static_member, remove
from .consumer_member import ConsumerMember, MemberState
from .group_effects import Append, Caller, Effect, Moment, Reply, append_error
from .group_migration import Conversion, classic_metadata, downgrade_replacing, may_downgrade_replacing
from .group_refusal import GroupRefusal
from .subscription import CONSUMER_PROTOCOL_TYPE, consumer_version, read_subscription, write_assignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.consumer_protocol import ConsumerProtocolSubscription, TopicPartition
    from ...protocol.messages.heartbeat import HeartbeatRequest
    from ...protocol.messages.join_group import JoinGroupRequest
    from ...protocol.messages.leave_group import MemberIdentity, MemberResponse
    from ...protocol.messages.sync_group import SyncGroupRequest
    from .consumer_group import ConsumerGroup
    from .group_context import GroupContext

_FIRST_VERSION_WITH_MEMBER_ID_REQUIRED = 4


# ---- JoinGroup


def join(
    context: GroupContext,
    group: ConsumerGroup,
    request: JoinGroupRequest,
    caller: Caller,
    new_member_id: Callable[[], str],
    now: Moment,
) -> list[Effect]:
    """Let a classic member into a consumer group, or go on with its part of a rebalance."""
    try:
        member_id = request.member_id or new_member_id()
        _check_join(context, group, request, member_id)
        is_told_first = caller.api_version >= _FIRST_VERSION_WITH_MEMBER_ID_REQUIRED
        if is_told_first and not request.member_id and request.group_instance_id is None:
            return [refused_join(caller.waiter, member_id, ErrorCode.MEMBER_ID_REQUIRED)]
        return _Join(context, group, request, caller, now).decide(member_id)
    except GroupRefusal as refusal:
        return [refused_join(caller.waiter, "", refusal.code)]


def _check_join(context: GroupContext, group: ConsumerGroup, request: JoinGroupRequest, member_id: str) -> None:
    if not context.consumer_settings.can_migrate:
        raise GroupRefusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    check_room(context, group, member_id)
    speaks_like_all = any(
        group.classic_protocols.get(protocol.name, 0) == group.classic_member_count for protocol in request.protocols
    )
    if request.protocol_type != CONSUMER_PROTOCOL_TYPE or not speaks_like_all:
        raise GroupRefusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


class _Join:
    """One JoinGroup that names its member."""

    def __init__(
        self, context: GroupContext, group: ConsumerGroup, request: JoinGroupRequest, caller: Caller, now: Moment
    ) -> None:
        self._context = context
        self._group = group
        self._request = request
        self._caller = caller
        self._now = now

    def decide(self, member_id: str) -> list[Effect]:
        """Work out what changes; raise GroupRefusal when nothing may."""
        request, group = self._request, self._group
        change = ConsumerChange(self._context, group, self._now)
        member = self._member(change, member_id)
        replaced = group.static_member(request.group_instance_id)
        subscription = _subscription(request)
        updated = self._updated(member, subscription)
        change.subscribe(member, updated, waits_for_regex=False)
        owned = self._owned(subscription.owned_partitions)
        downgrade = None
        if replaced is not None and may_downgrade_replacing(self._context, group, replaced):
            updated, downgrade = self._downgrade(change, replaced, updated, owned)
            change.records += downgrade.records
        else:
            target = change.target(member, updated)
            updated = change.reconcile(updated, target, owned, force=change.subscription_changed)
        reply = Reply(self._caller.waiter, _joined(updated))
        if not change.records:
            return [*self._settle(change, updated, downgrade), reply]
        return [
            Append(
                tuple(change.records),
                lambda: [*self._settle(change, updated, downgrade), reply],
                partial(_unwritten_join, self._caller),
            )
        ]

    def _member(self, change: ConsumerChange, member_id: str) -> ConsumerMember:
        request, group = self._request, self._group
        if request.group_instance_id is None:
            return group.members.get(member_id) or ConsumerMember(member_id)
        former = group.static_member(request.group_instance_id)
        if request.member_id:
            return fenced_static_member(former, member_id, request.group_instance_id)
        if former is None:
            return group.members.get(member_id) or ConsumerMember(member_id)
        successor = replace(former, member_id=member_id, epoch=0, previous_epoch=0)
        change.replace(former, successor)
        return successor

    def _updated(self, member: ConsumerMember, subscription: ConsumerProtocolSubscription) -> ConsumerMember:
        request = self._request
        return replace(
            member,
            instance_id=request.group_instance_id or member.instance_id,
            rack_id=subscription.rack_id or member.rack_id,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            topic_names=frozenset(subscription.topics),
            topic_regex="",
            client_id=self._caller.client_id,
            client_host=self._caller.client_host,
            classic=classic_metadata(request.session_timeout_ms, requested_protocols(request)),
        )

    def _owned(self, owned: list[TopicPartition]) -> list[TopicPartitions]:
        topics = self._context.image.topics_by_name
        return [
            TopicPartitions(topic_id=topics[topic.topic].topic_id, partitions=topic.partitions)
            for topic in owned
            if topic.topic in topics
        ]

    def _downgrade(
        self, change: ConsumerChange, replaced: ConsumerMember, updated: ConsumerMember, owned: list[TopicPartitions]
    ) -> tuple[ConsumerMember, Conversion]:
        """The last consumer member was a static one, and this classic one takes its place."""
        group = self._group
        is_stale = group.assignment_epoch < change.epoch
        if not is_stale:
            target = change.target(updated, updated)
            updated = change.reconcile(updated, target, owned, force=change.subscription_changed)
        return updated, downgrade_replacing(self._context, group, replaced, updated, self._now, rebalance=is_stale)

    def _settle(self, change: ConsumerChange, member: ConsumerMember, downgrade: Conversion | None) -> list[Effect]:
        if downgrade is not None:
            return downgrade.written()
        group = self._group
        if change.has_new_hash:
            group.topics_seen = self._context.topics.changes
        now_ms = self._now.monotonic_ms
        deadlines = group.deadlines
        deadlines.clear(DeadlineKind.JOIN, member.member_id)
        deadlines.clear(DeadlineKind.REBALANCE, member.member_id)
        deadlines.extend_session(member.member_id, now_ms + self._request.session_timeout_ms)
        deadlines.set(DeadlineKind.SYNC, member.member_id, now_ms + self._request.rebalance_timeout_ms)
        return []


def _subscription(request: JoinGroupRequest) -> ConsumerProtocolSubscription:
    try:
        return read_subscription(request.protocols[0].metadata)
    except ProtocolError as error:
        raise GroupRefusal(ErrorCode.UNKNOWN_SERVER_ERROR) from error


def _joined(member: ConsumerMember) -> JoinGroupResponse:
    protocols = member.classic.supported_protocols if member.classic is not None else []
    return JoinGroupResponse(
        member_id=member.member_id,
        generation_id=member.epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=protocols[0].name if protocols else None,
    )


def _unwritten_join(caller: Caller, code: ErrorCode) -> list[Effect]:
    return [refused_join(caller.waiter, "", append_error(code))]


# ---- SyncGroup and Heartbeat


def sync(
    context: GroupContext, group: ConsumerGroup, request: SyncGroupRequest, caller: Caller, now: Moment
) -> list[Effect]:
    """Give a classic member the partitions that it has in this epoch."""
    try:
        member = _classic_member(group, request.member_id, request.group_instance_id, request.generation_id)
        _check_protocol(member, request)
        _check_up_to_date(group, member, now)
        assignment = _assignment(context, member)
    except GroupRefusal as refusal:
        return [refused_sync(caller.waiter, refusal.code)]
    group.deadlines.clear(DeadlineKind.SYNC, member.member_id)
    _extend_session(group, member, now)
    return [
        Reply(
            caller.waiter,
            SyncGroupResponse(
                protocol_type=request.protocol_type, protocol_name=request.protocol_name, assignment=assignment
            ),
        )
    ]


def heartbeat(group: ConsumerGroup, request: HeartbeatRequest, now: Moment) -> ErrorCode:
    """Extend a classic member's session, and tell it to join again when there is something new for it."""
    try:
        member = _classic_member(group, request.member_id, request.group_instance_id, request.generation_id)
    except GroupRefusal as refusal:
        return refusal.code
    _extend_session(group, member, now)
    if not _must_join_again(group, member):
        return ErrorCode.NONE
    _expect_join(group, member, now)
    return ErrorCode.REBALANCE_IN_PROGRESS


def _must_join_again(group: ConsumerGroup, member: ConsumerMember) -> bool:
    """Whether the target moved on, the member has partitions to give up, or others gave up what it waits for."""
    if member.epoch < group.assignment_epoch or member.state is MemberState.UNREVOKED_PARTITIONS:
        return True
    return member.state is MemberState.UNRELEASED_PARTITIONS and not _waits_for_others(group, member)


def _waits_for_others(group: ConsumerGroup, member: ConsumerMember) -> bool:
    for topic_id, partitions in group.targets.get(member.member_id, {}).items():
        has = member.assigned.get(topic_id, {})
        if any(partition not in has and group.epoch_of(topic_id, partition) != -1 for partition in partitions):
            return True
    return False


def _classic_member(group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int) -> ConsumerMember:
    if instance_id is None:
        member = group.member(member_id)
    else:
        member = fenced_static_member(group.static_member(instance_id), member_id, instance_id)
    if not member.is_classic:
        raise GroupRefusal(ErrorCode.UNKNOWN_MEMBER_ID)
    if generation != member.epoch:
        raise GroupRefusal(ErrorCode.ILLEGAL_GENERATION)
    return member


def _check_protocol(member: ConsumerMember, request: SyncGroupRequest) -> None:
    protocol = member.classic.supported_protocols[0].name if member.classic is not None else None
    is_other_type = request.protocol_type is not None and request.protocol_type != CONSUMER_PROTOCOL_TYPE
    is_other_name = request.protocol_name is not None and request.protocol_name != protocol
    if is_other_type or is_other_name:
        raise GroupRefusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


def _check_up_to_date(group: ConsumerGroup, member: ConsumerMember, now: Moment) -> None:
    """A member that is giving up partitions has joined already: it goes on without joining once more."""
    if group.assignment_epoch > member.epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        _expect_join(group, member, now)
        raise GroupRefusal(ErrorCode.REBALANCE_IN_PROGRESS)


def _expect_join(group: ConsumerGroup, member: ConsumerMember, now: Moment) -> None:
    deadline_ms = now.monotonic_ms + member.rebalance_timeout_ms
    group.deadlines.set_if_absent(DeadlineKind.JOIN, member.member_id, deadline_ms)


def _extend_session(group: ConsumerGroup, member: ConsumerMember, now: Moment) -> None:
    if member.classic is not None:
        group.deadlines.extend_session(member.member_id, now.monotonic_ms + member.classic.session_timeout_ms)


def _assignment(context: GroupContext, member: ConsumerMember) -> bytes:
    topics = context.image.topics_by_id
    named = {topics[topic_id].name: epochs for topic_id, epochs in member.assigned.items() if topic_id in topics}
    protocols = member.classic.supported_protocols if member.classic is not None else []
    try:
        return write_assignment(named, consumer_version(protocols[0].metadata))
    except ProtocolError as error:
        raise GroupRefusal(ErrorCode.UNKNOWN_SERVER_ERROR) from error


# ---- LeaveGroup


def leave(
    context: GroupContext, group: ConsumerGroup, identities: list[MemberIdentity], now: Moment
) -> tuple[list[MemberResponse], list[Effect]]:
    """Let members go, of either protocol; an answer each, and the effects."""
    responses = []
    leaving: list[ConsumerMember] = []
    for identity in identities:
        try:
            member = _leaving(group, identity)
        except GroupRefusal as refusal:
            responses.append(leave_response(identity, refusal.code))
            continue
        if member not in leaving:
            leaving.append(member)
        responses.append(leave_response(identity, ErrorCode.NONE))
    if not leaving:
        return responses, []
    removal = remove(context, group, leaving, now)
    return responses, [Append(removal.records, removal.written, partial(_unwritten_leave, responses))]


def _leaving(group: ConsumerGroup, identity: MemberIdentity) -> ConsumerMember:
    if identity.group_instance_id is None:
        return group.member(identity.member_id)
    known = group.static_member(identity.group_instance_id)
    # An admin names the instance alone.
    member_id = identity.member_id or (known.member_id if known is not None else "")
    return fenced_static_member(known, member_id, identity.group_instance_id)


def _unwritten_leave(responses: list[MemberResponse], code: ErrorCode) -> list[Effect]:
    for response in responses:
        if response.error_code == ErrorCode.NONE:
            response.error_code = append_error(code)
    return []
