"""A batch seen from its header: fields, CRC, what is stamped in place, and headers that lie."""

from __future__ import annotations

import pytest
from ottla.protocol.compression import Compression
from ottla.protocol.record_batch import (
    HEADER_BYTES,
    BatchHeader,
    CorruptBatch,
    check_crc,
    read_header,
    read_headers,
    stamp,
    stamp_log_append_time,
)
from ottla.protocol.records import Record, build_batch, read_records


def some_batch(**options: int) -> bytearray:
    return build_batch([Record(0, 10, b"k", b"v"), Record(1, 20, None, b"w")], base_offset=0, **options)  # type: ignore[arg-type]


def test_every_field_of_a_header() -> None:
    batch = build_batch(
        [Record(100, 10, b"k", b"v"), Record(107, 7, None, None)],
        base_offset=99,
        partition_leader_epoch=3,
        compression=Compression.GZIP,
        producer_id=11,
        producer_epoch=2,
        base_sequence=5,
        is_transactional=True,
        is_control=True,
    )
    header = read_header(b"before" + batch, 6)
    assert header == BatchHeader(
        base_offset=99,
        batch_length=len(batch) - 12,
        partition_leader_epoch=3,
        magic=2,
        crc=int.from_bytes(batch[17:21], "big"),
        attributes=0b110001,
        last_offset_delta=8,
        base_timestamp=10,
        max_timestamp=10,
        producer_id=11,
        producer_epoch=2,
        base_sequence=5,
        record_count=2,
    )
    assert header.size_bytes == len(batch)
    assert (header.last_offset, header.next_offset, header.last_sequence) == (107, 108, 13)
    assert header.compression is Compression.GZIP
    assert header.is_transactional
    assert header.is_control
    assert header.has_producer_id
    assert not header.is_log_append_time
    assert not header.has_delete_horizon
    check_crc(b"before" + batch, 6, header)


def test_a_header_of_flags() -> None:
    header = read_header(some_batch())._replace(attributes=0x48)
    assert header.is_log_append_time
    assert header.has_delete_horizon
    assert not header.is_transactional
    assert not header.is_control
    assert not header.has_producer_id


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


def test_a_flipped_bit_is_found() -> None:
    batch = some_batch()
    batch[-1] ^= 1
    with pytest.raises(CorruptBatch, match="CRC"):
        check_crc(batch, 0, read_header(batch))


def test_no_bit_behind_the_crc_flips_unseen() -> None:
    batch = some_batch()
    header = read_header(batch)
    for position in range(21, len(batch)):
        broken = bytearray(batch)
        broken[position] ^= 0x10
        with pytest.raises(CorruptBatch, match="CRC"):
            check_crc(broken, 0, header)


def test_the_crc_of_a_batch_that_is_not_whole() -> None:
    batch = some_batch()
    with pytest.raises(CorruptBatch, match="are there"):
        check_crc(batch[:-1], 0, read_header(batch))


@pytest.mark.parametrize("length", [0, 1, 16, 17, HEADER_BYTES - 1])
def test_less_than_a_header(length: int) -> None:
    with pytest.raises(CorruptBatch, match="61 bytes"):
        read_header(some_batch()[:length])
    with pytest.raises(CorruptBatch, match="61 bytes"):
        read_header(some_batch(), len(some_batch()) - length)


@pytest.mark.parametrize("magic", [-128, 0, 1, 3])
def test_other_magics(magic: int) -> None:
    batch = some_batch()
    batch[16:17] = magic.to_bytes(1, "big", signed=True)
    with pytest.raises(CorruptBatch, match="magic"):
        read_header(batch)


@pytest.mark.parametrize("length", [-(2**31), -12, -1, 0, 48])
def test_lengths_that_no_batch_has(length: int) -> None:
    batch = some_batch()
    batch[8:12] = length.to_bytes(4, "big", signed=True)
    with pytest.raises(CorruptBatch, match="less than its header"):
        list(read_headers(batch))


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_codecs_that_do_not_exist(codec: int) -> None:
    header = read_header(some_batch())._replace(attributes=codec)
    with pytest.raises(CorruptBatch, match=f"compression {codec}"):
        _ = header.compression


def test_stamps_write_into_a_view() -> None:
    two = memoryview(some_batch() + some_batch())
    second = len(two) // 2
    stamp(two, second, 55, 6)
    stamp_log_append_time(two, second, read_header(two, second), 777)
    first_header, header = (header for _, header in read_headers(two))
    assert first_header == read_header(some_batch())
    assert (header.base_offset, header.partition_leader_epoch, header.max_timestamp) == (55, 6, 777)
    check_crc(two, second, header)
    assert [record.offset for record in read_records(two, second, header)] == [55, 56]
