"""SyncGroup and Heartbeat in a classic group: the leader hands out, everybody receives and shows that it lives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from .classic_group import refused_sync
from .classic_group_state import ClassicGroupState
from .group_effects import Append, Caller, Effect, Moment, Reply, append_error
from .group_records import group_metadata_record

if TYPE_CHECKING:
    from ...protocol.messages.heartbeat import HeartbeatRequest
    from ...protocol.messages.sync_group import SyncGroupRequest
    from .classic_group import ClassicGroup

# To look a member up in its enum takes 0.1 µs, and each heartbeat asks.
_NONE: Final = ErrorCode.NONE
_DEAD: Final = ClassicGroupState.DEAD
_PREPARING: Final = ClassicGroupState.PREPARING_REBALANCE


def sync(group: ClassicGroup, request: SyncGroupRequest, caller: Caller, now: Moment) -> list[Effect]:
    """Give a member its assignment: now when it is there, else parked until the leader's SyncGroup is written."""
    code = _check(group, request)
    if code is not ErrorCode.NONE:
        return [refused_sync(caller.waiter, code)]
    member = group.members[request.member_id]
    _note_synced(group, request.member_id)
    if group.state is ClassicGroupState.STABLE:
        return [Reply(caller.waiter, group.assigned_response(member))]
    previous, member.sync_waiter = member.sync_waiter, caller.waiter
    effects: list[Effect] = []
    if previous is not None:
        effects.append(refused_sync(previous, ErrorCode.REBALANCE_IN_PROGRESS))
    if group.members.leader_id == request.member_id:
        effects.append(_assignment(group, request, now))
    return effects


def _check(group: ClassicGroup, request: SyncGroupRequest) -> ErrorCode:
    if group.state is ClassicGroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if group.state is ClassicGroupState.EMPTY:
        return ErrorCode.UNKNOWN_MEMBER_ID
    code = group.members.check(request.member_id, request.group_instance_id)
    if code is not ErrorCode.NONE:
        return code
    if request.generation_id != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    if request.protocol_type is not None and request.protocol_type != group.protocol_type:
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if request.protocol_name is not None and request.protocol_name != group.protocol_name:
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _note_synced(group: ClassicGroup, member_id: str) -> None:
    group.members.pending_sync.discard(member_id)
    if not group.members.pending_sync:
        group.sync_deadline_ms = None


def _assignment(group: ClassicGroup, request: SyncGroupRequest, now: Moment) -> Append:
    """The generation with its assignments, to be written; who was forgotten gets an empty one, ghosts get none."""
    assignments = {given.member_id: given.assignment for given in request.assignments}
    protocol = group.protocol_name or ""
    members = [member.to_record(protocol, assignments.get(member.member_id, b"")) for member in group.members]
    record = group_metadata_record(group.group_id, group.to_record_value(members))
    return Append((record,), partial(_assignment_written, group, now), partial(_assignment_unwritten, group, now))


def _assignment_written(group: ClassicGroup, now: Moment) -> list[Effect]:
    group.state_since_ms = now.wall_ms
    return group.hand_out_assignments(now)


def _assignment_unwritten(group: ClassicGroup, now: Moment, code: ErrorCode) -> list[Effect]:
    effects = group.drop_assignments(append_error(code), now)
    return effects + group.prepare_rebalance(now)


def heartbeat(group: ClassicGroup, request: HeartbeatRequest, now: Moment) -> ErrorCode:
    """Extend a member's session, also during a rebalance, which it is told of."""
    if group.state is _DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    code = group.members.check(request.member_id, request.group_instance_id)
    if code is not _NONE:
        return code
    if request.generation_id != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    group.extend_session(group.members[request.member_id], now)
    if group.state is _PREPARING:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return _NONE
