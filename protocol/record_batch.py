"""Kafka's magic-2 record batch, seen from its header: lengths, CRC-32C and the fields that a broker writes in place.

No record is decoded here. The CRC covers everything from the attributes on, so base offset and partition leader epoch
can be stamped without touching it. Layout: 61 header bytes, then records (compressed as one block, if at all).
Kafka: `DefaultRecordBatch`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from crc32c import crc32c

from .compression import Compression
from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .primitives import Buffer

HEADER_BYTES = 61
LOG_OVERHEAD_BYTES = 12
CURRENT_MAGIC = 2
NO_PRODUCER_ID = -1

HEADER = struct.Struct(">qiibIhiqqqhii")
CRC_POSITION = 17
ATTRIBUTES_POSITION = 21

COMPRESSION_MASK = 0x07
LOG_APPEND_TIME_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40

# What a NamedTuple's own constructor ends in; a header is read for each batch.
_new_tuple = tuple.__new__
_SEQUENCES = 1 << 31
_MAX_TIMESTAMP_POSITION = 35
# What a log writes into a batch, with the length between the two: base offset, length, partition leader epoch.
PLACE = struct.Struct(">qii")
_OFFSET = struct.Struct(">q")
_EPOCH = struct.Struct(">i")
_CRC = struct.Struct(">I")
_ATTRIBUTES = struct.Struct(">h")


class CorruptBatch(ProtocolError):
    """Bytes that claim to be a record batch and are none, or a broken one."""


class BatchHeader(NamedTuple):
    """The fixed part of a batch, as it stands on the wire and on the disk."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        """The whole batch, its offset and length included."""
        return self.batch_length + LOG_OVERHEAD_BYTES

    @property
    def last_offset(self) -> int:
        """The offset of the last record, or of the last that was there before compaction."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset after this batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record; it wraps at 2**31 - 1. -1 without sequences."""
        return -1 if self.base_sequence == -1 else (self.base_sequence + self.last_offset_delta) % _SEQUENCES

    @property
    def compression(self) -> Compression:
        """How the records are compressed; CorruptBatch for a codec that does not exist."""
        try:
            return Compression(self.attributes & COMPRESSION_MASK)
        except ValueError as error:
            raise CorruptBatch(f"compression {self.attributes & COMPRESSION_MASK} does not exist") from error

    @property
    def is_log_append_time(self) -> bool:
        """Whether all records carry the time of their append, in `max_timestamp`."""
        return bool(self.attributes & LOG_APPEND_TIME_BIT)

    @property
    def is_transactional(self) -> bool:
        """Whether the batch is part of a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """Whether the records are markers that only brokers write."""
        return bool(self.attributes & CONTROL_BIT)

    @property
    def has_producer_id(self) -> bool:
        """Whether an idempotent or transactional producer wrote it."""
        return self.producer_id > NO_PRODUCER_ID

    @property
    def has_delete_horizon(self) -> bool:
        """Whether `base_timestamp` says when tombstones may go (KIP-534)."""
        return bool(self.attributes & DELETE_HORIZON_BIT)


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """Read the header at `position`; CorruptBatch when what follows cannot be one whole magic-2 batch header.

    The records need not be there: compare `size_bytes` with what is.
    """
    try:
        header = _new_tuple(BatchHeader, HEADER.unpack_from(buffer, position))
    except struct.error:
        raise CorruptBatch(f"a batch header has {HEADER_BYTES} bytes, not {len(buffer) - position}") from None
    if header.magic != CURRENT_MAGIC:
        raise CorruptBatch(f"a batch of magic {header.magic}; only magic {CURRENT_MAGIC} is kept")
    if header.batch_length < HEADER_BYTES - LOG_OVERHEAD_BYTES:
        raise CorruptBatch(f"a batch claims {header.batch_length} bytes, less than its header")
    return header


def read_headers(buffer: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of every batch; CorruptBatch when the last one is not whole."""
    position, end = 0, len(buffer)
    while position < end:
        header = read_header(buffer, position)
        if position + header.size_bytes > end:
            raise CorruptBatch(f"a batch claims {header.size_bytes} bytes, {end - position} are there")
        yield position, header
        position += header.size_bytes


def check_crc(buffer: Buffer, position: int, header: BatchHeader) -> None:
    """CorruptBatch unless the batch is all there and its CRC-32C is right."""
    end = position + header.size_bytes
    if end > len(buffer):
        raise CorruptBatch(f"a batch claims {header.size_bytes} bytes, {len(buffer) - position} are there")
    computed = crc32c(memoryview(buffer)[position + ATTRIBUTES_POSITION : end])
    if computed != header.crc:
        raise CorruptBatch(f"the batch at offset {header.base_offset} has CRC {header.crc:#010x}, not {computed:#010x}")


def stamp(buffer: bytearray | memoryview, position: int, base_offset: int, partition_leader_epoch: int) -> None:
    """Give the batch its place in a log, in place; the CRC does not cover these two fields."""
    _OFFSET.pack_into(buffer, position, base_offset)
    _EPOCH.pack_into(buffer, position + 12, partition_leader_epoch)


def stamp_log_append_time(
    buffer: bytearray | memoryview, position: int, header: BatchHeader, timestamp_ms: int
) -> None:
    """Say that all records were appended at `timestamp_ms`, in place, and compute the CRC again."""
    _ATTRIBUTES.pack_into(buffer, position + ATTRIBUTES_POSITION, header.attributes | LOG_APPEND_TIME_BIT)
    _OFFSET.pack_into(buffer, position + _MAX_TIMESTAMP_POSITION, timestamp_ms)
    end = position + header.size_bytes
    _CRC.pack_into(buffer, position + CRC_POSITION, crc32c(memoryview(buffer)[position + ATTRIBUTES_POSITION : end]))
