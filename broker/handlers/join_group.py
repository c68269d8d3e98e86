"""JoinGroup 0-9: become a member of a classic group, or stay one through a rebalance.

The answer waits until the members of the next generation are known; the leader then learns of all of them.

Version notes: 1 has a rebalance timeout of its own, 4 asks a new member to come again with the id it is given
(KIP-394), 5 knows static members (KIP-345), 6 is flexible, 7 names the protocol type in the answer, 8 carries a
reason (KIP-800), 9 may tell the leader to skip the assignment (KIP-814).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.join_group import JoinGroupResponse

if TYPE_CHECKING:
    from ...protocol.messages.join_group import JoinGroupRequest
    from ..request import Deferred, RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_REBALANCE_TIMEOUT = 1
_FIRST_VERSION_WITH_NULL_PROTOCOL = 7


def handle(
    request: JoinGroupRequest, context: RequestContext, services: Services
) -> JoinGroupResponse | Deferred[JoinGroupResponse]:
    """Check what does not depend on the group, then let the group decide."""
    if context.api_version < _FIRST_VERSION_WITH_REBALANCE_TIMEOUT:
        request.rebalance_timeout_ms = request.session_timeout_ms
    code = _check(request, services)
    if code is not ErrorCode.NONE:
        return _refused(request, context, code)
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return _refused(request, context, ErrorCode.NOT_COORDINATOR)
    return services.groups.join(hosted, request, context)


def _check(request: JoinGroupRequest, services: Services) -> ErrorCode:
    if not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    config = services.config
    if not config.group_min_session_timeout_ms <= request.session_timeout_ms <= config.group_max_session_timeout_ms:
        return ErrorCode.INVALID_SESSION_TIMEOUT
    return ErrorCode.NONE


def _refused(request: JoinGroupRequest, context: RequestContext, code: ErrorCode) -> JoinGroupResponse:
    no_protocol = None if context.api_version >= _FIRST_VERSION_WITH_NULL_PROTOCOL else ""
    return JoinGroupResponse(error_code=code, protocol_name=no_protocol, member_id=request.member_id)
