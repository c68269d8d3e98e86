"""Produce."""

from __future__ import annotations

import struct

from ottla.protocol.compression import Compression, compress
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from ottla.protocol.records import Record, RecordHeader, build_batch

from ..case import RawBody, Unanswered, versions
from ..world import NOW_MS, UNKNOWN_ID, Producer, Topic, batch, produce_request

API = ProduceRequest
_DAY_MS = 86_400_000


def _fetched(topic):
    wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1 << 20,
        topics=[FetchTopic(topic=topic.name, topic_id=topic.id, partitions=[wanted])],
    )


def _data(*partitions):
    return [PartitionProduceData(index=index, records=records) for index, records in partitions]


def _request(*topics, acks=-1, **said):
    data = [TopicProduceData(name=t.name, topic_id=t.id, partition_data=partitions) for t, partitions in topics]
    return ProduceRequest(acks=acks, timeout_ms=30_000, topic_data=data, **said)


def one_batch(w):
    topic = w.topic()
    yield produce_request(topic, batch(b"one", b"two"))
    yield produce_request(topic, batch(b"three"))
    yield _fetched(topic)


def with_one_ack(w):
    yield produce_request(w.topic(), batch(b"one"), acks=1)


def without_acks(w):
    topic = w.topic()
    yield Unanswered(produce_request(topic, batch(b"one"), acks=0))
    yield produce_request(topic, batch(b"two"))
    yield _fetched(topic)


def without_acks_to_an_unknown_partition(w):
    topic = w.topic()
    yield Unanswered(produce_request(topic, batch(b"one"), acks=0, partition=5))
    yield produce_request(topic, batch(b"two"))


def acks_that_are_not_valid(w):
    topic = w.topic()
    for acks in (2, -2, 100):
        yield produce_request(topic, batch(b"one"), acks=acks)


def several_partitions_and_topics(w):
    first, second = w.topic("a", 2), w.topic("b")
    yield _request(
        (first, _data((0, batch(b"1")), (1, batch(b"2", b"3")))),
        (second, _data((0, batch(b"4")))),
    )


def known_and_unknown_partitions(w):
    topic = w.topic()
    yield _request((topic, _data((0, batch(b"1")), (7, batch(b"2")))))
    yield produce_request(topic, batch(b"x"), partition=-1)


def an_unknown_topic(w):
    yield produce_request(Topic(w.name("none"), UNKNOWN_ID), batch(b"one"))


def known_and_unknown_topics(w):
    unknown = Topic(w.name("none"), UNKNOWN_ID)
    yield _request((w.topic(), _data((0, batch(b"1")))), (unknown, _data((0, batch(b"2")))))


@versions("13+")
def a_topic_without_an_id(w):
    yield produce_request(Topic("", bytes(16)), batch(b"one"))


def no_topics(w):
    yield _request()


def no_partitions(w):
    yield _request((w.topic(), []))


def no_records(w):
    yield produce_request(w.topic(), b"")


def a_broken_checksum(w):
    topic = w.topic()
    broken = batch(b"one")
    broken[20] ^= 1
    yield produce_request(topic, broken)
    broken = batch(b"one")
    broken[-1] ^= 1
    yield produce_request(topic, broken)


def two_batches(w):
    yield produce_request(w.topic(), batch(b"one") + batch(b"two"))


def a_torn_batch(w):
    topic = w.topic()
    yield produce_request(topic, batch(b"one")[:-1])
    yield produce_request(topic, batch(b"one")[:30])
    yield produce_request(topic, batch(b"one") + b"\x00" * 5)


def lengths_that_lie(w):
    topic = w.topic()
    for length in (0, 13, 48, 49, 1 << 20, -1):
        lying = batch(b"one")
        lying[8:12] = struct.pack(">i", length)
        yield produce_request(topic, lying)
        yield produce_request(topic, batch(b"one") + lying)


def old_formats(w):
    topic = w.topic()
    for magic in (0, 1, 3, 127):
        old = batch(b"one")
        old[16] = magic
        yield produce_request(topic, old)


def a_control_batch(w):
    yield produce_request(w.topic(), batch(b"\x00\x00\x00\x00", is_control=True))


def a_transactional_batch_of_nobody(w):
    yield produce_request(w.topic(), batch(b"one", is_transactional=True))


def an_unknown_compression(w):
    topic = w.topic()
    for codec in (5, 6, 7):
        wrong = build_batch([Record(0, NOW_MS, None, b"x")], base_offset=0)
        wrong[22] |= codec
        yield produce_request(topic, _with_checksum(wrong))


def _with_checksum(records):
    from crc32c import crc32c

    records[17:21] = crc32c(memoryview(records)[21:]).to_bytes(4, "big")
    return records


@versions("13+")
def compressed_bytes_that_are_broken(w):
    topic = w.topic()
    for codec in _CODECS:
        for block in (b"", b"\x00" * 20, b"nonsense"):
            yield produce_request(topic, _compressed(block, codec))
        whole = bytes(batch(b"one" * 50, b"two" * 50, compression=codec))[61:]
        for block in (whole[:-1], whole[: len(whole) // 2], whole + b"\x00"):
            yield produce_request(topic, _compressed(block, codec))


@versions("13+")
def compressed_records_that_are_broken(w):
    topic = w.topic()
    one = bytes(batch(b"one"))[61:]
    for codec in _CODECS:
        for plain, count in ((one[:-1], 1), (one, 2), (one + one, 1), (one + b"\x00", 1), (b"\x7f" + one[1:], 1)):
            yield produce_request(topic, _compressed(compress(codec, plain), codec, count))


@versions("13+")
def broken_zstd(w):
    topic = w.topic()
    whole = bytes(batch(b"one" * 50, b"two" * 50, compression=Compression.ZSTD))[61:]
    for block in (b"", b"nonsense", whole[:-1], whole[: len(whole) // 2], whole + b"\x00"):
        yield produce_request(topic, _compressed(block, Compression.ZSTD))
    yield produce_request(topic, _compressed(compress(Compression.ZSTD, b"\x7f"), Compression.ZSTD))


@versions("13+")
def records_that_are_broken(w):
    topic = w.topic()
    one = bytes(batch(b"one"))[61:]
    for plain, count in ((one[:-1], 1), (one + one, 1), (one + b"\x00", 1), (b"\x7f" + one[1:], 1), (b"\x01" * 40, 1)):
        yield produce_request(topic, _compressed(plain, Compression.NONE, count))


_CODECS = (Compression.GZIP, Compression.SNAPPY, Compression.LZ4)


def _compressed(block, codec, count=1):
    """A batch whose header is right and whose records are what is given."""
    head = bytearray(bytes(batch(*[b"x"] * count))[:61])
    head[8:12] = struct.pack(">i", 49 + len(block))
    head[22] |= codec
    return _with_checksum(head + block)


def every_compression(w):
    topic = w.topic()
    for codec in (Compression.GZIP, Compression.SNAPPY, Compression.LZ4):
        yield produce_request(topic, batch(b"one", b"two", compression=codec))
    yield _fetched(topic)


def zstd(w):
    yield produce_request(w.topic(), batch(b"one", b"two", compression=Compression.ZSTD))


def a_topic_that_compresses(w):
    topic = w.topic(compression_type="gzip")
    yield produce_request(topic, batch(b"one", b"two"))
    yield produce_request(topic, batch(b"one", b"two", compression=Compression.LZ4))


def a_topic_that_does_not_compress(w):
    topic = w.topic(compression_type="uncompressed")
    yield produce_request(topic, batch(b"one", b"two", compression=Compression.GZIP))
    yield _fetched(topic)


def headers_and_keys(w):
    topic = w.topic()
    headers = (RecordHeader("a", b"1"), RecordHeader("a", None), RecordHeader("", b""))
    records = [Record(0, NOW_MS, b"", None, headers), Record(1, NOW_MS, None, b"", ())]
    yield produce_request(topic, build_batch(records, base_offset=0))
    yield _fetched(topic)


def a_base_offset_that_is_not_zero(w):
    topic = w.topic()
    yield produce_request(topic, batch(b"one", base_offset=77, partition_leader_epoch=9))
    yield _fetched(topic)


def a_batch_of_no_records(w):
    empty = batch(b"one")[:61]
    empty[8:12] = struct.pack(">i", 49)
    empty[57:61] = struct.pack(">i", 0)
    yield produce_request(w.topic(), _with_checksum(empty))


def counts_that_lie(w):
    topic = w.topic()
    for last_delta, count in ((1, 1), (0, 2), (5, 1), (-1, 1), (0, -1)):
        lying = batch(b"one")
        lying[23:27] = struct.pack(">i", last_delta)
        lying[57:61] = struct.pack(">i", count)
        yield produce_request(topic, _with_checksum(lying))


def more_than_the_topic_takes(w):
    topic = w.topic(max_message_bytes="100")
    yield produce_request(topic, batch(b"x" * 20))
    yield produce_request(topic, batch(b"x" * 100))


def a_batch_as_large_as_the_topic_takes(w):
    size = len(batch(b"x" * 20))
    topic = w.topic(max_message_bytes=str(size))
    yield produce_request(topic, batch(b"x" * 20))
    yield produce_request(topic, batch(b"x" * 21))


def more_than_a_segment_takes(w):
    topic = w.topic(segment_bytes=str(1 << 20), max_message_bytes=str(3 << 20))
    yield produce_request(topic, batch(b"x" * (3 << 19)))
    yield produce_request(topic, batch(b"x"))


def no_key_for_a_compacted_topic(w):
    topic = w.topic(cleanup_policy="compact")
    yield produce_request(topic, batch(b"one"))
    yield produce_request(topic, batch(b"one", b"two", key=b"k"))
    mixed = [Record(0, NOW_MS, b"k", b"v"), Record(1, NOW_MS, None, b"v"), Record(2, NOW_MS, None, b"v")]
    yield produce_request(topic, build_batch(mixed, base_offset=0))
    yield produce_request(topic, batch(None, key=b"k"))


def the_time_of_the_append(w):
    topic = w.topic(message_timestamp_type="LogAppendTime")
    yield produce_request(topic, batch(b"one", timestamp=1000))
    yield _fetched(topic)


def records_that_claim_the_time_of_the_append(w):
    yield produce_request(w.topic(), batch(b"one", log_append_time_ms=NOW_MS))


def times_that_are_not_valid(w):
    topic = w.topic(message_timestamp_before_max_ms="1000", message_timestamp_after_max_ms="1000")
    yield produce_request(topic, batch(b"old", timestamp=NOW_MS - _DAY_MS))
    yield produce_request(topic, batch(b"early", timestamp=NOW_MS + _DAY_MS))


def times_beyond_the_defaults(w):
    topic = w.topic()
    for timestamp in (0, -1, 1000, NOW_MS + 3_000_000, NOW_MS + 2 * _DAY_MS):
        yield produce_request(topic, batch(b"x", timestamp=timestamp))


def more_replicas_wanted_than_there_are(w):
    topic = w.topic(min_insync_replicas="2")
    yield produce_request(topic, batch(b"x"))
    yield produce_request(topic, batch(b"x"), acks=1)


def an_internal_topic(w):
    yield produce_request(_named(w, "__consumer_offsets"), batch(b"x"))


def _named(w, name):
    from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

    [found] = w.ask(MetadataRequest(topics=[MetadataRequestTopic(name=name)])).topics
    w.ids.setdefault(found.topic_id, name)
    return Topic(name, found.topic_id)


# Idempotent producers


def sequences_in_order(w):
    topic, producer = w.topic(), w.producer()
    yield produce_request(topic, batch(b"0", b"1", producer=producer, sequence=0))
    yield produce_request(topic, batch(b"2", producer=producer, sequence=2))
    yield _fetched(topic)


def duplicates(w):
    topic, producer = w.topic(), w.producer()
    for sequence in range(7):
        yield produce_request(topic, batch(b"x", producer=producer, sequence=sequence))
    for sequence in (6, 5, 2, 1, 0):
        yield produce_request(topic, batch(b"x", producer=producer, sequence=sequence))
    yield _fetched(topic)


def gaps(w):
    topic, producer = w.topic(), w.producer()
    yield produce_request(topic, batch(b"x", producer=producer, sequence=0))
    yield produce_request(topic, batch(b"x", producer=producer, sequence=2))
    yield produce_request(topic, batch(b"x", producer=producer, sequence=1))


def a_first_sequence_that_is_not_zero(w):
    topic, producer = w.topic(), w.producer()
    yield produce_request(topic, batch(b"x", producer=producer, sequence=5))
    yield produce_request(topic, batch(b"x", producer=producer, sequence=6))


def sequences_that_wrap(w):
    topic, producer = w.topic(), w.producer()
    yield produce_request(topic, batch(b"x", b"y", producer=producer, sequence=2**31 - 2))
    yield produce_request(topic, batch(b"z", producer=producer, sequence=0))
    topic = w.topic("second")
    yield produce_request(topic, batch(b"x", b"y", producer=producer, sequence=2**31 - 1))
    yield produce_request(topic, batch(b"z", producer=producer, sequence=1))


def overlapping_duplicates(w):
    topic, producer = w.topic(), w.producer()
    yield produce_request(topic, batch(b"0", b"1", b"2", producer=producer, sequence=0))
    yield produce_request(topic, batch(b"1", b"2", producer=producer, sequence=1))
    yield produce_request(topic, batch(b"2", b"3", producer=producer, sequence=2))
    yield produce_request(topic, batch(b"0", b"1", producer=producer, sequence=0))


def epochs(w):
    topic, producer = w.topic(), w.producer()
    yield produce_request(topic, batch(b"x", producer=Producer(producer.id, 3), sequence=0))
    yield produce_request(topic, batch(b"x", producer=Producer(producer.id, 2), sequence=1))
    yield produce_request(topic, batch(b"x", producer=Producer(producer.id, 4), sequence=5))
    yield produce_request(topic, batch(b"x", producer=Producer(producer.id, 4), sequence=0))
    yield produce_request(topic, batch(b"x", producer=Producer(producer.id, 3), sequence=1))


def producers_that_nobody_knows(w):
    topic = w.topic()
    yield produce_request(topic, batch(b"x", producer=Producer(4_000_000, 0), sequence=0))


def halves_of_a_producer(w):
    topic = w.topic()
    yield produce_request(topic, batch(b"x", producer=Producer(1, -1), sequence=0))
    yield produce_request(topic, batch(b"x", producer=Producer(1, 0), sequence=-1))
    yield produce_request(topic, batch(b"x", producer=Producer(-1, 0), sequence=0))


# Transactional batches


def a_batch_in_no_transaction(w):
    topic, name = w.topic(), w.transactional_id()
    producer = w.producer(name)
    records = batch(b"x", producer=producer, is_transactional=True)
    yield produce_request(topic, records, transactional_id=name)
    yield produce_request(topic, records)
    yield produce_request(topic, records, transactional_id=w.transactional_id("other"))
    yield produce_request(topic, records, transactional_id="")


def a_plain_batch_with_a_transactional_id(w):
    topic, name = w.topic(), w.transactional_id()
    yield produce_request(topic, batch(b"x"), transactional_id=name)
    yield produce_request(topic, batch(b"x", producer=w.producer()), transactional_id=name)


def a_torn_body(w):
    yield RawBody(ProduceRequest, w.version, b"\xff\xff\x00")
