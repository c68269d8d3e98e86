"""All keys by name, per kind of resource, and which broker keys give topics and groups their defaults."""

from __future__ import annotations

from .broker_cluster_keys import BROKER_CLUSTER_KEYS
from .broker_group_keys import BROKER_GROUP_KEYS
from .broker_log_keys import BROKER_LOG_KEYS
from .broker_remote_keys import BROKER_REMOTE_KEYS
from .broker_security_keys import BROKER_SECURITY_KEYS
from .broker_server_keys import BROKER_SERVER_KEYS
from .broker_transaction_keys import BROKER_TRANSACTION_KEYS
from .client_metrics_keys import CLIENT_METRICS_KEYS
from .documentation import BROKER_DOCUMENTATION, TOPIC_DOCUMENTATION
from .group_keys import GROUP_KEYS
from .keys import CLUSTER_WIDE, LONG, ConfigKey
from .topic_keys import TOPIC_KEYS as _TOPIC_KEYS
from .validators import at_least

BROKER_KEYS = {
    key.name: key
    for table in (
        BROKER_CLUSTER_KEYS,
        BROKER_GROUP_KEYS,
        BROKER_LOG_KEYS,
        BROKER_REMOTE_KEYS,
        BROKER_SECURITY_KEYS,
        BROKER_SERVER_KEYS,
        BROKER_TRANSACTION_KEYS,
    )
    for key in table
}
DYNAMIC_ONLY_KEYS = {
    name: ConfigKey(name, LONG, str((1 << 63) - 1), at_least(0), CLUSTER_WIDE)
    for name in (
        "follower.replication.throttled.rate",
        "leader.replication.throttled.rate",
        "replica.alter.log.dirs.io.max.bytes.per.second",
    )
}
"""Broker keys that only AlterConfigs sets (Kafka: DynamicConfig.Broker). They throttle replicas; there are none."""
TOPIC_KEYS = {key.name: key for key in _TOPIC_KEYS}
GROUP_CONFIG_KEYS = {key.name: key for key in GROUP_KEYS}
CLIENT_METRICS_CONFIG_KEYS = {key.name: key for key in CLIENT_METRICS_KEYS}

TOPIC_SYNONYMS = {
    "cleanup.policy": "log.cleanup.policy",
    "compression.gzip.level": "compression.gzip.level",
    "compression.lz4.level": "compression.lz4.level",
    "compression.type": "compression.type",
    "compression.zstd.level": "compression.zstd.level",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "flush.messages": "log.flush.interval.messages",
    "flush.ms": "log.flush.interval.ms",
    "index.interval.bytes": "log.index.interval.bytes",
    "local.retention.bytes": "log.local.retention.bytes",
    "local.retention.ms": "log.local.retention.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "message.timestamp.type": "log.message.timestamp.type",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "min.insync.replicas": "min.insync.replicas",
    "preallocate": "log.preallocate",
    "retention.bytes": "log.retention.bytes",
    "retention.ms": "log.retention.ms",
    "segment.bytes": "log.segment.bytes",
    "segment.index.bytes": "log.index.size.max.bytes",
    "segment.jitter.ms": "log.roll.jitter.ms",
    "segment.ms": "log.roll.ms",
    "unclean.leader.election.enable": "unclean.leader.election.enable",
}
"""The broker key that gives a topic key its default (Kafka: ServerTopicConfigSynonyms)."""

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS

_CHAINS = (
    (("log.roll.ms", 1), ("log.roll.hours", _HOUR_MS)),
    (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", _HOUR_MS)),
    (("log.retention.ms", 1), ("log.retention.minutes", _MINUTE_MS), ("log.retention.hours", _HOUR_MS)),
    (("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)),
)
_CHAIN_OF = {name: chain for chain in _CHAINS for name, _ in chain if name != "log.flush.scheduler.interval.ms"}


def synonym_chain(name: str) -> tuple[tuple[str, int], ...]:
    """The broker keys that say the same thing, the strongest first, each with its unit in milliseconds.

    Kafka: DynamicBrokerConfig.brokerConfigSynonyms. A key without synonyms is its own chain.
    """
    return _CHAIN_OF.get(name, ((name, 1),))


def broker_key(name: str) -> ConfigKey | None:
    """The broker key of that name, dynamic-only ones included."""
    return BROKER_KEYS.get(name) or DYNAMIC_ONLY_KEYS.get(name)


def group_synonym(name: str) -> str | None:
    """The broker key that gives a group key its default, if there is one (Kafka: GroupConfig.brokerSynonym)."""
    broker_name = f"group.{name}"
    return broker_name if broker_name in BROKER_KEYS else None


def broker_documentation() -> dict[str, str]:
    """One line for each broker key that Ottla acts on, topic defaults included."""
    # local.retention.* means something once there is tiered storage.
    read = {topic: broker for topic, broker in TOPIC_SYNONYMS.items() if not topic.startswith("local.")}
    topic_defaults = {broker: TOPIC_DOCUMENTATION[topic] for topic, broker in read.items()}
    return topic_defaults | BROKER_DOCUMENTATION
