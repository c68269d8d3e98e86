"""Broker keys of tiered storage (KIP-405): known, and without effect while it is off."""

from __future__ import annotations

from .keys import BOOLEAN, CLUSTER_WIDE, DOUBLE, INT, LONG, STRING, ConfigKey
from .validators import NonEmpty, at_least, between

BROKER_REMOTE_KEYS = (
    ConfigKey("follower.fetch.last.tiered.offset.enable", BOOLEAN, "false", mode=CLUSTER_WIDE),
    ConfigKey("log.local.retention.bytes", LONG, "-2", at_least(-2), CLUSTER_WIDE),
    ConfigKey("log.local.retention.ms", LONG, "-2", at_least(-2), CLUSTER_WIDE),
    ConfigKey("remote.fetch.max.wait.ms", INT, "500", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.list.offsets.request.timeout.ms", LONG, "30000", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.index.file.cache.total.size.bytes", LONG, "1073741824", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.index.file.cache.ttl.ms", LONG, "900000", at_least(-1), internal=True),
    ConfigKey("remote.log.manager.copier.thread.pool.size", INT, "10", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.copy.max.bytes.per.second", LONG, "9223372036854775807", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.copy.quota.window.num", INT, "11", at_least(1)),
    ConfigKey("remote.log.manager.copy.quota.window.size.seconds", INT, "1", at_least(1)),
    ConfigKey("remote.log.manager.expiration.thread.pool.size", INT, "10", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.fetch.max.bytes.per.second", LONG, "9223372036854775807", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.fetch.quota.window.num", INT, "11", at_least(1)),
    ConfigKey("remote.log.manager.fetch.quota.window.size.seconds", INT, "1", at_least(1)),
    ConfigKey("remote.log.manager.follower.thread.pool.size", INT, "2", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.task.interval.ms", LONG, "30000", at_least(1)),
    ConfigKey("remote.log.manager.task.retry.backoff.max.ms", LONG, "30000", at_least(1), internal=True),
    ConfigKey("remote.log.manager.task.retry.backoff.ms", LONG, "500", at_least(1), internal=True),
    ConfigKey("remote.log.manager.task.retry.jitter", DOUBLE, "0.2", between(0, 0.5), internal=True),
    ConfigKey("remote.log.manager.thread.pool.size", INT, "2", at_least(1)),
    ConfigKey("remote.log.metadata.custom.metadata.max.bytes", INT, "128", at_least(0)),
    ConfigKey(
        "remote.log.metadata.manager.class.name",
        STRING,
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        NonEmpty(),
    ),
    ConfigKey("remote.log.metadata.manager.class.path", STRING, None),
    ConfigKey("remote.log.metadata.manager.impl.prefix", STRING, "rlmm.config.", NonEmpty()),
    ConfigKey("remote.log.metadata.manager.listener.name", STRING, None, NonEmpty()),
    ConfigKey("remote.log.reader.max.pending.tasks", INT, "100", at_least(1)),
    ConfigKey("remote.log.reader.threads", INT, "10", at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.storage.manager.class.name", STRING, None, NonEmpty()),
    ConfigKey("remote.log.storage.manager.class.path", STRING, None),
    ConfigKey("remote.log.storage.manager.impl.prefix", STRING, "rsm.config.", NonEmpty()),
    ConfigKey("remote.log.storage.system.enable", BOOLEAN, "false"),
)
