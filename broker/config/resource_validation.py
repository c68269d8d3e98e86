"""Whether a topic, a group or a client-metrics subscription may have the configs that somebody wants for it.

Kafka: LogConfig.validate, GroupConfig.validate, ClientMetricsConfigs.validate; the sentences are theirs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .broker_config import topic_default
from .catalogue import BROKER_KEYS, CLIENT_METRICS_CONFIG_KEYS, GROUP_CONFIG_KEYS, TOPIC_KEYS, group_synonym
from .validators import ConfigRequestError, ConfigValueError, Value
from .values import parse, parse_default

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .layers import ConfigLayers

_GROUP_KINDS = ("consumer", "share", "streams")
_MATCH_SELECTORS = frozenset(
    {
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    }
)


def check_topic(overrides: Mapping[str, str], layers: ConfigLayers) -> None:
    """ConfigValueError (INVALID_CONFIG) for the first override that no topic may have, alone or beside the others."""
    for name in overrides:
        if name not in TOPIC_KEYS:
            raise ConfigValueError(f"Unknown topic config name: {name}")
    values = {name: parse(TOPIC_KEYS[name], text) for name, text in overrides.items()}

    def value(name: str) -> Any:
        return values[name] if name in values else topic_default(layers, name)

    low, high = value("min.compaction.lag.ms"), value("max.compaction.lag.ms")
    if low > high:
        raise ConfigValueError(
            f"conflict topic config setting min.compaction.lag.ms ({low}) > max.compaction.lag.ms ({high})"
        )
    if value("remote.storage.enable"):
        raise ConfigValueError(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )


def check_group(overrides: Mapping[str, str], layers: ConfigLayers) -> None:
    """ConfigValueError (INVALID_CONFIG) for the first override outside of what the broker's own keys allow groups."""
    for name in overrides:
        if name not in GROUP_CONFIG_KEYS:
            raise ConfigValueError(f"Unknown group config name: {name}")
    for name, text in overrides.items():
        _check_group_limits(name, parse(GROUP_CONFIG_KEYS[name], text), layers)
    for kind in _GROUP_KINDS:
        _check_group_session(kind, overrides, layers)


def check_client_metrics(overrides: Mapping[str, str]) -> None:
    """ConfigValueError or ConfigRequestError for the first key or value that no subscription may have (KIP-714)."""
    for name in overrides:
        if name not in CLIENT_METRICS_CONFIG_KEYS:
            raise ConfigRequestError(f"Unknown client metrics configuration: {name}")
    values = {name: parse(CLIENT_METRICS_CONFIG_KEYS[name], text) for name, text in overrides.items()}
    interval_ms = values.get("interval.ms", 100)
    if not isinstance(interval_ms, int) or not 100 <= interval_ms <= 3_600_000:
        limits = "interval must be between 100 and 3600000 (1 hour)"
        raise ConfigRequestError(f"Invalid value {interval_ms} for interval.ms, {limits}")
    patterns = values.get("match", ())
    for pattern in patterns if isinstance(patterns, tuple) else ():
        _check_match(pattern)


def group_default(layers: ConfigLayers, name: str) -> Value:
    """The typed value of a group key that the group does not override."""
    broker_name = group_synonym(name)
    if broker_name is not None:
        return layers.value(broker_name)
    key = GROUP_CONFIG_KEYS[name]
    return parse_default(key, key.default)


def _check_group_session(kind: str, overrides: Mapping[str, str], layers: ConfigLayers) -> None:
    """A session that is no longer than the time between two heartbeats ends however well a member does."""
    session_name, heartbeat_name = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
    session_ms, heartbeat_ms = (
        parse(GROUP_CONFIG_KEYS[name], overrides[name]) if name in overrides else group_default(layers, name)
        for name in (session_name, heartbeat_name)
    )
    if isinstance(session_ms, int) and isinstance(heartbeat_ms, int) and session_ms <= heartbeat_ms:
        raise ConfigValueError(f"{session_name} must be greater than {heartbeat_name}")


def _check_group_limits(name: str, value: Any, layers: ConfigLayers) -> None:
    # group.share.min.session.timeout.ms limits share.session.timeout.ms, and so on.
    kind, _, rest = name.partition(".")
    low_name, high_name = f"group.{kind}.min.{rest}", f"group.{kind}.max.{rest}"
    if name == "streams.num.standby.replicas":
        high_name = "group.streams.max.standby.replicas"
    low: Any = layers.value(low_name) if low_name in BROKER_KEYS else None
    high: Any = layers.value(high_name) if high_name in BROKER_KEYS else None
    if low is not None and value < low:
        raise ConfigValueError(f"{name} must be greater than or equal to {low_name}")
    if high is not None and value > high:
        raise ConfigValueError(f"{name} must be less than or equal to {high_name}")


def _check_match(pattern: str) -> None:
    selector, equals, expression = pattern.partition("=")
    try:
        re.compile(expression.strip())
    except re.error:
        equals = ""
    if not equals or selector.strip() not in _MATCH_SELECTORS:
        raise ConfigValueError(f"Illegal client matching pattern: {pattern}")
