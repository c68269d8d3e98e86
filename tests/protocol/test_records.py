"""Records in batches: round trips, bytes as kafka-python writes them, and every kind of lie."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from ottla.protocol.compression import Compression, DecompressionError, compress
from ottla.protocol.errors import ProtocolError
from ottla.protocol.record_batch import (
    CorruptBatch,
    check_crc,
    read_header,
    read_headers,
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


def test_the_bytes_are_those_of_kafka_python() -> None:
    records = [
        Record(index, 1_700_000_000_000 + delta, key, value, (RecordHeader("h\u00e4", b"1"), RecordHeader("", None)))
        for index, (delta, key, value) in enumerate(
            [(0, None, b"v"), (-70, b"", None), (64, b"k" * 63, b"v" * 64), (2**40, b"k" * 8191, b"v" * 8192)]
        )
    ]
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=2**60,
        producer_epoch=32767,
        base_sequence=2**31 - 1,
        batch_size=100_000,
    )
    for record in records:
        builder.append(*record)
    ours = build_batch(
        records,
        base_offset=0,
        partition_leader_epoch=0,
        producer_id=2**60,
        producer_epoch=32767,
        base_sequence=2**31 - 1,
        is_transactional=True,
    )
    assert ours == builder.build()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=5))
def test_any_timestamp_comes_back(timestamps: list[int]) -> None:
    records = [Record(offset, timestamp, None, None) for offset, timestamp in enumerate(timestamps)]
    batch = build_batch(records, base_offset=0)
    assert list(read_records(batch, 0, read_header(batch))) == records


def test_timestamps_wrap_as_in_kafka() -> None:
    batch = build_batch([Record(0, 0, None, None), Record(1, 2**63 - 1, None, None)], base_offset=0)
    later = read_header(batch)._replace(base_timestamp=3)
    assert [record.timestamp for record in read_records(batch, 0, later)] == [3, -(2**63) + 2]


def test_offsets_span_a_whole_batch() -> None:
    records = [Record(10, 0, None, None), Record(10 + 2**31 - 1, 0, None, None)]
    batch = build_batch(records, base_offset=10)
    assert [record.offset for record in read_records(batch, 0, read_header(batch))] == [10, 10 + 2**31 - 1]


@pytest.mark.parametrize("offsets", [[], [5, 5], [6, 5], [4], [5, 5 + 2**31]])
def test_offsets_that_fit_no_batch(offsets: list[int]) -> None:
    with pytest.raises(ProtocolError):
        build_batch([Record(offset, 0, None, None) for offset in offsets], base_offset=5)


def test_header_keys_that_are_not_utf8_survive() -> None:
    batch = build_batch([Record(0, 0, None, None, (RecordHeader("\udcff", b""),))], base_offset=0)
    assert b"\x02\xff\x00" in batch
    [record] = read_records(batch, 0, read_header(batch))
    assert record.headers == (RecordHeader("\udcff", b""),)


def test_records_are_read_lazily() -> None:
    batch = build_batch([Record(0, 0, b"k", b"v"), Record(1, 0, b"k", b"v")], base_offset=0)
    batch[-1] = 0x7F
    records = read_records(batch, 0, read_header(batch))
    assert next(records) == Record(0, 0, b"k", b"v")
    with pytest.raises(CorruptBatch):
        next(records)


@pytest.mark.parametrize("append_time", [None, 9_000])
def test_what_compaction_leaves_of_a_batch(append_time: int | None) -> None:
    records = [Record(11, 7_000, b"k", None), Record(13, 6_000, b"l", b"v")]
    batch = build_batch(
        records, base_offset=10, last_offset=19, delete_horizon_ms=500_000, log_append_time_ms=append_time
    )
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert (header.base_offset, header.last_offset, header.record_count) == (10, 19, 2)
    assert header.has_delete_horizon
    assert header.base_timestamp == 500_000
    assert header.max_timestamp == (append_time or 7_000)
    expected = records if append_time is None else [record._replace(timestamp=append_time) for record in records]
    assert list(read_records(batch, 0, header)) == expected


def test_a_batch_whose_records_were_compacted_away() -> None:
    batch = patched(57, 0, 4)
    assert list(read_records(batch, 0, read_header(batch))) == []


def some_batch(**options: int) -> bytearray:
    return build_batch([Record(0, 10, b"k", b"v"), Record(1, 20, None, b"w")], base_offset=0, **options)  # type: ignore[arg-type]


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


def batch_of(body: bytes, record_count: int = 1, compression: Compression = Compression.NONE) -> bytearray:
    """A batch around records that are made by hand."""
    batch = build_batch([Record(0, 0, None, None)], base_offset=0)
    block = compress(compression, body)
    return bytearray(
        batch[:8]
        + (len(block) + 49).to_bytes(4, "big")
        + batch[12:21]
        + int(compression).to_bytes(2, "big")
        + batch[23:57]
        + record_count.to_bytes(4, "big")
        + block
    )


GOOD_RECORD = bytes([2 * 6, 0, 0, 0, 1, 1, 0])
BROKEN_RECORDS = {
    "nothing at all": b"",
    "a negative length": bytes([1, 0, 0, 0, 1, 1, 0]),
    "a length of nothing": bytes([0, 0, 0, 0, 1, 1, 0]),
    "a key longer than the record": bytes([2 * 6, 0, 0, 0, 2 * 60, 1, 0]),
    "a key longer than two billion": bytes([2 * 6, 0, 0, 0]) + b"\xfe\xff\xff\xff\x0f" + bytes(2),
    "a value that reaches into the next record": bytes([2 * 6, 0, 0, 0, 1, 2, 0]) + GOOD_RECORD,
    "a negative number of headers": bytes([2 * 6, 0, 0, 0, 1, 1, 1]),
    "a header that is not there": bytes([2 * 6, 0, 0, 0, 1, 1, 2]),
    "two billion headers": bytes([2 * 10, 0, 0, 0, 1, 1]) + b"\xfe\xff\xff\xff\x0f",
    "a header without a key": bytes([2 * 8, 0, 0, 0, 1, 1, 2, 1, 1]),
    "a header key beyond the record": bytes([2 * 8, 0, 0, 0, 1, 1, 2, 80, 1]),
    "bytes behind its headers": bytes([2 * 8, 0, 0, 0, 1, 1, 0, 0, 0]),
    "a varint of six bytes": bytes([2 * 11, 0, 0]) + b"\x80\x80\x80\x80\x80\x00" + bytes([1, 1, 0]),
    "a varlong of eleven bytes": bytes([2 * 16, 0]) + b"\x80" * 10 + bytes([0, 0, 1, 1, 0]),
    "bytes behind the last record": GOOD_RECORD + b"\x00",
    "another record than was counted": GOOD_RECORD * 2,
}


def test_the_record_made_by_hand_is_good() -> None:
    for compression in Compression:
        batch = batch_of(GOOD_RECORD, compression=compression)
        assert list(read_records(batch, 0, read_header(batch))) == [Record(0, 0, None, None)]


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP, Compression.ZSTD], ids=lambda c: c.name)
@pytest.mark.parametrize("body", BROKEN_RECORDS.values(), ids=BROKEN_RECORDS.keys())
def test_a_record_that_lies(body: bytes, compression: Compression) -> None:
    batch = batch_of(body, compression=compression)
    with pytest.raises(CorruptBatch):
        list(read_records(batch, 0, read_header(batch)))


@pytest.mark.parametrize("compression", list(Compression), ids=lambda codec: codec.name)
def test_every_prefix_of_the_records_is_refused(compression: Compression) -> None:
    records = [Record(index, index, b"key", b"value" * index, (RecordHeader("h", b"1"),)) for index in range(10)]
    batch = build_batch(records, base_offset=0, compression=compression)
    for length in range(61, len(batch)):
        shorter = batch[:length]
        shorter[8:12] = (length - 12).to_bytes(4, "big")
        with pytest.raises(ProtocolError):
            list(read_records(shorter, 0, read_header(shorter)))


@pytest.mark.parametrize("compression", [codec for codec in Compression if codec], ids=lambda codec: codec.name)
def test_a_bomb_is_not_unpacked(compression: Compression) -> None:
    batch = batch_of(bytes(5_000_000), compression=compression)
    with pytest.raises(DecompressionError, match="beyond 1000000 bytes"):
        list(read_records(batch, 0, read_header(batch), limit_bytes=1_000_000))


def test_lies_allocate_nothing() -> None:
    batches = [batch_of(body, count) for body in BROKEN_RECORDS.values() for count in (1, 2**31 - 1)]
    tracemalloc.start()
    try:
        for batch in batches:
            consume(bytes(batch))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


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
