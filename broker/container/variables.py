"""The variables of the apache/kafka image, and the settings that they make (kafka.docker.KafkaDockerWrapper).

`KAFKA_NUM_PARTITIONS` is `num.partitions`: one underscore is a dot, two are an underscore, three are a hyphen.
Variables go over a mounted server.properties; without either there are defaults. What is unknown is not dropped: it is
a setting like any other, and is refused as `ottla serve` refuses it, under the variable's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ..config.loading import Setting
from ..config.properties import parse_properties

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PREFIX: Final = "KAFKA_"
_LISTENERS: Final = "KAFKA_LISTENERS"
_ADVERTISED: Final = "KAFKA_ADVERTISED_LISTENERS"
_ROOT_LOG_LEVEL: Final = "KAFKA_LOG4J_ROOT_LOGLEVEL"
_CLUSTER_ID: Final = "CLUSTER_ID"
_HOST_RE: Final = re.compile(r"://[^:]*:")

_NO_SETTINGS: Final = frozenset(
    {
        "KAFKA_VERSION",
        "KAFKA_HEAP_OPTS",
        "KAFKA_LOG4J_OPTS",
        "KAFKA_OPTS",
        "KAFKA_JMX_OPTS",
        "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_GC_LOG_OPTS",
        _ROOT_LOG_LEVEL,
        "KAFKA_LOG4J_LOGGERS",
        "KAFKA_TOOLS_LOG4J_LOGLEVEL",
        "KAFKA_JMX_HOSTNAME",
        # Kafka's own start reads this one, and then warns that it is no setting.
        "KAFKA_JMX_PORT",
    }
)
"""What is for the JVM and its logging, and so for nobody here."""

_OF_OTHERS: Final = ("KAFKA_ZOOKEEPER_", "KAFKA_CONFLUENT_", "KAFKA_REST_")
"""What modules for other images of Kafka set unasked; a broker of Kafka 4 warns of it and goes on."""

_CONTAINER_DEFAULTS: Final = {
    # Everything that a container publishes comes from outside of it.
    "listeners": "PLAINTEXT://:9092",
    # Where volumes are mounted for Kafka's broker that is configured, and for one that is not.
    "log.dir": "/tmp/kafka-logs",  # noqa: S108 - it is Kafka's path
}
_UNCONFIGURED_DEFAULTS: Final = {**_CONTAINER_DEFAULTS, "log.dir": "/tmp/kraft-combined-logs"}  # noqa: S108

_LOG_LEVELS: Final = {
    "ALL": "DEBUG",
    "TRACE": "DEBUG",
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARN": "WARNING",
    "ERROR": "ERROR",
    "FATAL": "CRITICAL",
    "OFF": "CRITICAL",
}


class ContainerSettings(NamedTuple):
    """What a container is started with. `ignored` are the variables that ask for what no broker of Kafka 4 does."""

    settings: list[Setting]
    cluster_id: str | None
    log_level: str
    ignored: list[str]


def container_settings(variables: Mapping[str, str], mounted: str | None) -> ContainerSettings:
    """What variables and the text of a mounted server.properties ask for. Raises ConfigError for a malformed text."""
    given = _with_listeners(variables)
    names = sorted(name for name in given if name.startswith(_PREFIX) and name not in _NO_SETTINGS)
    ignored = [name for name in names if name.startswith(_OF_OTHERS)]
    chosen = [*_from_file(mounted or "")]
    for name in names:
        if name not in ignored:
            chosen += _from_variable(name, given[name])
    defaults = _CONTAINER_DEFAULTS if chosen else _UNCONFIGURED_DEFAULTS
    return ContainerSettings(
        [Setting(key, value, "the image") for key, value in defaults.items()] + chosen,
        variables.get(_CLUSTER_ID) or None,
        _LOG_LEVELS.get(variables.get(_ROOT_LOG_LEVEL, "").strip().upper(), "INFO"),
        ignored,
    )


def property_name(variable: str) -> str:
    """The broker's key for a variable that begins with KAFKA_."""
    dotted = variable.removeprefix(_PREFIX).lower().replace("_", ".")
    return dotted.replace("...", "-").replace("..", "_")


def with_arguments(variables: Mapping[str, str], arguments: Sequence[str]) -> dict[str, str]:
    """The variables, with those that the start script was given as NAME=VALUE."""
    pairs = (argument.partition("=") for argument in arguments)
    return {**variables, **{name: value for name, _, value in pairs}}


def to_properties(settings: Sequence[Setting]) -> str:
    """The text of a server.properties with these settings, one a key; the last has the word, as everywhere."""
    chosen = {setting.key: setting.value for setting in settings}
    return "".join(f"{_escaped(key, '=:# !')}={_escaped(value, '')}\n" for key, value in chosen.items())


def _with_listeners(variables: Mapping[str, str]) -> dict[str, str]:
    """Who says only what is advertised listens on the same ports of all addresses."""
    given = dict(variables)
    if given.get(_ADVERTISED) and not given.get(_LISTENERS):
        given[_LISTENERS] = _HOST_RE.sub("://0.0.0.0:", given[_ADVERTISED])
    return given


def _from_file(text: str) -> Iterator[Setting]:
    for entry in parse_properties(text, "server.properties"):
        yield Setting(entry.key, entry.value, f"server.properties:{entry.line}")


def _from_variable(variable: str, value: str) -> Iterator[Setting]:
    """As the image reads it: the value is put into a properties file as it is."""
    for entry in parse_properties(f"{property_name(variable)}={value}", variable):
        yield Setting(entry.key, entry.value, variable)


def _escaped(text: str, special: str) -> str:
    escaped = "".join("\\" + char if char == "\\" or char in special else char for char in text)
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t").replace("\f", "\\f")
    return "\\" + escaped if escaped.startswith(" ") and " " not in special else escaped
