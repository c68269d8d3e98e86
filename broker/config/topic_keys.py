"""Every key of a topic (LogConfig). Each but the last few has a broker key that gives its default: see synonyms.py."""

from __future__ import annotations

from .keys import BOOLEAN, DOUBLE, INT, LIST, LONG, STRING, ConfigKey
from .validators import GzipLevel, ThrottledReplicas, at_least, between, list_of, one_of

TOPIC_KEYS = (
    ConfigKey("cleanup.policy", LIST, "delete", list_of("compact", "delete")),
    ConfigKey("compression.gzip.level", INT, "-1", GzipLevel()),
    ConfigKey("compression.lz4.level", INT, "9", between(1, 17)),
    ConfigKey(
        "compression.type", STRING, "producer", one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
    ),
    ConfigKey("compression.zstd.level", INT, "3", between(-131072, 22)),
    ConfigKey("delete.retention.ms", LONG, "86400000", at_least(0)),
    ConfigKey("file.delete.delay.ms", LONG, "60000", at_least(0)),
    ConfigKey("flush.messages", LONG, "9223372036854775807", at_least(1)),
    ConfigKey("flush.ms", LONG, "9223372036854775807", at_least(0)),
    ConfigKey("follower.replication.throttled.replicas", LIST, "", ThrottledReplicas()),
    ConfigKey("index.interval.bytes", INT, "4096", at_least(0)),
    ConfigKey("internal.segment.bytes", INT, None, internal=True),
    ConfigKey("leader.replication.throttled.replicas", LIST, "", ThrottledReplicas()),
    ConfigKey("local.retention.bytes", LONG, "-2", at_least(-2)),
    ConfigKey("local.retention.ms", LONG, "-2", at_least(-2)),
    ConfigKey("max.compaction.lag.ms", LONG, "9223372036854775807", at_least(1)),
    ConfigKey("max.message.bytes", INT, "1048588", at_least(0)),
    ConfigKey("message.timestamp.after.max.ms", LONG, "3600000", at_least(0)),
    ConfigKey("message.timestamp.before.max.ms", LONG, "9223372036854775807", at_least(0)),
    ConfigKey("message.timestamp.type", STRING, "CreateTime", one_of("CreateTime", "LogAppendTime")),
    ConfigKey("min.cleanable.dirty.ratio", DOUBLE, "0.5", between(0, 1)),
    ConfigKey("min.compaction.lag.ms", LONG, "0", at_least(0)),
    ConfigKey("min.insync.replicas", INT, "1", at_least(1)),
    ConfigKey("preallocate", BOOLEAN, "false"),
    ConfigKey("remote.log.copy.disable", BOOLEAN, "false"),
    ConfigKey("remote.log.delete.on.disable", BOOLEAN, "false"),
    ConfigKey("remote.storage.enable", BOOLEAN, "false"),
    ConfigKey("retention.bytes", LONG, "-1"),
    ConfigKey("retention.ms", LONG, "604800000", at_least(-1)),
    ConfigKey("segment.bytes", INT, "1073741824", at_least(1048576)),
    ConfigKey("segment.index.bytes", INT, "10485760", at_least(4)),
    ConfigKey("segment.jitter.ms", LONG, "0", at_least(0)),
    ConfigKey("segment.ms", LONG, "604800000", at_least(1)),
    ConfigKey("unclean.leader.election.enable", BOOLEAN, "false"),
)
