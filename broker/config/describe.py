"""What DescribeConfigs tells of a resource: each key's value, where it comes from, and what else could have given it.

Kafka: ConfigHelper. One of its habits is kept on purpose: where only a synonym in another unit is set
(`log.retention.hours` for `log.retention.ms`), the source is DEFAULT_CONFIG and no synonym is listed, although the
value follows it.
"""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, NamedTuple

from .broker_config import topic_default
from .catalogue import (
    BROKER_KEYS,
    CLIENT_METRICS_CONFIG_KEYS,
    GROUP_CONFIG_KEYS,
    TOPIC_KEYS,
    TOPIC_SYNONYMS,
    broker_documentation,
    broker_key,
    group_synonym,
)
from .documentation import CLIENT_METRICS_DOCUMENTATION, GROUP_DOCUMENTATION, TOPIC_DOCUMENTATION
from .keys import ConfigKey, ConfigType
from .layers import ConfigLayers, ConfigSource
from .resource_validation import group_default
from .values import canonical, parse_default, to_text

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping


class Synonym(NamedTuple):
    """A key that gives, or would give, the value, and the layer it is set in."""

    source: ConfigSource
    name: str
    value: str | None


class DescribedConfig(NamedTuple):
    """One key of one resource. A sensitive value is None, and so are its synonyms' values."""

    name: str
    value: str | None
    type: ConfigType
    source: ConfigSource
    synonyms: tuple[Synonym, ...] = ()
    read_only: bool = False
    is_sensitive: bool = False
    documentation: str | None = None


def describe_topic(
    layers: ConfigLayers, overrides: Mapping[str, str], wanted: Container[str] | None = None
) -> Iterator[DescribedConfig]:
    """Every key of a topic with these overrides."""
    for key in _keys(TOPIC_KEYS, overrides, wanted):
        if key.name in overrides:
            value = canonical(key, overrides[key.name])
        else:
            value = to_text(topic_default(layers, key.name))
        broker_name = TOPIC_SYNONYMS.get(key.name)
        defaults = _broker_synonyms(layers, broker_name) if broker_name is not None else ()
        yield _overridable(
            key, value, overrides, ConfigSource.TOPIC_CONFIG, defaults, TOPIC_DOCUMENTATION.get(key.name)
        )


def describe_group(
    layers: ConfigLayers, overrides: Mapping[str, str], wanted: Container[str] | None = None
) -> Iterator[DescribedConfig]:
    """Every key of a group with these overrides."""
    for key in _keys(GROUP_CONFIG_KEYS, overrides, wanted):
        if key.name in overrides:
            value = canonical(key, overrides[key.name])
        else:
            value = to_text(group_default(layers, key.name))
        broker_name = group_synonym(key.name)
        if broker_name is not None:
            defaults = _broker_synonyms(layers, broker_name)
        else:
            defaults = (Synonym(ConfigSource.DEFAULT_CONFIG, key.name, key.default),)
        yield _overridable(
            key, value, overrides, ConfigSource.GROUP_CONFIG, defaults, GROUP_DOCUMENTATION.get(key.name)
        )


def describe_client_metrics(
    overrides: Mapping[str, str], wanted: Container[str] | None = None
) -> Iterator[DescribedConfig]:
    """Every key of a client-metrics subscription, whether it is there or not."""
    for key in _keys(CLIENT_METRICS_CONFIG_KEYS, overrides, wanted):
        value = canonical(key, overrides.get(key.name, key.default or ""))
        documentation = CLIENT_METRICS_DOCUMENTATION.get(key.name)
        yield _overridable(key, value, overrides, ConfigSource.CLIENT_METRICS_CONFIG, (), documentation)


def describe_broker(layers: ConfigLayers, wanted: Container[str] | None = None) -> Iterator[DescribedConfig]:
    """Every key of this broker: all that Kafka knows, and whatever else is set."""
    documentation = broker_documentation()
    extra = [*layers.static, *layers.dynamic_default, *layers.dynamic_broker]
    for name in dict.fromkeys([*(key.name for key in BROKER_KEYS.values() if not key.internal), *extra]):
        if wanted is None or name in wanted:
            yield _broker_config(layers, name, _broker_synonyms(layers, name), documentation.get(name))


def describe_broker_defaults(layers: ConfigLayers, wanted: Container[str] | None = None) -> Iterator[DescribedConfig]:
    """What was set for all brokers at once, and nothing else."""
    documentation = broker_documentation()
    only_defaults = ConfigLayers(dynamic_default=layers.dynamic_default)
    for name in layers.dynamic_default:
        if wanted is None or name in wanted:
            synonyms = _broker_synonyms(only_defaults, name)
            dynamic = tuple(s for s in synonyms if s.source is ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG)
            yield _broker_config(only_defaults, name, dynamic, documentation.get(name))


def _keys(
    table: Mapping[str, ConfigKey], overrides: Mapping[str, str], wanted: Container[str] | None
) -> Iterator[ConfigKey]:
    for name, key in table.items():
        if (wanted is None or name in wanted) and (not key.internal or name in overrides):
            yield key


def _overridable(
    key: ConfigKey,
    value: str | None,
    overrides: Mapping[str, str],
    override_source: ConfigSource,
    defaults: tuple[Synonym, ...],
    documentation: str | None,
) -> DescribedConfig:
    own = (Synonym(override_source, key.name, value),) if key.name in overrides else ()
    synonyms = own + defaults
    source = synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG
    return DescribedConfig(key.name, value, key.type, source, synonyms, documentation=documentation)


def _broker_config(
    layers: ConfigLayers, name: str, synonyms: tuple[Synonym, ...], documentation: str | None
) -> DescribedConfig:
    source = synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG
    key = broker_key(name)
    if key is None or key.is_sensitive:
        # A key of nobody's table may hold anything, a password too.
        kind = ConfigType.UNKNOWN if key is None else key.type
        hidden = tuple(synonym._replace(value=None) for synonym in synonyms)
        read_only = key is None or not key.is_dynamic
        return DescribedConfig(name, None, kind, source, hidden, read_only, True, documentation)
    text = layers.text(name)
    value = to_text(parse_default(key, None)) if text is None else canonical(key, text)
    return DescribedConfig(name, value, key.type, source, synonyms, not key.is_dynamic, False, documentation)


def _broker_synonyms(layers: ConfigLayers, name: str) -> tuple[Synonym, ...]:
    found = (Synonym(*occurrence) for occurrence in layers.occurrences(name))
    return tuple(dropwhile(lambda synonym: synonym.name != name, found))
