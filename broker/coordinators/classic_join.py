"""JoinGroup in a classic group: who may come in, when that rebalances, and who waits (KIP-62, 345, 394, 814)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .classic_group import refused_join
from .classic_group_state import ClassicGroupState
from .classic_member import ClassicMember, requested_protocols, select_protocol
from .group_effects import Append, Caller, Effect, Moment, Reply, append_error
from .group_records import group_metadata_record
from .group_settings import NEW_MEMBER_JOIN_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.messages.join_group import JoinGroupRequest
    from .classic_group import ClassicGroup

_FIRST_VERSION_WITH_MEMBER_ID_REQUIRED = 4
_FIRST_VERSION_WITH_SKIP_ASSIGNMENT = 9


def join(
    group: ClassicGroup,
    request: JoinGroupRequest,
    caller: Caller,
    new_member_id: Callable[[], str],
    now: Moment,
) -> list[Effect]:
    """Let a member join; its waiter is answered now, or parked until the next generation begins.

    `new_member_id` gives the random part of an id that must be made up.
    """
    if not _has_room(group, request.member_id):
        group.members.remove(request.member_id)
        return [refused_join(caller.waiter, "", ErrorCode.GROUP_MAX_SIZE_REACHED)]
    if group.state is ClassicGroupState.DEAD:
        return [refused_join(caller.waiter, request.member_id, ErrorCode.COORDINATOR_NOT_AVAILABLE)]
    if not group.supports(request.protocol_type, [protocol.name for protocol in request.protocols]):
        return [refused_join(caller.waiter, request.member_id, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)]
    if request.member_id:
        return _join_known(group, request, caller, now)
    if request.group_instance_id is not None:
        return _join_new_static(group, request, caller, new_member_id, now)
    return _join_new_dynamic(group, request, caller, new_member_id, now)


def _has_room(group: ClassicGroup, member_id: str) -> bool:
    """Whether the limit of members lets this one join.

    While members are gathered those who wait are counted, not those who are in: so a group that is over a limit that
    was lowered sheds whoever rejoins last.
    """
    size_max = group.settings.group_size_max
    member = group.members.get(member_id)
    if group.state in (ClassicGroupState.EMPTY, ClassicGroupState.DEAD):
        return True
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        is_waiting = member is not None and member.join_waiter is not None
        return is_waiting or group.members.awaiting_join < size_max
    return member is not None or len(group.members) < size_max


def _join_new_dynamic(
    group: ClassicGroup,
    request: JoinGroupRequest,
    caller: Caller,
    new_member_id: Callable[[], str],
    now: Moment,
) -> list[Effect]:
    member_id = f"{caller.client_id}-{new_member_id()}"
    if caller.api_version < _FIRST_VERSION_WITH_MEMBER_ID_REQUIRED:
        return _add_member(group, member_id, request, caller, now)
    group.expect_pending(member_id, request.session_timeout_ms, now)
    return [refused_join(caller.waiter, member_id, ErrorCode.MEMBER_ID_REQUIRED)]


def _join_new_static(
    group: ClassicGroup,
    request: JoinGroupRequest,
    caller: Caller,
    new_member_id: Callable[[], str],
    now: Moment,
) -> list[Effect]:
    instance_id = request.group_instance_id or ""
    member_id = f"{instance_id}-{new_member_id()}"
    old_id = group.members.static_member_id(instance_id)
    if old_id is None:
        return _add_member(group, member_id, request, caller, now)
    return _replace_static(group, group.members[old_id], member_id, request, caller, now)


def _add_member(
    group: ClassicGroup, member_id: str, request: JoinGroupRequest, caller: Caller, now: Moment
) -> list[Effect]:
    member = ClassicMember.joining(member_id, request, caller)
    member.is_new = True
    if group.is_initial_rebalance:
        group.new_member_added = True
    group.add(member)
    group.members.park_join(member, caller.waiter)
    group.extend_session(member, now, NEW_MEMBER_JOIN_TIMEOUT_MS)
    return group.rebalance_or_complete_join(now)


def _join_known(group: ClassicGroup, request: JoinGroupRequest, caller: Caller, now: Moment) -> list[Effect]:
    """A client that has a member id: one it was just given, or one of a generation it was in."""
    if request.member_id in group.members.pending and request.group_instance_id is None:
        return _add_member(group, request.member_id, request, caller, now)
    code = group.members.check(request.member_id, request.group_instance_id)
    if code is not ErrorCode.NONE:
        return [refused_join(caller.waiter, request.member_id, code)]
    member = group.members[request.member_id]
    if _must_rebalance(group, member, request):
        return _rejoin(group, member, request, caller, now)
    return [Reply(caller.waiter, group.joined_response(member.member_id))]


def _must_rebalance(group: ClassicGroup, member: ClassicMember, request: JoinGroupRequest) -> bool:
    """Whether a rejoin is more than a lost answer.

    The leader of a stable group rebalances whenever it asks: it may have seen partitions appear, which no metadata
    shows.
    """
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        return True
    if group.state is ClassicGroupState.STABLE and group.members.leader_id == member.member_id:
        return True
    return member.protocols != requested_protocols(request)


def _rejoin(
    group: ClassicGroup, member: ClassicMember, request: JoinGroupRequest, caller: Caller, now: Moment
) -> list[Effect]:
    effects = _update(group, member, request, caller)
    return effects + group.rebalance_or_complete_join(now)


def _update(group: ClassicGroup, member: ClassicMember, request: JoinGroupRequest, caller: Caller) -> list[Effect]:
    """Take over what the request says, and park it; one that the member had parked before gives way to it."""
    group.members.change_protocols(member, requested_protocols(request))
    member.rebalance_timeout_ms = request.rebalance_timeout_ms
    member.session_timeout_ms = request.session_timeout_ms
    previous = group.members.park_join(member, caller.waiter)
    if previous is None:
        return []
    return [refused_join(previous, member.member_id, ErrorCode.REBALANCE_IN_PROGRESS)]


def _replace_static(
    group: ClassicGroup,
    old: ClassicMember,
    member_id: str,
    request: JoinGroupRequest,
    caller: Caller,
    now: Moment,
) -> list[Effect]:
    """A static member came back without its id: it takes its own place, and the old id is fenced."""
    successor = old.succeeded_by(member_id)
    if group.state is ClassicGroupState.STABLE:
        voter = old.succeeded_by(member_id)
        voter.protocols = requested_protocols(request)
        electorate = [voter if member is old else member for member in group.members]
        if select_protocol(electorate) == group.protocol_name:
            return [_static_record(group, old, voter, request, caller, now)]
    effects = group.answer_parked(old, old.member_id, ErrorCode.FENCED_INSTANCE_ID)
    group.members.replace_static(old.member_id, successor)
    group.extend_session(successor, now)
    effects += _update(group, successor, request, caller)
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        return effects + group.complete_join_if_ready(now)
    # Also while the assignment is awaited: the leader knows the old id only, so the new one would get nothing.
    return effects + group.prepare_rebalance(now)


def _static_record(
    group: ClassicGroup,
    old: ClassicMember,
    successor: ClassicMember,
    request: JoinGroupRequest,
    caller: Caller,
    now: Moment,
) -> Append:
    """Write the new id down without a rebalance: the assignment stays what it was (KIP-345)."""
    old_leader = group.members.leader_id
    group.extend_session(successor, now)
    successor.rebalance_timeout_ms = request.rebalance_timeout_ms
    successor.session_timeout_ms = request.session_timeout_ms
    protocol = group.protocol_name or ""
    members = [successor if member is old else member for member in group.members]
    value = group.to_record_value([member.to_record(protocol, member.assignment) for member in members])
    if value.leader == old.member_id:
        value.leader = successor.member_id
    group.stage(successor)
    return Append(
        (group_metadata_record(group.group_id, value),),
        partial(_static_written, group, successor, old_leader, caller),
        partial(_static_unwritten, group, caller),
    )


def _static_written(
    group: ClassicGroup, successor: ClassicMember, old_leader: str | None, caller: Caller
) -> list[Effect]:
    is_leader = group.members.leader_id == successor.member_id
    can_skip = caller.api_version >= _FIRST_VERSION_WITH_SKIP_ASSIGNMENT
    response = group.joined_response(successor.member_id, skip_assignment=is_leader and can_skip)
    if not can_skip:
        # An older leader that was told that it leads would hand out assignments, which nobody asked for: it is
        # shown the id it had, so that it takes itself for a follower.
        response.leader = old_leader or ""
        response.members = []
    return [Reply(caller.waiter, response)]


def _static_unwritten(group: ClassicGroup, caller: Caller, code: ErrorCode) -> list[Effect]:
    group.unstage()
    return [refused_join(caller.waiter, "", append_error(code))]
