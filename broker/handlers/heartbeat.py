"""Heartbeat 0-4: stay a member of a classic group, and learn of a rebalance.

Version notes: 3 knows static members (KIP-345), 4 is flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.heartbeat import HeartbeatResponse

if TYPE_CHECKING:
    from ...protocol.messages.heartbeat import HeartbeatRequest
    from ..request import RequestContext
    from ..services import Services


def handle(request: HeartbeatRequest, context: RequestContext, services: Services) -> HeartbeatResponse:
    """Extend the member's session."""
    if not request.group_id:
        return HeartbeatResponse(error_code=ErrorCode.INVALID_GROUP_ID)
    groups = services.groups
    hosted = groups.hosting(request.group_id)
    if hosted is None:
        return HeartbeatResponse(error_code=ErrorCode.NOT_COORDINATOR)
    return HeartbeatResponse(error_code=groups.heartbeat(hosted, request))
