"""Leaving a consumer group: by a heartbeat, for a while, or because a deadline has passed.

When only members of the classic protocol are left, the group becomes a classic one, if the migration policy lets it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from . import group_migration
from .consumer_deadlines import DeadlineKind
from .consumer_member import STATIC_LEAVE_EPOCH
from .consumer_records import current_record, epoch_record, member_tombstones, regex_tombstone
from .group_effects import Append, Caller, Effect, Moment, Reply, append_error, nothing_more
from .group_refusal import GroupRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
    from .consumer_group import ConsumerGroup
    from .consumer_member import ConsumerMember
    from .consumer_subscriptions import Subscriptions
    from .group_context import GroupContext
    from .group_records import GroupRecord

_RETRY_MS = 1_000


def leave(context: GroupContext, request: ConsumerGroupHeartbeatRequest, caller: Caller, now: Moment) -> list[Effect]:
    """Let the member go that says so. Raises GroupRefusal."""
    group = context.consumer_group(request.group_id)
    member = _leaving(group, request)
    response = ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)
    reply = Reply(caller.waiter, response)
    if request.instance_id is not None and request.member_epoch == STATIC_LEAVE_EPOCH:
        records = (current_record(group.group_id, member.temporarily_gone()),)
        return [Append(records, lambda: [reply], partial(_unwritten, caller))]
    removal = remove(context, group, [member], now)
    return [Append(removal.records, lambda: [*removal.written(), reply], partial(_unwritten, caller))]


def _leaving(group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest) -> ConsumerMember:
    if request.instance_id is None:
        return group.member(request.member_id)
    return fenced_static_member(group.static_member(request.instance_id), request.member_id, request.instance_id)


def fenced_static_member(known: ConsumerMember | None, member_id: str, instance_id: str | None) -> ConsumerMember:
    """The static member, if it still is the one that asks. Raises GroupRefusal."""
    if known is None:
        raise GroupRefusal(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
    if known.member_id != member_id:
        raise GroupRefusal(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {known.member_id}.",
        )
    return known


def _unwritten(caller: Caller, code: ErrorCode) -> list[Effect]:
    return [Reply(caller.waiter, ConsumerGroupHeartbeatResponse(error_code=append_error(code)))]


def remove(
    context: GroupContext, group: ConsumerGroup, members: Sequence[ConsumerMember], now: Moment
) -> group_migration.Conversion:
    """Take members out: the records, and what follows once they are written."""
    if group_migration.may_downgrade_without(context, group, members):
        return group_migration.downgrade_without(context, group, members, now)
    return group_migration.Conversion(tuple(_removal(context, group, members)), nothing_more)


def _removal(context: GroupContext, group: ConsumerGroup, members: Sequence[ConsumerMember]) -> list[GroupRecord]:
    records: list[GroupRecord] = []
    subscriptions = group.subscriptions.copy()
    for member in members:
        records += member_tombstones(group.group_id, member.member_id)
        subscriptions.replace(member, None)
    records += [regex_tombstone(group.group_id, regex) for regex in _end_unused(group.subscriptions, subscriptions)]
    metadata_hash = context.topics.hash_of(subscriptions.topics)
    records.append(epoch_record(group.group_id, group.epoch + 1, metadata_hash))
    return records


def _end_unused(before: Subscriptions, after: Subscriptions) -> list[str]:
    """Let the expressions that nobody is left for stand for nothing; return them."""
    unused = [regex for regex in before.members_by_regex if regex not in after.members_by_regex]
    for regex in unused:
        after.resolve(regex, None)
    return unused


def expire(context: GroupContext, group: ConsumerGroup, now: Moment) -> list[Effect]:
    """Take out whoever's deadline has passed, as one change."""
    late = []
    for _, member_id, kind, epoch in group.deadlines.take_due(now.monotonic_ms):
        member = group.members.get(member_id)
        if member is None or member in late:
            continue
        if kind is DeadlineKind.REBALANCE and member.epoch != epoch:
            continue  # it went on in time
        late.append(member)
    if not late:
        return []
    removal = remove(context, group, late, now)
    return [Append(removal.records, removal.written, partial(_not_removed, group, late, now))]


def _not_removed(group: ConsumerGroup, late: list[ConsumerMember], now: Moment, _: ErrorCode) -> list[Effect]:
    """The log did not take it: try again in a while."""
    for member in late:
        group.deadlines.extend_session(member.member_id, now.monotonic_ms + _RETRY_MS)
    return []
