"""ConsumerGroupHeartbeat 0-1: join, stay in and leave a consumer group, and learn what to read (KIP-848).

Version notes: 1 lets the client make its member id (KIP-1082) and knows regular expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from ..coordinators import consumer_request
from ..coordinators.group_refusal import GroupRefusal

if TYPE_CHECKING:
    from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
    from ..request import Deferred, RequestContext
    from ..services import Services


def handle(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext, services: Services
) -> ConsumerGroupHeartbeatResponse | Deferred[ConsumerGroupHeartbeatResponse]:
    """Check what does not depend on the group, then let the group decide."""
    if not services.groups.serves_consumer_groups:
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    try:
        consumer_request.check(request, context.api_version, services.config.group_consumer_assignors)
    except GroupRefusal as refusal:
        return ConsumerGroupHeartbeatResponse(error_code=refusal.code, error_message=refusal.message)
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.NOT_COORDINATOR)
    return services.groups.consumer_heartbeat(hosted, request, context)
