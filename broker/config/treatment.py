"""What Ottla does with each broker key: acts on it, takes it without effect, or refuses what it asks for.

A key that is read has a line in documentation.py. A key that asks for something that is not there is refused by name,
with the reason and the way out, when its value really asks: the default never does. All others tune Kafka's insides
(thread counts, purgatories): they are taken, shown by DescribeConfigs, and named at debug level.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from .broker_security_keys import BROKER_SECURITY_KEYS
from .catalogue import BROKER_KEYS, broker_documentation
from .ottla_defaults import OTTLA_DEFAULTS
from .values import parse_default

if TYPE_CHECKING:
    from collections.abc import Callable

    from .validators import Value


class Treatment(Enum):
    """What becomes of a key that is set."""

    READ = "read"
    TUNING = "tuning"
    REFUSED = "refused"


class Refusal(NamedTuple):
    """Why a value is refused and what to write instead; `asks` tells whether a value asks for the missing thing."""

    reason: str
    way_out: str
    asks: Callable[[Value], bool] | None = None
    """None: every value but the default."""


def _more_than_one(value: Value) -> bool:
    if isinstance(value, tuple):
        return len(value) > 1
    return isinstance(value, int) and value > 1


def _is_set(value: Value) -> bool:
    return bool(value)


def _is_other_reporter(value: Value) -> bool:
    return value not in ((), ("org.apache.kafka.common.metrics.JmxReporter",))


def _is_other_selector(value: Value) -> bool:
    # With one replica, Kafka's own selectors always choose the leader.
    own = ("org.apache.kafka.common.replica.LeaderSelector", "org.apache.kafka.common.replica.RackAwareReplicaSelector")
    return bool(value) and value not in own


def _lacks_a_role(value: Value) -> bool:
    return not isinstance(value, tuple) or {"broker", "controller"} - set(value) != set()


def _asks_for_other_groups(value: Value) -> bool:
    return not isinstance(value, tuple) or not {"classic", "consumer"} >= set(value)


def _is_other_assignor(value: Value) -> bool:
    return not isinstance(value, tuple) or not {"uniform", "range"} >= set(value)


_LEAVE_OUT = "leave it out"
_PLAINTEXT = "leave it out and use PLAINTEXT listeners"
_ONE = "set it to 1 or leave it out"
_TLS = Refusal("TLS is not there yet", _PLAINTEXT)
_SASL = Refusal("SASL is not there yet", _PLAINTEXT)
_AUTHORIZER = Refusal("an authorizer is not there yet: everybody may do everything", _LEAVE_OUT)
_REPLICAS = Refusal("there is one broker, and so one replica", _ONE, _more_than_one)
_QUORUM = Refusal(
    "there is one node, which is its own controller", "name this node alone or leave it out", _more_than_one
)
_JAVA = Refusal("Java classes cannot be loaded", _LEAVE_OUT, _is_set)

_REFUSALS = {
    "alter.config.policy.class.name": _JAVA,
    "authorizer.class.name": _AUTHORIZER,
    "client.quota.callback.class": _JAVA,
    "config.providers": _JAVA,
    "connections.max.reauth.ms": _SASL,
    "controller.quorum.auto.join.enable": _QUORUM._replace(asks=_is_set, way_out=_LEAVE_OUT),
    "controller.quorum.bootstrap.servers": _QUORUM,
    "controller.quorum.voters": _QUORUM,
    "cordoned.log.dirs": Refusal("log directories cannot be cordoned yet", _LEAVE_OUT),
    "create.topic.policy.class.name": _JAVA,
    "default.replication.factor": _REPLICAS,
    "delegation.token.secret.key": Refusal("delegation tokens are not there yet", _LEAVE_OUT),
    "group.consumer.assignors": Refusal(
        "Java classes cannot be loaded", "choose from uniform and range", _is_other_assignor
    ),
    "group.coordinator.rebalance.protocols": Refusal(
        "share and streams groups are not there yet", "set it to classic,consumer", _asks_for_other_groups
    ),
    "group.share.persister.class.name": _JAVA._replace(asks=None),
    "kafka.metrics.reporters": _JAVA,
    "max.connection.creation.rate": Refusal("the rate of new connections is not limited yet", "use max.connections"),
    "metric.reporters": _JAVA._replace(asks=_is_other_reporter),
    "offsets.topic.compression.codec": Refusal("offsets are written uncompressed", "leave it at 0"),
    "offsets.topic.replication.factor": _REPLICAS,
    "principal.builder.class": _JAVA._replace(asks=None),
    "process.roles": Refusal(
        "one node is both", "set it to broker,controller, or look at the directory with --read-only", _lacks_a_role
    ),
    "remote.log.storage.system.enable": Refusal("tiered storage is not there yet", _LEAVE_OUT),
    "replica.selector.class": _JAVA._replace(asks=_is_other_selector),
    "security.inter.broker.protocol": Refusal("only PLAINTEXT is there yet", "set it to PLAINTEXT"),
    "security.providers": _JAVA,
    "share.coordinator.state.topic.min.isr": _REPLICAS,
    "share.coordinator.state.topic.replication.factor": _REPLICAS,
    "transaction.state.log.min.isr": _REPLICAS,
    "transaction.state.log.replication.factor": _REPLICAS,
    "transaction.two.phase.commit.enable": Refusal("two-phase commit (KIP-939) is not there yet", _LEAVE_OUT),
    "unstable.api.versions.enable": Refusal("unstable API versions are not there", _LEAVE_OUT),
    "unstable.feature.versions.enable": Refusal("unstable feature versions are not there", _LEAVE_OUT),
}
_REFUSED_PREFIXES = {"ssl.": _TLS, "sasl.": _SASL}

REFUSALS = _REFUSALS | {
    key.name: refusal
    for key in BROKER_SECURITY_KEYS
    for prefix, refusal in _REFUSED_PREFIXES.items()
    if key.name.startswith(prefix)
}

PLUGIN_KEYS = {"super.users": _AUTHORIZER, "allow.everyone.if.no.acl.found": _AUTHORIZER}
"""Keys that no ConfigDef holds: Kafka hands them to its authorizer. They are refused whatever they say."""

PLUGIN_PREFIXES = ("config.providers.", "rsm.config.", "rlmm.config.")
"""Keys that Kafka hands to config providers and tiered storage; without those, which are refused, they mean nothing."""


def treatment(name: str) -> Treatment:
    """What Ottla does with the broker key `name`. A key may be both read and refused: it is refused for some values."""
    if name in broker_documentation():
        return Treatment.READ
    return Treatment.REFUSED if name in REFUSALS else Treatment.TUNING


ONLY_WHEN_WRITING = frozenset(
    name for name, found in _REFUSALS.items() if found in (_REPLICAS, _QUORUM) or name == "process.roles"
)
"""Wishes for a cluster of several: whoever only reads a directory of one need not give up its server.properties."""


def refusal(name: str, value: Value, *, read_only: bool = False) -> str | None:
    """Why `value` cannot be had, or None when it can: it asks for nothing that is missing."""
    found = REFUSALS.get(name)
    if found is None or (read_only and name in ONLY_WHEN_WRITING):
        return None
    key = BROKER_KEYS[name]
    if value in (parse_default(key, OTTLA_DEFAULTS.get(name, key.default)), parse_default(key, key.default)):
        asks = found.asks is not None and found.asks(value)
    else:
        asks = found.asks is None or found.asks(value)
    return f"{found.reason}; {found.way_out}" if asks else None
