"""A topic's settings as the log needs them, with Apache Kafka 4.3's defaults.

Kafka: `LogConfig`. The broker makes one from its own configuration and the topic's overrides; storage only reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_LONG = (1 << 63) - 1
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Sizes in bytes, times in milliseconds; -1 means no limit where Kafka says so (retention)."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 7 * DAY_MS
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10 << 20
    index_interval_bytes: int = 4096
    retention_ms: int = 7 * DAY_MS
    retention_bytes: int = -1
    max_message_bytes: int = 1_048_588
    message_timestamp_type: str = "CreateTime"
    message_timestamp_before_max_ms: int = MAX_LONG
    message_timestamp_after_max_ms: int = HOUR_MS
    cleanup_policy: frozenset[str] = frozenset({"delete"})
    compression_type: str = "producer"
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_zstd_level: int = 3
    file_delete_delay_ms: int = 60_000
    flush_messages: int = MAX_LONG
    flush_ms: int = MAX_LONG
    min_insync_replicas: int = 1
    delete_retention_ms: int = DAY_MS
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = MAX_LONG
    min_cleanable_dirty_ratio: float = 0.5
    preallocate: bool = False
    unclean_leader_election_enable: bool = False
    # What every append asks; computed once.
    is_log_append_time: bool = field(init=False, repr=False, compare=False)
    """Whether the broker's clock, not the producer's, stamps records."""
    is_compacted: bool = field(init=False, repr=False, compare=False)
    """Whether each record needs a key."""
    keeps_batches_as_sent: bool = field(init=False, repr=False, compare=False)
    """Whether nothing is asked of a batch that its header does not answer, and nothing in it is changed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_log_append_time", self.message_timestamp_type == "LogAppendTime")
        object.__setattr__(self, "is_compacted", "compact" in self.cleanup_policy)
        keeps_records = self.compression_type == "producer" and self.message_timestamp_before_max_ms == MAX_LONG
        as_sent = keeps_records and not (self.is_compacted or self.is_log_append_time)
        object.__setattr__(self, "keeps_batches_as_sent", as_sent)

    @property
    def deletes_old_segments(self) -> bool:
        """Whether retention by time and size applies."""
        return "delete" in self.cleanup_policy
