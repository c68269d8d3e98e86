"""ConsumerGroupHeartbeat: join, stay in and leave a consumer group, and learn what to read (KIP-848)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatResponse,
    ResponseTopicPartitions,
)
from .consumer_change import ConsumerChange
from .consumer_deadlines import DeadlineKind
from .consumer_group import ConsumerGroup
from .consumer_leave import fenced_static_member, leave
from .consumer_member import STATIC_LEAVE_EPOCH, ConsumerMember, MemberState
from .consumer_regexes import is_refresh_due, resolve
from .group_effects import Append, Caller, Effect, Moment, Reply, append_error
from .group_migration import find_or_convert
from .group_refusal import GroupRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
    from .consumer_member import OwnedPartitions
    from .consumer_settings import GroupIntervals
    from .group_context import GroupContext

_JOIN_EPOCH = 0
_NOT_SAID = -1


def heartbeat(
    context: GroupContext,
    request: ConsumerGroupHeartbeatRequest,
    caller: Caller,
    new_member_id: Callable[[], str],
    now: Moment,
) -> ConsumerGroupHeartbeatResponse | list[Effect]:
    """Decide on a request that `consumer_request.check` let through: an answer, or effects that bring it."""
    if says_nothing(request):
        intervals = extend_quietly(context, request, caller.client_id, caller.client_host, now)
        if intervals is not None:
            return ConsumerGroupHeartbeatResponse(
                member_id=request.member_id,
                member_epoch=request.member_epoch,
                heartbeat_interval_ms=intervals.heartbeat_interval_ms,
            )
    try:
        if request.member_epoch < _JOIN_EPOCH:
            return leave(context, request, caller, now)
        return _Heartbeat(context, request, caller, now).decide(new_member_id)
    except GroupRefusal as refusal:
        return ConsumerGroupHeartbeatResponse(error_code=refusal.code, error_message=refusal.message)


def says_nothing(request: ConsumerGroupHeartbeatRequest) -> bool:
    """Whether a member only shows that it lives, as it usually does."""
    return (
        request.member_epoch > _JOIN_EPOCH
        and request.subscribed_topic_names is None
        and request.subscribed_topic_regex is None
        and request.rebalance_timeout_ms == _NOT_SAID
        and request.rack_id is None
        and request.server_assignor is None
    )


def extend_quietly(
    context: GroupContext, request: ConsumerGroupHeartbeatRequest, client_id: str, client_host: str, now: Moment
) -> GroupIntervals | None:
    """Extend the session of a member that says nothing, in a group that has nothing new for it.

    Return what the answer tells beside the member's id and epoch; None, and nothing is done, where there is more to do.
    """
    group = context.groups.get(request.group_id)
    if not isinstance(group, ConsumerGroup):
        return None
    if group.subscriptions.members_by_regex and is_refresh_due(context, group.subscriptions, now):
        return None
    member = group.members.get(request.member_id)
    if member is None or not _is_as_before(request, member, client_id, client_host):
        return None
    if context.is_out_of_date(group) or group.epoch > group.assignment_epoch:
        return None
    if not member.is_reconciled_to(group.assignment_epoch):
        return None
    intervals = context.intervals_of(request.group_id)
    group.deadlines.extend_session(member.member_id, now.monotonic_ms + intervals.session_timeout_ms)
    return intervals


def _is_as_before(
    request: ConsumerGroupHeartbeatRequest, member: ConsumerMember, client_id: str, client_host: str
) -> bool:
    return (
        request.member_epoch == member.epoch
        and request.instance_id == member.instance_id
        and member.classic is None
        and member.client_id == client_id
        and member.client_host == client_host
    )


class _Heartbeat:
    """One heartbeat that may change something."""

    def __init__(
        self, context: GroupContext, request: ConsumerGroupHeartbeatRequest, caller: Caller, now: Moment
    ) -> None:
        self._context = context
        self._request = request
        self._caller = caller
        self._now = now

    def decide(self, new_member_id: Callable[[], str]) -> ConsumerGroupHeartbeatResponse | list[Effect]:
        """Work out what changes; raise GroupRefusal when nothing may."""
        request = self._request
        found = find_or_convert(self._context, request.group_id, self._now, create=request.member_epoch == _JOIN_EPOCH)
        change = ConsumerChange(self._context, found.group, self._now)
        change.records += found.records
        check_room(self._context, found.group, request.member_id)
        member = self._member(change, request.member_id or new_member_id())
        updated = self._updated(member)
        change.subscribe(member, updated, waits_for_regex=True)
        target = change.target(member, updated)
        reconciled = change.reconcile(updated, target, request.topic_partitions, force=change.subscription_changed)
        response = self._response(member, reconciled)
        moved = reconciled if reconciled is not updated else None
        if not change.records:
            effects = self._settle(change, reconciled.member_id, moved)
            return [*effects, Reply(self._caller.waiter, response)] if effects else response
        return [
            Append(
                tuple(change.records),
                lambda: [
                    *found.begin(),
                    *self._settle(change, reconciled.member_id, moved),
                    Reply(self._caller.waiter, response),
                ],
                partial(unwritten, self._caller),
            )
        ]

    # ---- who asks

    def _member(self, change: ConsumerChange, member_id: str) -> ConsumerMember:
        request, group = self._request, change.group
        is_joining = request.member_epoch == _JOIN_EPOCH
        if request.instance_id is not None:
            return self._static_member(change, member_id, is_joining=is_joining)
        if is_joining:
            return group.members.get(member_id) or ConsumerMember(member_id)
        member = group.member(member_id)
        check_epoch(member, request.member_epoch, request.topic_partitions)
        return member

    def _static_member(self, change: ConsumerChange, member_id: str, *, is_joining: bool) -> ConsumerMember:
        request, group = self._request, change.group
        former = group.static_member(request.instance_id)
        if not is_joining:
            known = fenced_static_member(former, member_id, request.instance_id)
            check_epoch(known, request.member_epoch, request.topic_partitions)
            return known
        if former is None:
            return group.members.get(member_id) or ConsumerMember(member_id)
        if not former.is_classic and former.epoch != STATIC_LEAVE_EPOCH:
            raise GroupRefusal(
                ErrorCode.UNRELEASED_INSTANCE_ID,
                f"Static member {member_id} with instance id {request.instance_id} cannot join the group because the "
                f"instance id is owned by {former.member_id} member.",
            )
        successor = replace(former, member_id=member_id, epoch=0, previous_epoch=0)
        change.replace(former, successor)
        return successor

    def _updated(self, member: ConsumerMember) -> ConsumerMember:
        """The member with what the request says; what it leaves out stays."""
        request = self._request
        return replace(
            member,
            instance_id=member.instance_id if request.instance_id is None else request.instance_id,
            rack_id=member.rack_id if request.rack_id is None else request.rack_id,
            rebalance_timeout_ms=(
                member.rebalance_timeout_ms
                if request.rebalance_timeout_ms == _NOT_SAID
                else request.rebalance_timeout_ms
            ),
            server_assignor=member.server_assignor if request.server_assignor is None else request.server_assignor,
            topic_names=(
                member.topic_names
                if request.subscribed_topic_names is None
                else frozenset(request.subscribed_topic_names)
            ),
            topic_regex=(
                member.topic_regex if request.subscribed_topic_regex is None else request.subscribed_topic_regex
            ),
            client_id=self._caller.client_id,
            client_host=self._caller.client_host,
            classic=None,
        )

    # ---- the answer, and what follows once all is written

    def _response(self, before: ConsumerMember, after: ConsumerMember) -> ConsumerGroupHeartbeatResponse:
        request = self._request
        names_subscription = request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None
        is_full = (
            request.rebalance_timeout_ms != _NOT_SAID and names_subscription and request.topic_partitions is not None
        )
        tells = request.member_epoch == _JOIN_EPOCH or is_full or before.assigned != after.assigned
        return ConsumerGroupHeartbeatResponse(
            member_id=after.member_id,
            member_epoch=after.epoch,
            heartbeat_interval_ms=self._context.intervals_of(request.group_id).heartbeat_interval_ms,
            assignment=Assignment(topic_partitions=_told(after.assigned)) if tells else None,
        )

    def _settle(self, change: ConsumerChange, member_id: str, moved: ConsumerMember | None) -> list[Effect]:
        """Set the deadlines of the member as it is now, and resolve expressions that are due."""
        group = self._context.groups.get(self._request.group_id)
        if not isinstance(group, ConsumerGroup):
            return []
        if change.has_new_hash:
            group.topics_seen = self._context.topics.changes
        now_ms = self._now.monotonic_ms
        session_ms = self._context.intervals_of(group.group_id).session_timeout_ms
        group.deadlines.extend_session(member_id, now_ms + session_ms)
        group.deadlines.clear(DeadlineKind.JOIN, member_id)
        group.deadlines.clear(DeadlineKind.SYNC, member_id)
        if moved is not None:
            set_rebalance_deadline(group, moved, now_ms)
        if change.regexes_to_resolve:
            return resolve(self._context, group.group_id, change.regexes_to_resolve, self._now)
        return []


def resume(context: GroupContext, group: ConsumerGroup, now: Moment) -> None:
    """Begin to live after a load: every session starts again, and so does the time to give up partitions."""
    session_ms = context.intervals_of(group.group_id).session_timeout_ms
    for member in group.members.values():
        group.deadlines.extend_session(member.member_id, now.monotonic_ms + session_ms)
        set_rebalance_deadline(group, member, now.monotonic_ms)


def set_rebalance_deadline(group: ConsumerGroup, member: ConsumerMember, now_ms: int) -> None:
    """Give a member that has to give up partitions its time to do so."""
    if member.state is MemberState.UNREVOKED_PARTITIONS:
        deadline_ms = now_ms + member.rebalance_timeout_ms
        group.deadlines.set(DeadlineKind.REBALANCE, member.member_id, deadline_ms, member.epoch)
    else:
        group.deadlines.clear(DeadlineKind.REBALANCE, member.member_id)


def check_room(context: GroupContext, group: ConsumerGroup, member_id: str) -> None:
    """Raise GroupRefusal when the group is full and this is none of its members."""
    size_max = context.consumer_settings.size_max
    if len(group.members) >= size_max and (not member_id or member_id not in group.members):
        raise GroupRefusal(
            ErrorCode.GROUP_MAX_SIZE_REACHED,
            f"The consumer group has reached its maximum capacity of {size_max} members.",
        )


def check_epoch(member: ConsumerMember, epoch: int, owned: list[TopicPartitions] | None) -> None:
    """Raise GroupRefusal unless the member is in that epoch, or the answer that brought it further was lost."""
    if epoch == member.epoch:
        return
    if epoch < member.epoch and epoch == member.previous_epoch and _has_no_more_than(member.assigned, owned):
        return
    word = "greater" if epoch > member.epoch else "smaller"
    raise GroupRefusal(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {word} member epoch ({epoch}) than the one known by the group coordinator "
        f"({member.epoch}). The member must abandon all its partitions and rejoin.",
    )


def _has_no_more_than(assigned: OwnedPartitions, owned: list[TopicPartitions] | None) -> bool:
    if owned is None:
        return False
    return all(
        topic.topic_id in assigned and all(partition in assigned[topic.topic_id] for partition in topic.partitions)
        for topic in owned
    )


def _told(owned: OwnedPartitions) -> list[ResponseTopicPartitions]:
    return [
        ResponseTopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
        for topic_id, partitions in owned.items()
    ]


def unwritten(caller: Caller, code: ErrorCode) -> list[Effect]:
    """The answer to a heartbeat whose records could not be written."""
    return [Reply(caller.waiter, ConsumerGroupHeartbeatResponse(error_code=append_error(code)))]
