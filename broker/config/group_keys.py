"""Every key of a group (GroupConfig). `group.` before the name is the broker key that gives its default."""

from __future__ import annotations

from .keys import BOOLEAN, INT, STRING, ConfigKey
from .validators import OffsetReset, at_least, one_of

GROUP_KEYS = (
    ConfigKey("consumer.assignment.interval.ms", INT, "1000", at_least(0)),
    ConfigKey("consumer.heartbeat.interval.ms", INT, "5000", at_least(1)),
    ConfigKey("consumer.session.timeout.ms", INT, "45000", at_least(1)),
    ConfigKey("share.assignment.interval.ms", INT, "1000", at_least(0)),
    ConfigKey("share.auto.offset.reset", STRING, "latest", OffsetReset()),
    ConfigKey("share.delivery.count.limit", INT, "5", at_least(2)),
    ConfigKey("share.heartbeat.interval.ms", INT, "5000", at_least(1)),
    ConfigKey("share.isolation.level", STRING, "read_uncommitted", one_of("read_committed", "read_uncommitted")),
    ConfigKey("share.partition.max.record.locks", INT, "2000", at_least(100)),
    ConfigKey("share.record.lock.duration.ms", INT, "30000", at_least(1000)),
    ConfigKey("share.renew.acknowledge.enable", BOOLEAN, "true"),
    ConfigKey("share.session.timeout.ms", INT, "45000", at_least(1)),
    ConfigKey("streams.assignment.interval.ms", INT, "1000", at_least(0)),
    ConfigKey("streams.heartbeat.interval.ms", INT, "5000", at_least(1)),
    ConfigKey("streams.initial.rebalance.delay.ms", INT, "3000", at_least(0)),
    ConfigKey("streams.num.standby.replicas", INT, "0", at_least(0)),
    ConfigKey("streams.session.timeout.ms", INT, "45000", at_least(1)),
)
