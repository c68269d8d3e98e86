"""FindCoordinator 0-6: the broker that looks after a group, a transactional id or a share partition.

Here it is always this broker, once `__consumer_offsets` or `__transaction_state` is there: the first group or
transactional id creates it. Share groups are not served yet; they are answered INVALID_REQUEST with a reason, which
clients take for final, where COORDINATOR_NOT_AVAILABLE would make them ask for ever.

Version notes: 1 names the kind of key, 3 is flexible, 4 asks for several keys at once (KIP-699), 6 knows share
partitions (KIP-932).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from ..metadata.endpoints import endpoint_for
from ..metadata.refusal import INVALID_REQUEST_MESSAGE, Refused
from ..metadata.topic_names import GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC

if TYPE_CHECKING:
    from ...protocol.messages.find_coordinator import FindCoordinatorRequest
    from ..request import RequestContext
    from ..services import Services

_TOPIC_OF_KEY_TYPE: Final = {0: GROUP_METADATA_TOPIC, 1: TRANSACTION_STATE_TOPIC}
_SHARE = 2
_FIRST_VERSION_WITH_KEYS = 4
_FIRST_VERSION_WITH_SHARE_GROUPS = 6
_NO_NODE = -1


def handle(request: FindCoordinatorRequest, context: RequestContext, services: Services) -> FindCoordinatorResponse:
    """Answer every key."""
    keys = request.coordinator_keys if context.api_version >= _FIRST_VERSION_WITH_KEYS else [request.key]
    code, message = _problem(request.key_type, context.api_version, services)
    coordinators = [_coordinator(key, code, message, context, services) for key in keys]
    if context.api_version >= _FIRST_VERSION_WITH_KEYS:
        return FindCoordinatorResponse(coordinators=coordinators)
    [only] = coordinators
    return FindCoordinatorResponse(
        error_code=only.error_code,
        error_message=only.error_message or ErrorCode(only.error_code).name,
        node_id=only.node_id,
        host=only.host,
        port=only.port,
    )


def _problem(key_type: int, api_version: int, services: Services) -> tuple[ErrorCode, str | None]:
    topic = _TOPIC_OF_KEY_TYPE.get(key_type)
    if key_type == _SHARE and api_version >= _FIRST_VERSION_WITH_SHARE_GROUPS:
        return ErrorCode.INVALID_REQUEST, "share groups are not served yet"
    if topic is None:
        # Kafka says nothing to whoever asks for several keys of a kind that only a later version knows.
        is_early = key_type == _SHARE and api_version >= _FIRST_VERSION_WITH_KEYS
        return ErrorCode.INVALID_REQUEST, "" if is_early else INVALID_REQUEST_MESSAGE
    try:
        services.metadata.ensure_internal_topic(topic)
    except Refused as error:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE, str(error)
    return ErrorCode.NONE, None


def _coordinator(
    key: str, code: ErrorCode, message: str | None, context: RequestContext, services: Services
) -> Coordinator:
    if code is not ErrorCode.NONE:
        return Coordinator(key=key, error_code=code, error_message=message, node_id=_NO_NODE, host="", port=-1)
    address = endpoint_for(context, services.config)
    return Coordinator(key=key, node_id=services.config.node_id, host=address.host, port=address.port, error_message="")
