"""LeaveGroup 0-5: leave a classic group in good order, so that nobody waits for the session to end.

Version notes: 3 lets several members go at once and names static ones by their instance (KIP-345), 4 is flexible,
5 carries a reason (KIP-800).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.leave_group import LeaveGroupResponse, MemberIdentity

if TYPE_CHECKING:
    from ...protocol.messages.leave_group import LeaveGroupRequest
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_MEMBERS = 3


def handle(request: LeaveGroupRequest, context: RequestContext, services: Services) -> LeaveGroupResponse:
    """Let the members go."""
    if not request.group_id:
        return LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID)
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return LeaveGroupResponse(error_code=ErrorCode.NOT_COORDINATOR)
    if context.api_version >= _FIRST_VERSION_WITH_MEMBERS:
        return LeaveGroupResponse(members=services.groups.leave(hosted, request.group_id, request.members))
    identity = MemberIdentity(member_id=request.member_id)
    [response] = services.groups.leave(hosted, request.group_id, [identity])
    return LeaveGroupResponse(error_code=response.error_code)
