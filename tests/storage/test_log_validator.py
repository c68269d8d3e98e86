"""What a log refuses, each with Kafka's error code and the records at fault, and what it makes of what it takes."""

from __future__ import annotations

import re
import struct

import pytest
from crc32c import crc32c
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.record_batch import check_crc, read_header
from ottla.protocol.records import Record, RecordHeader, build_batch
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.log_config import LogConfig
from ottla.storage.log_validator import check_batch, client_batch, ordinary_batch, stamp_now, validate_records

from .log_home import NOW_MS, producer_batch, records_in

HOUR_MS = 3_600_000
COMPACTED = LogConfig(cleanup_policy=frozenset({"compact"}))


def validated(batch, config=LogConfig(), *, now_ms=NOW_MS):  # noqa: B008 (it is frozen)
    """What would be written for a producer's batch: its records and its header."""
    view = memoryview(batch)
    header = client_batch(view, "t-0")
    check_batch(view[: header.size_bytes], header, "t-0", config, AppendOrigin.CLIENT)
    written, header = validate_records(view[: header.size_bytes], header, name="t-0", config=config, now_ms=now_ms)
    assert read_header(written) == header
    check_crc(written, 0, header)
    return records_in(written), header


def refused(batch, config=LogConfig(), *, named="", now_ms=NOW_MS) -> AppendError:  # noqa: B008
    with pytest.raises(AppendError, match=re.escape(named) or None) as error:
        validated(batch, config, now_ms=now_ms)
    return error.value


def changed(batch, position, form, value) -> bytearray:
    """A batch with one field changed and its CRC made right again."""
    batch = bytearray(batch)
    struct.pack_into(form, batch, position, value)
    struct.pack_into(">I", batch, 17, crc32c(bytes(batch[21:])))
    return batch


class TestOneBatch:
    def test_it_is_taken_as_it_is(self):
        sent = producer_batch(b"a", b"b", headers=(RecordHeader("h", b"1"),))
        before = bytes(sent)
        records, header = validated(sent)
        assert bytes(sent) == before
        assert [record.value for record in records] == [b"a", b"b"]
        assert header == read_header(before)

    def test_two_are_refused(self):
        error = refused(bytes(producer_batch(b"a")) * 2, named="exactly one record batch per partition")
        assert (error.code, error.record_errors) == (ErrorCode.INVALID_RECORD, ())

    @pytest.mark.parametrize("rest", [bytes(11), b"x" * 16, bytes(producer_batch(b"b"))[:-1], b"\xff"])
    def test_what_follows_and_is_no_whole_batch_is_ignored(self, rest):
        records, _ = validated(bytes(producer_batch(b"a")) + rest)
        assert [record.value for record in records] == [b"a"]

    @pytest.mark.parametrize(
        ("rest", "named"),
        [
            (bytes(12), "Record size 0 is less than the minimum"),
            (bytes(80), "Record size 0 is less than the minimum"),
            (b"x" * 17, "Invalid magic found in record: 120"),
        ],
    )
    def test_what_cannot_be_the_beginning_of_one_is_corrupt(self, rest, named):
        """Asked of Apache Kafka 4.3.1: it looks at length and magic before it looks whether the rest is there."""
        assert refused(bytes(producer_batch(b"a")) + rest, named=named).code is ErrorCode.CORRUPT_MESSAGE
        assert refused(rest, named=named).code is ErrorCode.CORRUPT_MESSAGE

    @pytest.mark.parametrize("size", [0, 1, 16, 17, 60, 61, 70])
    def test_none_whole_is_refused(self, size):
        error = refused(bytes(producer_batch(b"a"))[:size], named="must have at least one record batch per partition")
        assert error.code is ErrorCode.INVALID_RECORD


class TestHeader:
    def test_a_wrong_crc(self):
        batch = bytearray(producer_batch(b"a"))
        for position in range(21, len(batch)):
            batch[position] ^= 1
            assert refused(batch, named="in topic partition t-0").code is ErrorCode.CORRUPT_MESSAGE
            batch[position] ^= 1

    @pytest.mark.parametrize("magic", [3, 127, -1])
    def test_an_unknown_magic(self, magic):
        batch = changed(producer_batch(b"a"), 16, ">b", magic)
        error = refused(batch, named=f"Invalid magic found in record: {magic}")
        assert error.code is ErrorCode.CORRUPT_MESSAGE

    @pytest.mark.parametrize("magic", [0, 1])
    def test_an_old_magic(self, magic):
        batch = changed(producer_batch(b"a"), 16, ">b", magic)
        assert refused(batch, named="magic version 2").code is ErrorCode.INVALID_RECORD

    @pytest.mark.parametrize("length", [-1, 0, 13])
    def test_a_length_below_the_least(self, length):
        batch = changed(producer_batch(b"a"), 8, ">i", length)
        error = refused(batch, named=f"Record size {length} is less than the minimum record overhead (14)")
        assert error.code is ErrorCode.CORRUPT_MESSAGE

    @pytest.mark.parametrize("length", [14, 48])
    def test_a_length_below_its_header(self, length):
        assert refused(changed(producer_batch(b"a"), 8, ">i", length)).code is ErrorCode.CORRUPT_MESSAGE

    def test_a_control_batch(self):
        batch = producer_batch(b"\0\0\0\0\0\0", key=b"\0\0\0\1", is_control=True)
        error = refused(batch, named="Clients are not allowed to write control records")
        assert error.code is ErrorCode.INVALID_RECORD

    def test_a_base_offset(self):
        error = refused(producer_batch(b"a", base_offset=5), named="should be 0, but it is 5")
        assert error.code is ErrorCode.INVALID_RECORD

    @pytest.mark.parametrize(
        ("delta", "count", "named"),
        [
            (-1, 1, "Batch has an invalid offset range: [0, -1]"),
            (1, 0, "Invalid reported count for record batch: 0"),
            (1, -2, "Invalid reported count for record batch: -2"),
            (1, 3, "Inconsistent batch offset range [0, 1] and count of records 3"),
            (999, 1000, "cannot hold the 1000 records"),
        ],
    )
    def test_a_count_that_cannot_be(self, delta, count, named):
        batch = changed(changed(producer_batch(b"a", b"b"), 23, ">i", delta), 57, ">i", count)
        error = refused(batch, named=named)
        assert error.code is ErrorCode.INVALID_RECORD

    def test_a_producer_without_sequence(self):
        batch = producer_batch(b"a", producer_id=7, producer_epoch=0, base_sequence=-1)
        error = refused(batch, named="Invalid sequence number -1 in record batch with producerId 7")
        assert error.code is ErrorCode.INVALID_RECORD

    def test_the_limit_of_size_counts_the_whole_batch(self):
        batch = producer_batch(bytes(100))
        validated(batch, LogConfig(max_message_bytes=len(batch)))
        error = refused(
            batch, LogConfig(max_message_bytes=len(batch) - 1), named=f"is {len(batch)} bytes which exceeds"
        )
        assert error.code is ErrorCode.MESSAGE_TOO_LARGE

    def test_only_replication_may_exceed_it(self):
        batch = producer_batch(bytes(100))
        header, config = read_header(batch), LogConfig(max_message_bytes=10)
        check_batch(batch, header, "t-0", config, AppendOrigin.REPLICATION)
        with pytest.raises(AppendError, match="exceeds the maximum"):
            check_batch(batch, header, "t-0", config, AppendOrigin.COORDINATOR)


class TestCreateTime:
    def test_a_timestamp_too_far_ahead(self):
        late = NOW_MS + HOUR_MS + 1
        error = refused(producer_batch(b"a", b"b", b"c", timestamps=[late, NOW_MS, late]), named="invalid timestamp")
        assert error.code is ErrorCode.INVALID_TIMESTAMP
        assert [index for index, _ in error.record_errors] == [0, 2]
        assert error.record_errors[1][1].startswith(f"Timestamp {late} of message with offset 2 is out of range.")

    def test_at_its_limits_it_is_taken(self):
        config = LogConfig(message_timestamp_before_max_ms=1000, message_timestamp_after_max_ms=2000)
        validated(producer_batch(b"a", b"b", timestamps=[NOW_MS - 1000, NOW_MS + 2000]), config)

    def test_a_timestamp_too_old(self):
        config = LogConfig(message_timestamp_before_max_ms=1000)
        error = refused(producer_batch(b"a", b"b", timestamps=[NOW_MS - 1001, NOW_MS]), config)
        assert error.code is ErrorCode.INVALID_TIMESTAMP
        assert error.record_errors == (
            (
                0,
                f"Timestamp {NOW_MS - 1001} of message with offset 0 is out of range. "
                f"The timestamp should be within [{NOW_MS - 1000}, {NOW_MS + HOUR_MS}]",
            ),
        )

    def test_no_timestamp_is_always_in_range(self):
        validated(producer_batch(b"a", timestamps=-1), LogConfig(message_timestamp_before_max_ms=1000))

    def test_also_inside_a_compressed_batch(self):
        batch = producer_batch(b"a", b"b", timestamps=[NOW_MS, NOW_MS + 2 * HOUR_MS], compression=Compression.GZIP)
        assert [index for index, _ in refused(batch).record_errors] == [1]


class TestLogAppendTime:
    CONFIG = LogConfig(message_timestamp_type="LogAppendTime")

    @pytest.mark.parametrize("codec", [Compression.NONE, Compression.GZIP, Compression.ZSTD])
    def test_all_records_get_the_brokers_time(self, codec):
        records, header = validated(producer_batch(b"a", b"b", timestamps=[5, -1], compression=codec), self.CONFIG)
        assert [record.timestamp for record in records] == [NOW_MS, NOW_MS]
        assert (header.max_timestamp, header.is_log_append_time, header.compression) == (NOW_MS, True, codec)

    def test_the_limits_of_timestamps_do_not_apply(self):
        validated(producer_batch(b"a", timestamps=NOW_MS * 2), self.CONFIG)

    @pytest.mark.parametrize("config", [CONFIG, LogConfig(message_timestamp_before_max_ms=10**15)])
    def test_a_producer_may_not_claim_it(self, config):
        batch = producer_batch(b"a", timestamps=-1, log_append_time_ms=-1)
        error = refused(batch, config, named="invalid timestamp")
        assert error.code is ErrorCode.INVALID_TIMESTAMP
        assert "Producer should not set timestamp type to LogAppendTime" in error.record_errors[0][1]

    def test_stamping_keeps_all_else(self):
        batch = producer_batch(b"a", producer_id=3, producer_epoch=1, base_sequence=9, is_transactional=True)
        before = read_header(batch)
        _, after = stamp_now(batch, before, NOW_MS + 5)
        assert after._replace(crc=0, attributes=before.attributes, max_timestamp=0) == before._replace(
            crc=0, max_timestamp=0
        )


class TestCompactedTopic:
    def test_every_record_needs_a_key(self):
        records = [Record(i, NOW_MS, key, b"v") for i, key in enumerate((b"k", None, b"", None))]
        error = refused(build_batch(records, base_offset=0), COMPACTED, named="due to 2 record errors in total")
        assert error.code is ErrorCode.INVALID_RECORD
        message = "Compacted topic cannot accept message without key in topic partition t-0"
        assert error.record_errors == ((1, message), (3, message))

    @pytest.mark.parametrize("codec", [Compression.GZIP, Compression.ZSTD])
    def test_also_in_a_compressed_batch(self, codec):
        validated(producer_batch(b"a", compression=codec), COMPACTED)
        assert refused(producer_batch(b"a", key=None, compression=codec), COMPACTED).record_errors[0][0] == 0

    def test_a_bad_timestamp_beside_it_decides_the_code(self):
        records = [Record(0, NOW_MS, None, b"v"), Record(1, NOW_MS * 2, b"k", b"v")]
        error = refused(build_batch(records, base_offset=0), COMPACTED)
        assert error.code is ErrorCode.INVALID_TIMESTAMP
        assert [index for index, _ in error.record_errors] == [0, 1]

    def test_a_topic_that_is_not_takes_records_without_key(self):
        validated(producer_batch(b"a", key=None))

    def test_records_that_are_not_what_the_header_counts_are_refused(self):
        batch = bytearray(producer_batch(b"a", b"b"))
        batch[61] ^= 0x40
        struct.pack_into(">I", batch, 17, crc32c(bytes(batch[21:])))
        assert refused(batch, COMPACTED).code is ErrorCode.INVALID_RECORD


class TestRecompression:
    @pytest.mark.parametrize("sent", [Compression.NONE, Compression.GZIP, Compression.SNAPPY])
    @pytest.mark.parametrize("wanted", ["uncompressed", "gzip", "lz4", "zstd"])
    def test_the_topics_codec_is_what_is_written(self, sent, wanted):
        options = {"producer_id": 7, "producer_epoch": 2, "base_sequence": 5, "is_transactional": True}
        batch = producer_batch(
            b"a" * 200,
            b"b",
            timestamps=[NOW_MS, NOW_MS - 5],
            compression=sent,
            headers=(RecordHeader("h", None),),
            **options,
        )
        records, header = validated(batch, LogConfig(compression_type=wanted))
        assert records == records_in(batch)
        assert header.compression.name.lower() == {"uncompressed": "none"}.get(wanted, wanted)
        assert header._replace(crc=0, attributes=0, batch_length=0) == read_header(batch)._replace(
            crc=0, attributes=0, batch_length=0
        )
        assert header.is_transactional

    @pytest.mark.parametrize("codec", ["gzip", "zstd"])
    def test_the_topics_level_is_used(self, codec):
        text = b" ".join(b"%d" % (number * number) for number in range(2000))
        fast = LogConfig(compression_type=codec, compression_gzip_level=1, compression_zstd_level=-5)
        small = LogConfig(compression_type=codec, compression_gzip_level=9, compression_zstd_level=15)
        sizes = [validated(producer_batch(text), config)[1].size_bytes for config in (fast, small)]
        assert sizes[0] > sizes[1]

    def test_offsets_inside_the_batch_are_counted_again(self):
        batch = bytearray(build_batch([Record(5, NOW_MS, b"k", b"v"), Record(7, NOW_MS, b"k", b"w")], base_offset=5))
        struct.pack_into(">q", batch, 0, 0)
        records, _ = validated(changed(batch, 23, ">i", 1), LogConfig(compression_type="gzip"))
        assert [(record.offset, record.value) for record in records] == [(0, b"v"), (1, b"w")]

    def test_producer_keeps_the_producers(self):
        batch = producer_batch(b"a" * 200, compression=Compression.GZIP)
        _, header = validated(batch, LogConfig(compression_type="producer"))
        assert header == read_header(batch)

    def test_with_the_brokers_time(self):
        config = LogConfig(compression_type="gzip", message_timestamp_type="LogAppendTime")
        records, header = validated(producer_batch(b"a", timestamps=5), config)
        assert (records[0].timestamp, header.is_log_append_time) == (NOW_MS, True)

    def test_a_batch_that_grows_beyond_the_limit_is_refused(self):
        batch = producer_batch(b"a" * 10_000, compression=Compression.GZIP)
        error = refused(batch, LogConfig(compression_type="uncompressed", max_message_bytes=5000))
        assert error.code is ErrorCode.MESSAGE_TOO_LARGE

    def test_records_are_checked_as_well(self):
        batch = producer_batch(b"a", timestamps=NOW_MS * 2)
        assert refused(batch, LogConfig(compression_type="gzip")).code is ErrorCode.INVALID_TIMESTAMP

    @pytest.mark.parametrize("codec", [5, 6, 7])
    def test_a_codec_that_does_not_exist_is_refused(self, codec):
        error = refused(changed(producer_batch(b"a"), 21, ">h", codec), named=f"Unknown compression type id: {codec}")
        assert error.code is ErrorCode.UNKNOWN_SERVER_ERROR


class TestTheShortWay:
    """`ordinary_batch` takes nothing that the long way would refuse or change, and all that is ordinary."""

    FIELDS = ((0, ">q"), (8, ">i"), (16, ">b"), (21, ">h"), (23, ">i"), (35, ">q"), (43, ">q"), (53, ">i"), (57, ">i"))
    CONFIGS = (
        LogConfig(),
        COMPACTED,
        LogConfig(message_timestamp_type="LogAppendTime"),
        LogConfig(message_timestamp_before_max_ms=HOUR_MS),
        LogConfig(compression_type="gzip"),
        LogConfig(compression_type="uncompressed"),
        LogConfig(max_message_bytes=100),
        LogConfig(message_timestamp_after_max_ms=0),
    )

    @pytest.mark.parametrize("config", CONFIGS)
    @pytest.mark.parametrize("codec", [Compression.NONE, Compression.LZ4])
    def test_it_agrees_with_the_long_way(self, config, codec):
        whole = bytes(producer_batch(b"a" * 30, b"b", compression=codec))
        batches = [whole, *(whole[:size] for size in range(len(whole))), whole + b"x", whole * 2]
        broken = bytearray(whole)
        broken[-1] ^= 1
        batches.append(broken)
        for position, form in self.FIELDS:
            for value in (-2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 16, 32, 64, 127):
                batches.append(changed(whole, position, form, value))
        for offset_ms in (-2 * HOUR_MS, -1, 0, 1, HOUR_MS, HOUR_MS + 1):
            batches.append(changed(whole, 35, ">q", NOW_MS + offset_ms))
        taken = 0
        for batch in batches:
            header = ordinary_batch(memoryview(bytearray(batch)), config, NOW_MS)
            if header is not None:
                taken += 1
                sent = bytes(batch)
                written, expected = long_way(bytearray(batch), config)
                assert (bytes(written), expected) == (sent, header)
        assert (taken > 10) == (config == LogConfig() or config.message_timestamp_after_max_ms == 0)

    @pytest.mark.parametrize("idempotent", [False, True])
    def test_the_ordinary_goes_it(self, idempotent):
        about = {"producer_id": 7, "producer_epoch": 1, "base_sequence": 3} if idempotent else {}
        for codec in Compression:
            batch = producer_batch(b"a" * 100, b"b", compression=codec, **about)
            assert ordinary_batch(memoryview(batch), LogConfig(), NOW_MS) == read_header(batch)


def long_way(batch, config):
    view = memoryview(batch)
    header = client_batch(view, "t-0")
    view = view[: header.size_bytes]
    check_batch(view, header, "t-0", config, AppendOrigin.CLIENT)
    return validate_records(view, header, name="t-0", config=config, now_ms=NOW_MS)
