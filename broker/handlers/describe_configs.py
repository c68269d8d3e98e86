"""DescribeConfigs 1-4: the configuration of topics, the broker, its loggers, groups and client-metrics subscriptions.

- Every key that Kafka 4.3.1 knows is answered, with value, source, synonyms and type; no keys asked for means all.
- The broker named "" is what was set for all brokers at once. Passwords are never shown.
- A group or a subscription need not exist: it has the defaults.
- A resource of an unknown type fails the whole request, as in Kafka; any other error is its resource's alone.

Version notes: 1 added sources and synonyms (KIP-226); 3 types and documentation (KIP-569); 4 is flexible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_configs import (
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from ..config.describe import (
    DescribedConfig,
    describe_broker,
    describe_broker_defaults,
    describe_client_metrics,
    describe_group,
    describe_topic,
)
from ..config.keys import ConfigType
from ..config.layers import ConfigSource
from ..metadata.image import ResourceType
from ..metadata.refusal import INVALID_REQUEST_MESSAGE, Refused
from ..metadata.topic_names import problem_with
from ..runtime.loggers import logger_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from ...protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
    from ..request import RequestContext
    from ..services import Services


def handle(request: DescribeConfigsRequest, context: RequestContext, services: Services) -> DescribeConfigsResponse:
    """Describe each resource."""
    if any(resource.resource_type not in _DESCRIBE for resource in request.resources):
        refused = Refused(ErrorCode.INVALID_REQUEST, INVALID_REQUEST_MESSAGE)
        return DescribeConfigsResponse(results=[_error(resource, refused) for resource in request.resources])
    return DescribeConfigsResponse(results=[_result(resource, request, services) for resource in request.resources])


def _result(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, services: Services
) -> DescribeConfigsResult:
    wanted = frozenset(resource.configuration_keys) if resource.configuration_keys else None
    try:
        described = _DESCRIBE[resource.resource_type](resource.resource_name, wanted, services)
    except Refused as refused:
        return _error(resource, refused)
    return DescribeConfigsResult(
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=[_shape(config, request) for config in described],
    )


def _topic(name: str, wanted: Container[str] | None, services: Services) -> Iterable[DescribedConfig]:
    problem = problem_with(name)
    if problem is not None:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    image = services.metadata.image
    if name not in image.topics_by_name:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "")
    return describe_topic(services.config.layers, image.configs_of(ResourceType.TOPIC, name), wanted)


def _broker(name: str, wanted: Container[str] | None, services: Services) -> Iterable[DescribedConfig]:
    layers = services.config.layers
    if not name:
        return describe_broker_defaults(layers, wanted)
    node_id = services.config.node_id
    if _broker_id(name) != node_id:
        reason = f"Unexpected broker id, expected {node_id} or empty string, but received {name}"
        raise Refused(ErrorCode.INVALID_REQUEST, reason)
    return describe_broker(layers, wanted)


def _loggers(name: str, wanted: Container[str] | None, services: Services) -> Iterable[DescribedConfig]:
    if not name:
        raise Refused(ErrorCode.INVALID_REQUEST, "Broker id must not be empty")
    node_id = services.config.node_id
    if _broker_id(name) != node_id:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {node_id} but received {name}")
    source = ConfigSource.DYNAMIC_BROKER_LOGGER_CONFIG
    return [
        DescribedConfig(logger, level, ConfigType.UNKNOWN, source)
        for logger, level in logger_levels().items()
        if wanted is None or logger in wanted
    ]


def _client_metrics(name: str, wanted: Container[str] | None, services: Services) -> Iterable[DescribedConfig]:
    if not name:
        raise Refused(ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty")
    return describe_client_metrics(services.metadata.image.configs_of(ResourceType.CLIENT_METRICS, name), wanted)


def _group(name: str, wanted: Container[str] | None, services: Services) -> Iterable[DescribedConfig]:
    if not name:
        raise Refused(ErrorCode.INVALID_REQUEST, "Group name must not be empty")
    overrides = services.metadata.image.configs_of(ResourceType.GROUP, name)
    return describe_group(services.config.layers, overrides, wanted)


_DESCRIBE: dict[int, Callable[[str, Container[str] | None, Services], Iterable[DescribedConfig]]] = {
    ResourceType.TOPIC: _topic,
    ResourceType.BROKER: _broker,
    ResourceType.BROKER_LOGGER: _loggers,
    ResourceType.CLIENT_METRICS: _client_metrics,
    ResourceType.GROUP: _group,
}


def _broker_id(name: str) -> int:
    if not name.lstrip("+-").isdecimal():
        raise Refused(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}")
    return int(name)


def _error(resource: DescribeConfigsResource, refused: Refused) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=refused.code,
        error_message=refused.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )


def _shape(config: DescribedConfig, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    synonyms = config.synonyms if request.include_synonyms else ()
    return DescribeConfigsResourceResult(
        name=config.name,
        value=config.value,
        read_only=config.read_only,
        config_source=config.source,
        is_sensitive=config.is_sensitive,
        synonyms=[DescribeConfigsSynonym(name=s.name, value=s.value, source=s.source) for s in synonyms],
        config_type=config.type,
        documentation=config.documentation if request.include_documentation else None,
    )
