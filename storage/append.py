"""The words of an append: who writes, what came of it, why it was refused.

Kafka's names: `AppendOrigin`, `LogAppendInfo`, `RecordValidationException`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..protocol.errors import ErrorCode


class AppendOrigin(Enum):
    """Who appends, which decides how much is checked."""

    # A producer: exactly one batch, no control batch, sequence numbers checked.
    CLIENT = "client"
    # A coordinator on this broker: control batches allowed, producer epochs checked, sequences not.
    COORDINATOR = "coordinator"
    # Batches that were validated before and carry their own offsets (recovery, a later replica).
    REPLICATION = "replication"
    # The metadata quorum's leader: control batches and several batches allowed.
    RAFT = "raft leader"


class Appended(NamedTuple):
    """What a successful append returns; a duplicate answers with the offsets of the batch that is there."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int  # -1 where the topic keeps the producer's time
    log_start_offset: int
    is_duplicate: bool = False


class AppendError(Exception):
    """An append that Kafka refuses: the code for the partition, and a message for each record at fault."""

    def __init__(self, code: ErrorCode, message: str, record_errors: tuple[tuple[int, str], ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.record_errors = record_errors


class NoBatch(AppendError):
    """Bytes in which no batch is to be found: their first fields cannot be one's. Kafka: `CorruptRecordException`."""


class OffsetOutOfRange(Exception):
    """A read below the log start offset or beyond the log end offset."""

    def __init__(self, offset: int, log_start_offset: int, log_end_offset: int) -> None:
        super().__init__(f"offset {offset} is outside of {log_start_offset} to {log_end_offset}")
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset


class TimestampedOffset(NamedTuple):
    """One record's place, as ListOffsets answers it."""

    timestamp_ms: int
    offset: int
    leader_epoch: int
