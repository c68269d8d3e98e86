"""Where a broker value comes from: the strongest layer that has it wins.

Per-broker dynamic, cluster-wide dynamic, static (the file and the command line), default (KIP-226).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from .catalogue import BROKER_KEYS, synonym_chain
from .ottla_defaults import OTTLA_DEFAULTS
from .values import parse_default

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .validators import Value


class ConfigSource(IntEnum):
    """Kafka's sources, by their number in DescribeConfigs."""

    UNKNOWN = 0
    TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_BROKER_LOGGER_CONFIG = 6
    CLIENT_METRICS_CONFIG = 7
    GROUP_CONFIG = 8


def default_text(name: str) -> str | None:
    """The default of a broker key: Ottla's where it differs, else Kafka's."""
    return OTTLA_DEFAULTS.get(name, BROKER_KEYS[name].default)


@dataclass(frozen=True, slots=True, eq=False)
class ConfigLayers:
    """The layers above the defaults, each a mapping from key to text."""

    static: Mapping[str, str] = field(default_factory=dict)
    dynamic_default: Mapping[str, str] = field(default_factory=dict)
    dynamic_broker: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The winning text of one key, its default included; its synonyms are not looked at."""
        for layer in (self.dynamic_broker, self.dynamic_default, self.static):
            if name in layer:
                return layer[name]
        return default_text(name)

    def value(self, name: str) -> Value:
        """The winning value of one key; it was checked when it was set."""
        return parse_default(BROKER_KEYS[name], self.text(name))

    def chain_ms(self, name: str) -> int:
        """The winning time in milliseconds among a key and its synonyms in other units."""
        for synonym, unit_ms in synonym_chain(name):
            value = self.value(synonym)
            if isinstance(value, int):
                return value * unit_ms
        raise KeyError(name)

    def occurrences(self, name: str) -> Iterator[tuple[ConfigSource, str, str]]:
        """Source, key and text of every layer that has `name` or a synonym, the strongest first."""
        names = [synonym for synonym, _ in synonym_chain(name)]
        for source, layer in (
            (ConfigSource.DYNAMIC_BROKER_CONFIG, self.dynamic_broker),
            (ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, self.dynamic_default),
            (ConfigSource.STATIC_BROKER_CONFIG, self.static),
        ):
            yield from ((source, synonym, layer[synonym]) for synonym in names if synonym in layer)
        for synonym in names:
            text = default_text(synonym) if synonym in BROKER_KEYS else None
            if text is not None:
                yield ConfigSource.DEFAULT_CONFIG, synonym, text
