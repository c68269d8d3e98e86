"""Broker keys of producer ids and transactions."""

from __future__ import annotations

from .keys import BOOLEAN, CLUSTER_WIDE, INT, SHORT, ConfigKey
from .validators import at_least

BROKER_TRANSACTION_KEYS = (
    ConfigKey("add.partitions.to.txn.retry.backoff.max.ms", INT, "100", at_least(0)),
    ConfigKey("add.partitions.to.txn.retry.backoff.ms", INT, "20", at_least(1)),
    ConfigKey("producer.id.expiration.check.interval.ms", INT, "600000", at_least(1), internal=True),
    ConfigKey("producer.id.expiration.ms", INT, "86400000", at_least(1), CLUSTER_WIDE),
    ConfigKey("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", at_least(1)),
    ConfigKey("transaction.max.timeout.ms", INT, "900000", at_least(1)),
    ConfigKey("transaction.partition.verification.enable", BOOLEAN, "true", mode=CLUSTER_WIDE),
    ConfigKey("transaction.remove.expired.transaction.cleanup.interval.ms", INT, "3600000", at_least(1)),
    ConfigKey("transaction.state.log.load.buffer.size", INT, "5242880", at_least(1)),
    ConfigKey("transaction.state.log.min.isr", INT, "2", at_least(1)),
    ConfigKey("transaction.state.log.num.partitions", INT, "50", at_least(1)),
    ConfigKey("transaction.state.log.replication.factor", SHORT, "3", at_least(1)),
    ConfigKey("transaction.state.log.segment.bytes", INT, "104857600", at_least(1)),
    ConfigKey("transaction.two.phase.commit.enable", BOOLEAN, "false"),
    ConfigKey("transactional.id.expiration.ms", INT, "604800000", at_least(1)),
)
