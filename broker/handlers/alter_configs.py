"""AlterConfigs 0-2: replace the whole configuration of a resource; what is not named is deleted.

- Topics, the broker ("" is all brokers at once), groups and client-metrics subscriptions; not loggers.
- A resource named twice is refused, both times; validate_only checks everything and changes nothing.

Version notes: 1 is as 0; 2 is flexible. IncrementalAlterConfigs took its place (KIP-339).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.alter_configs import AlterConfigsResourceResponse, AlterConfigsResponse
from ..metadata.refusal import Refused
from ..runtime.config_alteration import check_entries, repeated_resources, replace_all

if TYPE_CHECKING:
    from ...protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResource
    from ..request import RequestContext
    from ..services import Services


def handle(request: AlterConfigsRequest, context: RequestContext, services: Services) -> AlterConfigsResponse:
    """Replace the configuration of each resource."""
    repeated = repeated_resources((r.resource_type, r.resource_name) for r in request.resources)
    responses = []
    for resource in request.resources:
        code, message = ErrorCode.NONE, None
        try:
            if (resource.resource_type, resource.resource_name) in repeated:
                raise Refused(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            _replace(resource, services, validate_only=request.validate_only)
        except Refused as refused:
            code, message = refused.code, refused.message
        responses.append(
            AlterConfigsResourceResponse(
                error_code=code,
                error_message=message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
        )
    return AlterConfigsResponse(responses=responses)


def _replace(resource: AlterConfigsResource, services: Services, *, validate_only: bool) -> None:
    check_entries([(config.name, config.value) for config in resource.configs])
    texts = {config.name: config.value for config in resource.configs if config.value is not None}
    replace_all(resource.resource_type, resource.resource_name, texts, services, validate_only=validate_only)
