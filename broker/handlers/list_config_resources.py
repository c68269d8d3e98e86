"""ListConfigResources 0-1: which resources have a configuration to describe (KIP-714, KIP-1142).

- Every topic and this broker are there; groups and client-metrics subscriptions are where something is set on them.
- No types asked for means all of them; an unknown one fails the request with UNSUPPORTED_VERSION.

Version notes: 0 knows only client-metrics subscriptions; 1 asks for types and answers with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.list_config_resources import ConfigResource, ListConfigResourcesResponse
from ..metadata.image import ResourceType

if TYPE_CHECKING:
    from ...protocol.messages.list_config_resources import ListConfigResourcesRequest
    from ..request import RequestContext
    from ..services import Services

_LISTED = (
    ResourceType.TOPIC,
    ResourceType.BROKER,
    ResourceType.BROKER_LOGGER,
    ResourceType.CLIENT_METRICS,
    ResourceType.GROUP,
)


def handle(
    request: ListConfigResourcesRequest, context: RequestContext, services: Services
) -> ListConfigResourcesResponse:
    """List the resources of the types that are asked for."""
    if context.api_version == 0:
        types: tuple[int, ...] = (ResourceType.CLIENT_METRICS,)
    else:
        types = tuple(dict.fromkeys(request.resource_types)) or _LISTED
    if not set(types) <= set(_LISTED):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_name=name, resource_type=resource_type)
            for resource_type in types
            for name in _names(resource_type, services)
        ]
    )


def _names(resource_type: int, services: Services) -> list[str]:
    image = services.metadata.image
    if resource_type == ResourceType.TOPIC:
        return sorted(image.topics_by_name)
    if resource_type in (ResourceType.BROKER, ResourceType.BROKER_LOGGER):
        return [str(broker_id) for broker_id in sorted(image.brokers)]
    return sorted(name for kind, name in image.configs if kind == resource_type)
