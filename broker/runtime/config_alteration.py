"""Changing the configs of a resource, as IncrementalAlterConfigs and AlterConfigs both do it once the request was read.

The order of the checks and the codes are Kafka's: ConfigAdminManager, then ConfigurationControlManager.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from ...protocol.errors import ErrorCode
from ..config.catalogue import BROKER_KEYS, TOPIC_KEYS, broker_key
from ..config.changes import Change, Operation, changed_texts
from ..config.dynamic_steps import problem_with_step
from ..config.keys import ConfigType, UpdateMode
from ..config.resource_validation import check_client_metrics, check_group, check_topic
from ..config.validators import ConfigRequestError, ConfigValueError
from ..config.values import parse
from ..metadata.features import ELIGIBLE_LEADER_REPLICAS
from ..metadata.image import ResourceType
from ..metadata.refusal import Refused
from ..metadata.registration import MIN_INSYNC_REPLICAS
from ..metadata.topic_names import problem_with as problem_with_topic
from .dynamic_config import problem_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..config.keys import ConfigKey
    from ..services import Services


class Resource(Protocol):
    """What a request says whose configs it changes."""

    resource_type: int
    resource_name: str


R = TypeVar("R", bound=Resource)


def alter_each(resources: Sequence[R], alter: Callable[[R], None]) -> Iterator[tuple[R, ErrorCode, str | None]]:
    """Alter each resource that is named once; yields it with what became of it, and the message of a refusal."""
    counts = Counter((resource.resource_type, resource.resource_name) for resource in resources)
    for resource in resources:
        try:
            if counts[resource.resource_type, resource.resource_name] > 1:
                raise Refused(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            alter(resource)
            yield resource, ErrorCode.NONE, None
        except Refused as refused:
            yield resource, refused.code, refused.message


def check_entries(entries: Sequence[tuple[str, str | None]]) -> None:
    """Refused when a key comes twice, or one without a value; DELETE's are given an empty one."""
    if len({name for name, _ in entries}) < len(entries):
        raise Refused(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    missing = [name for name, value in entries if value is None]
    if missing:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {', '.join(missing)}")


def alter_incrementally(
    resource_type: int, name: str, changes: Sequence[Change], services: Services, *, validate_only: bool
) -> None:
    """Apply operations to what is set. Raises Refused."""
    current = services.metadata.image.configs_of(resource_type, name)
    if resource_type == ResourceType.BROKER:
        _check_broker_name(name, services)
        _check_broker_lists(changes)
    try:
        texts = changed_texts(current, changes, _KEY_OF.get(resource_type, _no_key))
    except ConfigRequestError as error:
        raise Refused(ErrorCode.INVALID_REQUEST, str(error)) from error
    except ConfigValueError as error:
        raise Refused(ErrorCode.INVALID_CONFIG, str(error)) from error
    _alter(resource_type, name, texts, services, validate_only=validate_only)


def replace_all(
    resource_type: int, name: str, texts: Mapping[str, str], services: Services, *, validate_only: bool
) -> None:
    """Set these and delete all others. Raises Refused."""
    if resource_type == ResourceType.BROKER:
        _check_broker_name(name, services)
    current = services.metadata.image.configs_of(resource_type, name)
    deleted: dict[str, str | None] = dict.fromkeys(key for key in current if key not in texts)
    _alter(resource_type, name, deleted | dict(texts), services, validate_only=validate_only)


def _alter(
    resource_type: int, name: str, texts: Mapping[str, str | None], services: Services, *, validate_only: bool
) -> None:
    check = _CHECKS.get(resource_type)
    if check is None:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource_type}")
    merged: dict[str, str | None] = {**services.metadata.image.configs_of(resource_type, name), **texts}
    result = {key: text for key, text in merged.items() if text is not None}
    try:
        check(name, result, texts, services)
    except ConfigRequestError as error:
        raise Refused(ErrorCode.INVALID_REQUEST, str(error)) from error
    except ConfigValueError as error:
        raise Refused(ErrorCode.INVALID_CONFIG, str(error)) from error
    if not validate_only:
        services.metadata.set_configs(resource_type, name, texts)


# One check a resource type: its name, what would be set, what is asked for.


def _check_topic(name: str, result: Mapping[str, str], texts: Mapping[str, str | None], services: Services) -> None:
    if not name:
        raise Refused(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
    problem = problem_with_topic(name)
    if problem is not None:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    check_topic(result, services.config.layers)
    if name not in services.metadata.image.topics_by_name:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")


def _check_group(name: str, result: Mapping[str, str], texts: Mapping[str, str | None], services: Services) -> None:
    if not name:
        raise Refused(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
    check_group(result, services.config.layers)


def _check_metrics(name: str, result: Mapping[str, str], texts: Mapping[str, str | None], services: Services) -> None:
    if not name:
        raise Refused(ErrorCode.INVALID_REQUEST, "Subscription name can't be empty")
    check_client_metrics(result)


def _check_broker(name: str, result: Mapping[str, str], texts: Mapping[str, str | None], services: Services) -> None:
    asked = {key: text for key, text in texts.items() if text is not None}
    try:
        _check_broker_keys(asked)
    except ConfigValueError as error:
        raise ConfigRequestError(str(error)) from error
    if not name:
        _refuse_some(
            asked,
            lambda key: key.mode is UpdateMode.PER_BROKER,
            "Cannot update these configs at default cluster level, broker id must be specified",
        )
    for key, text in asked.items():
        problem = problem_with(key, text)
        if problem is not None:
            raise ConfigRequestError(problem)
    _check_together(name, result, services)
    _check_min_insync_replicas(name, texts, services)


def _check_min_insync_replicas(name: str, texts: Mapping[str, str | None], services: Services) -> None:
    """With eligible leader replicas it is set for the whole cluster, and always set (KIP-966)."""
    if MIN_INSYNC_REPLICAS not in texts or not services.metadata.image.features.get(ELIGIBLE_LEADER_REPLICAS):
        return
    if name:
        raise ConfigValueError(f"Broker-level {MIN_INSYNC_REPLICAS} cannot be altered while ELR is enabled.")
    if texts[MIN_INSYNC_REPLICAS] is None:
        raise ConfigValueError(f"Cluster-level {MIN_INSYNC_REPLICAS} cannot be removed while ELR is enabled.")


def _check_broker_keys(asked: Mapping[str, str]) -> None:
    """ConfigValueError where a value is none of its key's; ConfigRequestError where the key is not to be changed."""
    for name in asked:
        if name.startswith("listener.name."):
            raise ConfigRequestError(f"{name}: settings of one listener are not there yet")
    _refuse_some(asked, lambda key: not key.is_dynamic, "Cannot update these configs dynamically")
    _refuse_some(
        asked,
        lambda key: key.name in _PER_LISTENER_KEYS,
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )
    for name, text in asked.items():
        key = broker_key(name)
        if key is not None:
            parse(key, text)


def _refuse_some(asked: Mapping[str, str], is_refused: Callable[[ConfigKey], bool], reason: str) -> None:
    refused = [name for name in asked if (key := broker_key(name)) is not None and is_refused(key)]
    if refused:
        raise ConfigRequestError(f"{reason}: [{', '.join(refused)}]")


def _check_together(name: str, result: Mapping[str, str], services: Services) -> None:
    """Whether the broker's configuration holds together with `result` in it."""
    layers = services.config.layers
    usable = {key: text for key, text in result.items() if problem_with(key, text) is None}
    try:
        if name:
            changed = services.config.with_dynamic(layers.dynamic_default, usable)
        else:
            changed = services.config.with_dynamic(usable, layers.dynamic_broker)
    except ConfigValueError as error:
        raise ConfigRequestError(f"requirement failed: {error}") from error
    problem = problem_with_step(layers, changed.layers)
    if problem is not None:
        raise ConfigRequestError(
            f"Invalid value org.apache.kafka.common.config.ConfigException: {problem} "
            "for configuration Invalid dynamic configuration"
        )


def _check_broker_name(name: str, services: Services) -> None:
    if not name:
        return
    node_id = services.config.node_id
    if not name.lstrip("+-").isdecimal():
        raise Refused(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}")
    if int(name) != node_id:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {node_id}, but received {name}")


def _check_broker_lists(changes: Sequence[Change]) -> None:
    for change in changes:
        if change.operation not in (Operation.APPEND, Operation.SUBTRACT):
            continue
        key = BROKER_KEYS.get(change.name)
        if key is None:
            raise Refused(ErrorCode.INVALID_CONFIG, f"Unknown config name: {change.name}")
        if key.type is not ConfigType.LIST:
            operation = Operation(change.operation).name.lower()
            raise Refused(
                ErrorCode.INVALID_CONFIG, f"Config value {operation} is not allowed for config key: {change.name}"
            )


def _no_key(name: str) -> None:
    """Neither groups nor client metrics have a list that Kafka appends to."""


_KEY_OF: dict[int, Callable[[str], ConfigKey | None]] = {
    ResourceType.TOPIC: TOPIC_KEYS.get,
    ResourceType.BROKER: BROKER_KEYS.get,
}
_CHECKS: dict[int, Callable[[str, Mapping[str, str], Mapping[str, str | None], Services], None]] = {
    ResourceType.TOPIC: _check_topic,
    ResourceType.GROUP: _check_group,
    ResourceType.CLIENT_METRICS: _check_metrics,
    ResourceType.BROKER: _check_broker,
}
_PER_LISTENER_KEYS = frozenset(
    {
        "ssl.key.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.certificates",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
    }
)
