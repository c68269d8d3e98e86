"""LeaveGroup in a classic group: by member id, by both ids, or by an admin with the instance id alone (KIP-345)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.leave_group import MemberResponse
from .classic_group_state import ClassicGroupState

if TYPE_CHECKING:
    from ...protocol.messages.leave_group import MemberIdentity
    from .classic_group import ClassicGroup
    from .group_effects import Effect, Moment


def leave(
    group: ClassicGroup, identities: list[MemberIdentity], now: Moment
) -> tuple[list[MemberResponse], list[Effect]]:
    """Let members go, then rebalance once for all of them; return an answer each, and the effects on the others."""
    effects: list[Effect] = []
    responses = []
    for identity in identities:
        code, member_effects = _leave_one(group, identity)
        effects += member_effects
        responses.append(leave_response(identity, code))
    if any(response.error_code == ErrorCode.NONE for response in responses):
        effects += _settle(group, now)
    return responses, effects


def leave_response(identity: MemberIdentity, code: ErrorCode) -> MemberResponse:
    """The answer for one who asked to leave."""
    return MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id, error_code=code)


def _leave_one(group: ClassicGroup, identity: MemberIdentity) -> tuple[ErrorCode, list[Effect]]:
    if group.state is ClassicGroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE, []
    member_id = identity.member_id
    if not member_id:
        member_id = group.members.static_member_id(identity.group_instance_id or "") or ""
        if identity.group_instance_id is None or not member_id:
            return ErrorCode.UNKNOWN_MEMBER_ID, []
    elif member_id in group.members.pending:
        group.members.remove(member_id)
        return ErrorCode.NONE, []
    else:
        code = group.members.check(member_id, identity.group_instance_id)
        if code is not ErrorCode.NONE:
            return code, []
    return ErrorCode.NONE, group.remove_member(group.members[member_id])


def _settle(group: ClassicGroup, now: Moment) -> list[Effect]:
    if group.state in (ClassicGroupState.STABLE, ClassicGroupState.COMPLETING_REBALANCE):
        return group.prepare_rebalance(now)
    return group.complete_join_if_ready(now)
