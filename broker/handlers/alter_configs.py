"""AlterConfigs 0-2: replace the whole configuration of a resource; what is not named is deleted.

- Topics, the broker ("" is all brokers at once), groups and client-metrics subscriptions; not loggers.
- A resource named twice is refused, both times; validate_only checks everything and changes nothing.

Version notes: 1 is as 0; 2 is flexible. IncrementalAlterConfigs took its place (KIP-339).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...protocol.messages.alter_configs import AlterConfigsResourceResponse, AlterConfigsResponse
from ..runtime.config_alteration import alter_each, check_entries, replace_all

if TYPE_CHECKING:
    from ...protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResource
    from ..request import RequestContext
    from ..services import Services


def handle(request: AlterConfigsRequest, context: RequestContext, services: Services) -> AlterConfigsResponse:
    """Replace the configuration of each resource."""
    alter = partial(_replace, services=services, validate_only=request.validate_only)
    return AlterConfigsResponse(
        responses=[
            AlterConfigsResourceResponse(
                error_code=code,
                error_message=message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource, code, message in alter_each(request.resources, alter)
        ]
    )


def _replace(resource: AlterConfigsResource, services: Services, *, validate_only: bool) -> None:
    check_entries([(config.name, config.value) for config in resource.configs])
    texts = {config.name: config.value for config in resource.configs if config.value is not None}
    replace_all(resource.resource_type, resource.resource_name, texts, services, validate_only=validate_only)
