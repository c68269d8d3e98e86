"""The records inside a magic-2 batch: read lazily, and built into batches.

A record is a length, attributes, then timestamp, offset, key, value and headers as zigzag varints relative to what the
batch header says. Whatever the varints claim is checked against the bytes that are there before anything is made of it.
Kafka: `DefaultRecord`, `DefaultRecordBatch.RecordIterator`, `MemoryRecordsBuilder`.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from crc32c import crc32c

from .compression import DECOMPRESSED_BYTES_MAX, Compression, compress, decompress
from .errors import ProtocolError
from .record_batch import (
    ATTRIBUTES_POSITION,
    CONTROL_BIT,
    CRC_POSITION,
    CURRENT_MAGIC,
    DELETE_HORIZON_BIT,
    HEADER,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    LOG_OVERHEAD_BYTES,
    TRANSACTIONAL_BIT,
    CorruptBatch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .primitives import Buffer
    from .record_batch import BatchHeader

_Fields: TypeAlias = "tuple[int, int, bytes | None, bytes | None, tuple[RecordHeader, ...]]"

# What a NamedTuple's own constructor ends in; without its keyword handling.
_new_tuple = tuple.__new__
_INT_MAX = (1 << 31) - 1
_INT_MASK = (1 << 32) - 1
_LONG_MASK = (1 << 64) - 1
_LONG_MAX = (1 << 63) - 1
_LONG_MIN = -1 << 63
_VARINT_BITS_MAX = 35
_VARLONG_BITS_MAX = 70
_NULL_LENGTH = b"\x01"
_NO_ATTRIBUTES = b"\x00"
_NO_HEADERS = b"\x00"
_UTF8 = "utf-8"
# Kafka never looks at the bytes of a header key; so they must come out again as they went in.
_UTF8_ERRORS = "surrogateescape"
_timestamp_of = itemgetter(1)


class RecordHeader(NamedTuple):
    """One header of a record; keys may repeat."""

    key: str
    value: bytes | None


class Record(NamedTuple):
    """One record, with its absolute offset and its timestamp in milliseconds (-1: none)."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[RecordHeader, ...] = ()


def read_records(
    buffer: Buffer, position: int, header: BatchHeader, *, limit_bytes: int = DECOMPRESSED_BYTES_MAX
) -> Iterator[Record]:
    """Yield the records of the batch at `position`, whose header was read from there.

    Raises CorruptBatch where the records are not what the header or they themselves claim, MissingCodec, and
    DecompressionError when they are broken or become more than `limit_bytes`.
    """
    end = position + header.size_bytes
    if end > len(buffer):
        raise CorruptBatch(f"a batch claims {header.size_bytes} bytes, {len(buffer) - position} are there")
    if header.record_count < 0:
        raise CorruptBatch(f"a batch claims {header.record_count} records")
    if header.record_count == 0:
        return
    block = memoryview(buffer)[position + HEADER_BYTES : end]
    # bytes are indexed and sliced faster than a view of them, which pays for this copy.
    data = bytes(decompress(header.compression, block, limit_bytes))
    try:
        yield from _read_all(data, header)
    except IndexError:
        raise CorruptBatch(f"the batch at offset {header.base_offset} ends inside a record") from None


def _read_all(data: bytes, header: BatchHeader) -> Iterator[Record]:
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.is_log_append_time else None
    position = 0
    for _ in range(header.record_count):
        size, position = _read_varint(data, position)
        end = position + size
        if size < 0 or end > len(data):
            raise CorruptBatch(f"a record claims {size} bytes, {len(data) - position} are there")
        timestamp_delta, offset_delta, key, value, headers = _read_fields(data, position, end)
        timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
        if not _LONG_MIN <= timestamp <= _LONG_MAX:
            timestamp = _in_64_bits(timestamp)
        position = end
        yield _new_tuple(Record, (base_offset + offset_delta, timestamp, key, value, headers))
    if position != len(data):
        raise CorruptBatch(f"{len(data) - position} bytes follow the last of {header.record_count} records")


def _read_fields(data: bytes, start: int, end: int) -> _Fields:
    """Read what stands between `start` and `end`.

    The position only grows, so one comparison at the end finds every field that claimed too much. Varints of one
    byte, most of them, are read here and not by a call.
    """
    # One byte of attributes, of which no bit means anything yet.
    byte = data[start + 1]
    if byte < 0x80:
        timestamp_delta, position = (byte >> 1) ^ -(byte & 1), start + 2
    else:
        timestamp_delta, position = _read_varlong(data, start + 1)
    byte = data[position]
    if byte < 0x80:
        offset_delta, position = (byte >> 1) ^ -(byte & 1), position + 1
    else:
        offset_delta, position = _read_varint(data, position)
    key, position = _read_nullable_bytes(data, position)
    value, position = _read_nullable_bytes(data, position)
    headers: tuple[RecordHeader, ...] = ()
    if data[position]:
        headers, position = _read_headers(data, position, end)
    else:
        position += 1
    if position != end:
        raise CorruptBatch(f"a record claims {end - start} bytes, its fields {position - start}")
    return timestamp_delta, offset_delta, key, value, headers


def _read_headers(data: bytes, position: int, end: int) -> tuple[tuple[RecordHeader, ...], int]:
    count, position = _read_varint(data, position)
    if not 0 <= count <= end - position:
        raise CorruptBatch(f"a record claims {count} headers in {end - position} bytes")
    headers = []
    for _ in range(count):
        key, position = _read_nullable_bytes(data, position)
        if key is None:
            raise CorruptBatch("a record header has no key")
        value, position = _read_nullable_bytes(data, position)
        headers.append(_new_tuple(RecordHeader, (key.decode(_UTF8, _UTF8_ERRORS), value)))
    return tuple(headers), position


def _read_nullable_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    """Read a length and that many bytes; the position behind them may be beyond the end, which the caller checks."""
    byte = data[position]
    if byte < 0x80:
        size, position = (byte >> 1) ^ -(byte & 1), position + 1
    else:
        size, position = _read_varint(data, position)
    if size < 0:
        return None, position
    return data[position : position + size], position + size


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = data[position]
    if value < 0x80:
        return (value >> 1) ^ -(value & 1), position + 1
    second = data[position + 1]
    if second < 0x80:
        value += (second - 1) << 7  # less one, for the continuation bit that is still in the first byte
        return (value >> 1) ^ -(value & 1), position + 2
    value, position = _read_long_form(data, position, _VARINT_BITS_MAX)
    value &= _INT_MASK
    return (value >> 1) ^ -(value & 1), position


def _read_varlong(data: bytes, position: int) -> tuple[int, int]:
    if data[position] < 0x80 or data[position + 1] < 0x80:
        return _read_varint(data, position)
    value, position = _read_long_form(data, position, _VARLONG_BITS_MAX)
    value &= _LONG_MASK
    return (value >> 1) ^ -(value & 1), position


def _read_long_form(data: bytes, position: int, bits_max: int) -> tuple[int, int]:
    value = shift = 0
    while shift < bits_max:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise CorruptBatch(f"a varint is longer than {bits_max // 7} bytes")


def _in_64_bits(value: int) -> int:
    """Wrap as Java does when it adds to or takes from a timestamp."""
    return ((value - _LONG_MIN) & _LONG_MASK) + _LONG_MIN


def build_batch(
    records: Sequence[Record],
    *,
    base_offset: int,
    partition_leader_epoch: int = -1,
    compression: Compression = Compression.NONE,
    compression_level: int | None = None,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    is_transactional: bool = False,
    is_control: bool = False,
    log_append_time_ms: int | None = None,
    last_offset: int | None = None,
    delete_horizon_ms: int | None = None,
) -> bytearray:
    """Build one batch of at least one record, with offsets that are absolute and ascending.

    With `log_append_time_ms` all records count as appended then. What compaction leaves of a batch keeps the batch's
    `last_offset`, and says by `delete_horizon_ms` from when on its tombstones may go (KIP-534). ProtocolError when the
    records do not fit one batch, MissingCodec when the codec is not installed.
    """
    if not records:
        raise ProtocolError("a batch has at least one record")
    base_timestamp = records[0].timestamp if delete_horizon_ms is None else delete_horizon_ms
    body = _encode_records(records, base_offset, base_timestamp)
    if compression:
        body = compress(compression, body, compression_level)
    attributes = compression | (TRANSACTIONAL_BIT if is_transactional else 0) | (CONTROL_BIT if is_control else 0)
    if log_append_time_ms is not None:
        attributes |= LOG_APPEND_TIME_BIT
    if delete_horizon_ms is not None:
        attributes |= DELETE_HORIZON_BIT
    batch = bytearray(
        HEADER.pack(
            base_offset,
            HEADER_BYTES - LOG_OVERHEAD_BYTES + len(body),
            partition_leader_epoch,
            CURRENT_MAGIC,
            0,
            attributes,
            (records[-1].offset if last_offset is None else last_offset) - base_offset,
            base_timestamp,
            max(map(_timestamp_of, records)) if log_append_time_ms is None else log_append_time_ms,
            producer_id,
            producer_epoch,
            base_sequence,
            len(records),
        )
    )
    batch += body
    batch[CRC_POSITION:ATTRIBUTES_POSITION] = crc32c(memoryview(batch)[ATTRIBUTES_POSITION:]).to_bytes(4, "big")
    return batch


def _encode_records(records: Sequence[Record], base_offset: int, base_timestamp: int) -> bytes | bytearray:
    out = bytearray()
    previous_delta = -1
    for offset, timestamp, key, value, headers in records:
        delta = offset - base_offset
        if not previous_delta < delta <= _INT_MAX:
            raise ProtocolError(f"offset {offset} does not ascend in a batch that begins at {base_offset}")
        previous_delta = delta
        timestamp_delta = timestamp - base_timestamp
        if not _LONG_MIN <= timestamp_delta <= _LONG_MAX:
            timestamp_delta = _in_64_bits(timestamp_delta)
        body = b"".join(
            (
                _NO_ATTRIBUTES,
                varint(timestamp_delta),
                varint(delta),
                _NULL_LENGTH if key is None else varint(len(key)),
                key or b"",
                _NULL_LENGTH if value is None else varint(len(value)),
                value or b"",
                _encode_headers(headers) if headers else _NO_HEADERS,
            )
        )
        out += varint(len(body))
        out += body
    return out


def _encode_headers(headers: tuple[RecordHeader, ...]) -> bytes:
    pieces = [varint(len(headers))]
    for name, value in headers:
        key = name.encode(_UTF8, _UTF8_ERRORS)
        pieces += (varint(len(key)), key)
        pieces += (_NULL_LENGTH,) if value is None else (varint(len(value)), value)
    return b"".join(pieces)


def varint(value: int) -> bytes:
    """Zigzag varint of a signed number of up to 64 bits."""
    if 0 <= value < _SMALL_VALUES:
        return SMALL_VARINTS[value]
    value = ((value << 1) ^ (value >> 63)) & _LONG_MASK
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# The varints that nearly all lengths and offsets in a batch are: 0.1 µs to look up, 0.5 to compute.
_SMALL_VALUES = 0x200
SMALL_VARINTS = [bytes((value << 1,)) for value in range(0x40)]
SMALL_VARINTS += [bytes((value << 1 & 0x7F | 0x80, value >> 6)) for value in range(0x40, _SMALL_VALUES)]
