"""Batches of a few records that share one time: what the broker itself writes, without codec and record headers.

The bytes are those of `records.build_batch`, for two thirds of its cost (2.8 µs against 4.3 for one record): nothing
is asked that the writer knows. The header comes back beside the bytes, so that whoever appends need not read it again.
Kafka: `MemoryRecords.withRecords`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from crc32c import crc32c

from .record_batch import ATTRIBUTES_POSITION, CURRENT_MAGIC, HEADER_BYTES, LOG_OVERHEAD_BYTES, BatchHeader
from .records import SMALL_VARINTS, varint

if TYPE_CHECKING:
    from collections.abc import Sequence

# Both halves of a batch's header: the CRC, at the end of the first, covers the second and the records.
_UNCOVERED = struct.Struct(">qiibI")
_COVERED = struct.Struct(">hiqqqhii")
_LENGTH_OVERHEAD = ATTRIBUTES_POSITION - LOG_OVERHEAD_BYTES
# Of key and value together: the lengths of a record with so many are all found in a table.
_SMALL_BYTES = len(SMALL_VARINTS) - 16
# What a NamedTuple's own constructor ends in; without its keyword handling.
_new_tuple = tuple.__new__

assert _UNCOVERED.size + _COVERED.size == HEADER_BYTES


def build_plain_batch(
    entries: Sequence[tuple[bytes, bytes | None]],
    timestamp_ms: int,
    *,
    attributes: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> tuple[bytearray, BatchHeader]:
    """Build one batch of at least one (key, value), where None is a tombstone's value; return it with its header.

    Its base offset is 0 and its leader epoch -1 until a log stamps them.
    """
    count = len(entries)
    fields = attributes, count - 1, timestamp_ms, timestamp_ms, producer_id, producer_epoch, base_sequence, count
    if count == 1:  # as nearly always
        records = _record(0, *entries[0])
    else:
        records = b"".join([_record(delta, key, value) for delta, (key, value) in enumerate(entries)])
    covered = _COVERED.pack(*fields) + records
    crc = crc32c(covered)
    head = 0, len(covered) + _LENGTH_OVERHEAD, -1, CURRENT_MAGIC, crc
    return bytearray(_UNCOVERED.pack(*head) + covered), _new_tuple(BatchHeader, head + fields)


def _record(delta: int, key: bytes, value: bytes | None) -> bytes:
    """One record: no attributes, no time of its own, no headers."""
    if value is not None and not delta and len(key) + len(value) < _SMALL_BYTES:  # as nearly always
        key_length, value_length = SMALL_VARINTS[len(key)], SMALL_VARINTS[len(value)]
        body = b"".join((b"\0\0\0", key_length, key, value_length, value, b"\0"))
        return SMALL_VARINTS[len(body)] + body
    if value is None:
        body = b"\0\0%b%b%b\1\0" % (varint(delta), varint(len(key)), key)
    else:
        body = b"\0\0%b%b%b%b%b\0" % (varint(delta), varint(len(key)), key, varint(len(value)), value)
    return varint(len(body)) + body
