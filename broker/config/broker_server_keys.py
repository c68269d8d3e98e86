"""Broker keys of the server itself: listeners, connections, threads, requests, quotas and metrics."""

from __future__ import annotations

from .keys import CLASS, CLUSTER_WIDE, INT, LIST, LONG, PER_BROKER, STRING, ConfigKey
from .validators import ListOf, at_least, list_of, one_of

BROKER_SERVER_KEYS = (
    ConfigKey("advertised.listeners", LIST, None, ListOf(may_be_empty=False)),
    ConfigKey("alter.log.dirs.replication.quota.window.num", INT, "11", at_least(1)),
    ConfigKey("alter.log.dirs.replication.quota.window.size.seconds", INT, "1", at_least(1)),
    ConfigKey("background.threads", INT, "10", at_least(1), CLUSTER_WIDE),
    ConfigKey("client.quota.callback.class", CLASS, None),
    ConfigKey("config.providers", LIST, "", list_of(), CLUSTER_WIDE),
    ConfigKey("connections.max.idle.ms", LONG, "600000"),
    ConfigKey("delete.records.purgatory.purge.interval.requests", INT, "1"),
    ConfigKey("fetch.max.bytes", INT, "57671680", at_least(1024)),
    ConfigKey("fetch.purgatory.purge.interval.requests", INT, "1000"),
    ConfigKey("inter.broker.listener.name", STRING, None),
    ConfigKey("kafka.metrics.polling.interval.secs", INT, "10", at_least(1)),
    ConfigKey("kafka.metrics.reporters", LIST, "", list_of()),
    ConfigKey(
        "listener.security.protocol.map",
        STRING,
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        mode=PER_BROKER,
    ),
    ConfigKey("listeners", LIST, "PLAINTEXT://:9092", ListOf(may_be_empty=False), PER_BROKER),
    ConfigKey("max.connection.creation.rate", INT, "2147483647", at_least(0), CLUSTER_WIDE),
    ConfigKey("max.connections", INT, "2147483647", at_least(0), CLUSTER_WIDE),
    ConfigKey("max.connections.per.ip", INT, "2147483647", at_least(0), CLUSTER_WIDE),
    ConfigKey("max.connections.per.ip.overrides", STRING, "", mode=CLUSTER_WIDE),
    ConfigKey("max.incremental.fetch.session.cache.slots", INT, "1000", at_least(0)),
    ConfigKey("max.request.partition.size.limit", INT, "2000", at_least(1)),
    ConfigKey("metric.reporters", LIST, "org.apache.kafka.common.metrics.JmxReporter", list_of(), CLUSTER_WIDE),
    ConfigKey("metrics.num.samples", INT, "2", at_least(1)),
    ConfigKey("metrics.recording.level", STRING, "INFO"),
    ConfigKey("metrics.sample.window.ms", LONG, "30000", at_least(1)),
    ConfigKey("num.io.threads", INT, "8", at_least(1), CLUSTER_WIDE),
    ConfigKey("num.network.threads", INT, "3", at_least(1), CLUSTER_WIDE),
    ConfigKey("producer.purgatory.purge.interval.requests", INT, "1000"),
    ConfigKey("queued.max.request.bytes", LONG, "-1"),
    ConfigKey("queued.max.requests", INT, "500", at_least(1)),
    ConfigKey("quota.window.num", INT, "11", at_least(1)),
    ConfigKey("quota.window.size.seconds", INT, "1", at_least(1)),
    ConfigKey("replication.quota.window.num", INT, "11", at_least(1)),
    ConfigKey("replication.quota.window.size.seconds", INT, "1", at_least(1)),
    ConfigKey("request.timeout.ms", INT, "30000"),
    ConfigKey(
        "security.inter.broker.protocol", STRING, "PLAINTEXT", one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    ),
    ConfigKey("socket.connection.setup.timeout.max.ms", LONG, "30000"),
    ConfigKey("socket.connection.setup.timeout.ms", LONG, "10000"),
    ConfigKey("socket.listen.backlog.size", INT, "50", at_least(1)),
    ConfigKey("socket.receive.buffer.bytes", INT, "102400"),
    ConfigKey("socket.request.max.bytes", INT, "104857600", at_least(1)),
    ConfigKey("socket.send.buffer.bytes", INT, "102400"),
    ConfigKey("telemetry.max.bytes", INT, "1048576", at_least(1)),
)
