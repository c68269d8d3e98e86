"""SyncGroup 0-5: the leader hands out the assignments of a generation, everybody receives theirs.

A follower's answer waits for the leader's request, which is written to the log first.

Version notes: 3 knows static members (KIP-345), 4 is flexible, 5 carries protocol type and name both ways (KIP-559).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.sync_group import SyncGroupResponse

if TYPE_CHECKING:
    from ...protocol.messages.sync_group import SyncGroupRequest
    from ..request import Deferred, RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_PROTOCOL = 5


def handle(
    request: SyncGroupRequest, context: RequestContext, services: Services
) -> SyncGroupResponse | Deferred[SyncGroupResponse]:
    """Check what does not depend on the group, then let the group decide."""
    if context.api_version >= _FIRST_VERSION_WITH_PROTOCOL and None in (request.protocol_type, request.protocol_name):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if not request.group_id:
        return SyncGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID)
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return SyncGroupResponse(error_code=ErrorCode.NOT_COORDINATOR)
    return services.groups.sync(hosted, request, context)
