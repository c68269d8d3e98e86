"""Records and batches: round trips, bytes as Kafka's clients write them, and every kind of lie."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ProtocolError
from ottla.protocol.record_batch import (
    CorruptBatch,
    check_crc,
    read_header,
    read_headers,
    stamp,
    stamp_log_append_time,
)
from ottla.protocol.records import Record, RecordHeader, build_batch, read_records

timestamps = st.integers(0, 2**50)
maybe_bytes = st.none() | st.binary(max_size=20)
headers = st.lists(st.builds(RecordHeader, st.text(max_size=5), maybe_bytes), max_size=3).map(tuple)


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    offset = draw(st.integers(0, 2**40))
    records = []
    for _ in range(draw(st.integers(1, 6))):
        records.append(Record(offset, draw(timestamps), draw(maybe_bytes), draw(maybe_bytes), draw(headers)))
        offset += draw(st.integers(1, 1000))
    return records


@given(record_lists(), st.sampled_from(Compression))
def test_records_come_back(records: list[Record], compression: Compression) -> None:
    batch = build_batch(records, base_offset=records[0].offset, compression=compression)
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert header.size_bytes == len(batch)
    assert header.last_offset == records[-1].offset
    assert list(read_records(batch, 0, header)) == records


@pytest.mark.parametrize("compression", list(Compression), ids=lambda codec: codec.name)
def test_kafka_python_reads_what_we_write(compression: Compression) -> None:
    records = [
        Record(5, 1000, b"k", b"v" * 300, (RecordHeader("h", b"1"), RecordHeader("h", None))),
        Record(7, 900, None, None),
        Record(8, 5000, b"", b""),
    ]
    batch = build_batch(
        records, base_offset=5, compression=compression, producer_id=9, producer_epoch=2, base_sequence=4
    )
    theirs = DefaultRecordBatch(bytes(batch))
    assert theirs.validate_crc()
    assert (theirs.producer_id, theirs.producer_epoch, theirs.base_sequence) == (9, 2, 4)
    read = [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in theirs]
    assert read == [tuple(record) for record in records]


@pytest.mark.parametrize("compression", list(Compression), ids=lambda codec: codec.name)
def test_we_read_what_kafka_python_writes(compression: Compression) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=int(compression),
        is_transactional=1,
        producer_id=7,
        producer_epoch=1,
        base_sequence=3,
        batch_size=100_000,
    )
    builder.append(0, timestamp=10, key=b"a", value=b"x" * 500, headers=[("n", b"1")])
    builder.append(1, timestamp=30, key=None, value=None, headers=[])
    batch = bytes(builder.build())
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert header.is_transactional
    assert header.has_producer_id
    assert header.compression is compression
    assert header.last_sequence == 4
    assert list(read_records(batch, 0, header)) == [
        Record(0, 10, b"a", b"x" * 500, (RecordHeader("n", b"1"),)),
        Record(1, 30, None, None),
    ]


def some_batch(**options: int) -> bytearray:
    return build_batch([Record(0, 10, b"k", b"v"), Record(1, 20, None, b"w")], base_offset=0, **options)  # type: ignore[arg-type]


def test_a_stamp_moves_the_batch_and_keeps_its_crc() -> None:
    batch = some_batch()
    stamp(batch, 0, 1_000_000, 7)
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert (header.base_offset, header.partition_leader_epoch) == (1_000_000, 7)
    assert [record.offset for record in read_records(batch, 0, header)] == [1_000_000, 1_000_001]


def test_log_append_time_covers_every_record() -> None:
    batch = some_batch()
    stamp_log_append_time(batch, 0, read_header(batch), 12345)
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert header.is_log_append_time
    assert [record.timestamp for record in read_records(batch, 0, header)] == [12345, 12345]


def test_sequences_wrap() -> None:
    header = read_header(some_batch(producer_id=1, producer_epoch=0, base_sequence=2**31 - 1))
    assert header.last_sequence == 0
    assert read_header(some_batch()).last_sequence == -1


def test_batches_in_a_row() -> None:
    both = some_batch() + some_batch()
    assert [position for position, _ in read_headers(both)] == [0, len(both) // 2]
    with pytest.raises(CorruptBatch, match="are there"):
        list(read_headers(both[:-1]))


def patched(position: int, value: int, width: int) -> bytearray:
    batch = some_batch()
    batch[position : position + width] = value.to_bytes(width, "big", signed=True)
    return batch


LIES = {
    "magic": patched(16, 1, 1),
    "negative length": patched(8, -1, 4),
    "length below a header": patched(8, 48, 4),
    "length beyond the end": patched(8, 10_000, 4),
    "too many records": patched(57, 3, 4),
    "too few records": patched(57, 1, 4),
    "two billion records": patched(57, 2**31 - 1, 4),
    "negative records": patched(57, -1, 4),
    "codec 7": patched(21, 7, 2),
    "record longer than the batch": patched(61, 100, 1),
    "record shorter than its fields": patched(61, 4, 1),
}


@pytest.mark.parametrize("batch", LIES.values(), ids=LIES.keys())
def test_a_batch_that_lies(batch: bytearray) -> None:
    with pytest.raises(CorruptBatch):
        list(read_records(batch, 0, read_header(batch)))


def test_a_flipped_bit_is_found() -> None:
    batch = some_batch()
    batch[-1] ^= 1
    with pytest.raises(CorruptBatch, match="CRC"):
        check_crc(batch, 0, read_header(batch))


def consume(data: bytes) -> None:
    """Read everything there may be; only ProtocolError may come out."""
    with contextlib.suppress(ProtocolError):
        for position, header in read_headers(data):
            list(read_records(data, position, header))


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    consume(data)


@given(record_lists(), st.sampled_from(Compression), st.data())
def test_mutated_batches(records: list[Record], compression: Compression, data: st.DataObject) -> None:
    batch = build_batch(records, base_offset=records[0].offset, compression=compression)
    for _ in range(data.draw(st.integers(1, 4))):
        batch[data.draw(st.integers(0, len(batch) - 1))] = data.draw(st.integers(0, 255))
    consume(bytes(batch))
    consume(bytes(batch[: data.draw(st.integers(0, len(batch)))]))
