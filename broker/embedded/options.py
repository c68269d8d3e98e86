"""What a broker is started with: from keyword arguments to a configuration and topics, or to what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from ..config import ConfigError
from ..config.loading import Setting, build_config
from .errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import BrokerConfig

ConfigValue: TypeAlias = str | int | float | bool

_DEFAULTS: Final = {
    # Kafka's 50 partitions each are for many brokers; here they would be made anew for each test.
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
}

_DATA_KEYS: Final = frozenset({"log.dir", "log.dirs"})


@dataclass(frozen=True)
class TopicSpec:
    """A topic to be made: its number of partitions, None for the broker's `num.partitions`, and its own configs."""

    partitions: int | None = None
    config: Mapping[str, ConfigValue] = field(default_factory=dict)


Topics: TypeAlias = Mapping[str, int | TopicSpec] | list[str] | tuple[str, ...]


def broker_config(config: Mapping[str, ConfigValue], data_dir: str, port: int) -> BrokerConfig:
    """The broker's configuration, Kafka's keys over the defaults of an embedded broker. Raises InvalidOption.

    Port 0 leaves the ports of `listeners` alone where there are any, and else is a free one.
    """
    for key in _DATA_KEYS & config.keys():
        raise InvalidOption(f"config: {key}={config[key]}: where the data lies is said with data_dir=")
    settings = [Setting(key, value, "default") for key, value in _DEFAULTS.items()]
    settings += [Setting(key, config_text(value), "config") for key, value in config.items()]
    settings.append(Setting("log.dirs", data_dir, "data_dir"))
    try:
        return build_config(settings, port=None if port == 0 and "listeners" in config else port)
    except ConfigError as error:
        raise InvalidOption(str(error).replace("--port", "port")) from None


def config_text(value: ConfigValue) -> str:
    """A value as a properties file has it. Raises InvalidOption."""
    if not isinstance(value, str | int | float):
        raise InvalidOption(f"config: {value!r}: a value is text, a number or a truth value")
    return str(value).lower() if isinstance(value, bool) else str(value)


def topic_specs(topics: Topics) -> dict[str, TopicSpec]:
    """Topics by name, from a mapping to partition counts or TopicSpecs, or from names alone. Raises InvalidOption."""
    if isinstance(topics, Mapping):
        return {name: _spec(name, topics[name]) for name in _names(topics)}
    if isinstance(topics, str):
        raise InvalidOption(f"topics={topics!r} is one name; write [{topics!r}]")
    return {name: TopicSpec() for name in _names(topics)}


def _spec(name: str, wanted: object) -> TopicSpec:
    if isinstance(wanted, TopicSpec):
        return wanted
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return TopicSpec(wanted)
    raise InvalidOption(f"topic {name}: {wanted!r} is neither a number of partitions nor a TopicSpec")


def _names(topics: Iterable[object]) -> list[str]:
    names = list(topics)
    for name in names:
        if not isinstance(name, str):
            raise InvalidOption(f"topics: {name!r} is not the name of a topic")
    return [str(name) for name in names]
