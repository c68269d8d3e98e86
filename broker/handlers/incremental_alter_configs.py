"""IncrementalAlterConfigs 0-1: set, delete, append to and subtract from single configs (KIP-339).

- Topics, the broker ("" is all brokers at once), groups and client-metrics subscriptions: kept in the metadata log.
- The broker's loggers: their levels, until the broker stops (KIP-412).
- A resource's changes are made all or none; a resource named twice is refused, both times.
- An operation that does not exist fails the changes of all resources but loggers', as it does where Kafka's controller
  stumbles over it.
- validate_only checks everything and changes nothing.

Version notes: 1 is flexible.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsResponse,
)
from ..config.changes import Change, Operation
from ..metadata.image import ResourceType
from ..metadata.refusal import Refused
from ..runtime.config_alteration import alter_each, alter_incrementally, check_entries
from ..runtime.loggers import alter_levels

if TYPE_CHECKING:
    from ...protocol.messages.incremental_alter_configs import AlterConfigsResource, IncrementalAlterConfigsRequest
    from ..request import RequestContext
    from ..services import Services

_OPERATIONS: Final = frozenset(Operation)


def handle(
    request: IncrementalAlterConfigsRequest, context: RequestContext, services: Services
) -> IncrementalAlterConfigsResponse:
    """Change each resource."""
    alter = partial(
        _alter, services=services, validate_only=request.validate_only, stumbles=_has_unknown_operation(request)
    )
    return IncrementalAlterConfigsResponse(
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


def _has_unknown_operation(request: IncrementalAlterConfigsRequest) -> bool:
    """Whether Kafka's controller would stumble: brokers' and loggers' changes are checked before they come to it."""
    return any(
        config.config_operation not in _OPERATIONS
        for resource in request.resources
        if resource.resource_type not in (ResourceType.BROKER, ResourceType.BROKER_LOGGER)
        for config in resource.configs
    )


def _alter(resource: AlterConfigsResource, services: Services, *, validate_only: bool, stumbles: bool) -> None:
    changes = [Change(config.name, config.config_operation, config.value) for config in resource.configs]
    check_entries([(c.name, "" if c.operation == Operation.DELETE else c.value) for c in changes])
    name = resource.resource_name
    if resource.resource_type == ResourceType.BROKER_LOGGER:
        _check_node(name, services.config.node_id)
        alter_levels(changes, validate_only=validate_only)
        return
    if not stumbles or resource.resource_type == ResourceType.BROKER:
        alter_incrementally(resource.resource_type, name, changes, services, validate_only=validate_only or stumbles)
    if stumbles:
        raise Refused(ErrorCode.UNKNOWN_SERVER_ERROR, None)


def _check_node(name: str, node_id: int) -> None:
    if not name.lstrip("+-").isdecimal():
        raise Refused(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}")
    if int(name) != node_id:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Unexpected node id. Expected {node_id}, but received {name}")
