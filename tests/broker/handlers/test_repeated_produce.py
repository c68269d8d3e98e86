"""What answers repeated produce requests says and writes exactly what `produce.handle` does, or leaves them to it."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.broker.handlers.repeated import KNOWN_MAX
from ottla.broker.handlers.repeated_produce import RepeatedProduces
from ottla.broker.request import Deferred, RequestContext
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import decode
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.headers import read_request_head
from ottla.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)

from ..connections import connection_info
from ..data_broker import DataBroker, batch
from . import two_ways
from .two_ways import TOPIC, TOPIC_RESOURCE, TwoWays

VERSIONS = range(7, 14)


def producing(broker, records, *, topic=TOPIC, version=12, acks=-1, partition=0, **fields):
    """A request with one batch."""
    names = {"topic_id": broker.topic_id(topic)} if version >= 13 else {"name": topic}
    data = [PartitionProduceData(index=partition, records=records)]
    return ProduceRequest(
        acks=acks, timeout_ms=1000, topic_data=[TopicProduceData(partition_data=data, **names)], **fields
    )


def frame_of(broker, records, *, version=12, client="c", correlation_id=1, **fields):
    """The same as it arrives, without its length."""
    request = producing(broker, records, version=version, **fields)
    return two_ways.frame_of(request, version, client=client, correlation_id=correlation_id)


class Ways(TwoWays):
    """Two brokers with a topic."""

    def __init__(self, folder):
        super().__init__(folder, broker_with_topic, logs)

    def both(self, records, **fields):
        """What both brokers answer to a request."""
        return self.both_to(frame_of(self.known, records, **fields))


def broker_with_topic(folder):
    broker = DataBroker(folder)
    broker.create(TOPIC, 2)
    return broker


def logs(broker):
    """All that the topic holds."""
    partitions = [broker.partitions.get(TOPIC, index) for index in (0, 1)]
    found = [partition.log for partition in partitions if partition is not None]
    return [(log.high_watermark, [bytes(data) for data, _ in log.batches(0)]) for log in found]


@pytest.fixture
def ways(tmp_path):
    return Ways(tmp_path)


def partition_answer(frame, version):
    """The one partition's answer in a whole frame."""
    head = 9 if version >= 9 else 8
    return decode(ProduceResponse, frame, version, head).responses[0].partition_responses[0]


@pytest.mark.parametrize("acks", [1, -1])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_request_is_not_read(ways, version, acks):
    for correlation_id in range(5):
        answer = ways.both(batch(3), version=version, acks=acks, correlation_id=correlation_id)
        assert ways.repeated == correlation_id
        assert struct.unpack_from(">i", answer, 4) == (correlation_id,)
    log = ways.known.partitions.get(TOPIC, 0).log
    assert log.high_watermark == log.log_end_offset == 15


@pytest.mark.parametrize("version", range(3, 7))
def test_the_first_versions_are_read_each_time(ways, version):
    for _ in range(3):
        ways.both(batch(), version=version)
    assert not ways.repeated


def test_each_partition_topic_and_client_has_its_own(ways):
    kinds = [{"partition": index, "client": client} for index in (0, 1) for client in ("c", "d", "", None)]
    for kind in kinds:
        ways.both(batch(), **kind)
    before = ways.repeated
    for kind in kinds:
        ways.both(batch(), **kind)
    assert ways.repeated > before


def test_a_stranger_is_read_first(ways):
    for _ in range(2):
        ways.both(batch())
    ways.connections[1] = connection_info()
    assert ways.is_left(frame_of(ways.known, batch()))


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (batch()[:-1], "INVALID_RECORD"),
        (batch()[:-1] + b"\xff", "CORRUPT_MESSAGE"),
        (batch()[:40], "INVALID_RECORD"),
        (b"", "INVALID_RECORD"),
        (None, "INVALID_RECORD"),
        (batch() + batch(), "INVALID_RECORD"),
        (batch(producer_id=7, producer_epoch=0, base_sequence=5), "NONE"),
    ],
)
@pytest.mark.parametrize("version", [7, 12, 13])
def test_a_bad_batch_is_refused_in_the_same_words(ways, records, code, version):
    ways.both(batch(), version=version)
    answer = ways.both(records, version=version)
    assert ErrorCode(partition_answer(answer, version).error_code).name == code
    ways.both(batch(), version=version)


def test_sequences_are_watched(ways):
    def numbered(sequence):
        return batch(producer_id=7, producer_epoch=0, base_sequence=sequence)

    codes = [partition_answer(ways.both(numbered(n)), 12).error_code for n in (0, 1, 1, 2, 9, 3)]
    out_of_order = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert codes == [0, 0, 0, 0, out_of_order, 0]
    assert ways.repeated == 5


def test_what_the_topic_asks_for_is_done(ways):
    ways.both(batch())
    for key, value in (
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "gzip"),
        ("max.message.bytes", "80"),
    ):
        for broker in ways.brokers:
            broker.metadata.set_configs(TOPIC_RESOURCE, TOPIC, {key: value})
        ways.both(batch(2, value=b"x" * 50))
    assert ways.repeated == 3


def test_a_batch_that_waits_for_the_disk_is_left_to_the_handler(ways):
    ways.both(batch())
    ways.known.metadata.set_configs(TOPIC_RESOURCE, TOPIC, {"flush.messages": "1"})
    assert ways.is_left(frame_of(ways.known, batch()))


def test_a_transactional_batch_without_an_id_is_left_to_the_handler(ways):
    ways.both(batch())
    ways.both(batch(producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True))
    assert not ways.repeated


def test_a_topic_that_is_gone_is_unknown(ways):
    frames = {version: frame_of(ways.known, batch(), version=version) for version in (12, 13)}
    for frame in frames.values():
        ways.both_to(frame)
    ways.known.metadata.delete_topic(ways.known.metadata.image.topics_by_name[TOPIC])
    for version, code in ((12, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (13, ErrorCode.UNKNOWN_TOPIC_ID)):
        assert partition_answer(ways.answer(1, frames[version]), version).error_code == code


def test_acks_0_and_the_brokers_own_topics_are_read_each_time(ways):
    for _ in range(3):
        assert ways.both(batch(), acks=0) is None
    for broker in ways.brokers:
        broker.create("__consumer_offsets", 1)
    for _ in range(3):
        answer = partition_answer(ways.both(batch(), topic="__consumer_offsets"), 12)
        assert answer.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert not ways.repeated


def test_a_fetch_that_waits_is_answered(ways):
    ways.both(batch())
    waiting = ways.known.fetch((TOPIC, [{"partition": 0, "fetch_offset": 1}]), max_wait_ms=5000)
    assert isinstance(waiting, Deferred)
    ways.both(batch())
    assert ways.repeated == 1
    assert waiting.response is not None


def test_a_broken_disk_is_told(ways):
    ways.both(batch())
    for broker in ways.brokers:
        broker.partitions.get(TOPIC, 0).take_offline("it is broken")
    answer = ways.both(batch())
    assert partition_answer(answer, 12).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert ways.repeated == 1


def test_no_more_than_so_many_are_known(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create(TOPIC)
    repeated = RepeatedProduces(broker.services())
    for number in range(KNOWN_MAX + 10):
        frame = memoryview(frame_of(broker, batch(), client=str(number)))
        body_at = read_request_head(frame, {ApiKey.PRODUCE: 9})[-1]
        context = RequestContext(ApiKey.PRODUCE, 12, 1, str(number), connection_info())
        repeated.learn(frame, body_at, decode(ProduceRequest, frame, 12, body_at), context)
    assert len(repeated._known) == 10


def varied_batches():
    """Batches of producers with and without an id, whole and broken."""
    whole = st.builds(
        batch,
        st.integers(1, 4),
        compression=st.sampled_from(Compression),
        producer_id=st.sampled_from([-1, 5]),
        producer_epoch=st.sampled_from([0, 1]),
        base_sequence=st.integers(0, 4),
    )
    flipped = st.builds(
        lambda data, at, value: data[: at % len(data)] + bytes([value]) + data[at % len(data) + 1 :],
        whole,
        st.integers(0, 1 << 16),
        st.integers(0, 255),
    )
    cut = st.builds(lambda data, end: data[: end % (len(data) + 1)], whole, st.integers(0, 1 << 16))
    return st.one_of(whole, whole, flipped, cut, st.none())


requests = st.fixed_dictionaries(
    {
        "records": varied_batches(),
        "version": st.sampled_from([7, 8, 12, 13]),
        "acks": st.sampled_from([-1, -1, 1, 2]),
        "partition": st.sampled_from([0, 0, 1, 5]),
        "client": st.sampled_from(["c", None]),
        "correlation_id": st.integers(-(2**31), 2**31 - 1),
    }
)
numbers = itertools.count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(requests, min_size=2, max_size=12))
def test_any_requests_are_answered_as_if_they_were_read(tmp_path, asked):
    ways = Ways(tmp_path / str(next(numbers)))
    for request in asked:
        ways.both(**request)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 300), st.binary(max_size=3), st.sampled_from([7, 12, 13]))
def test_any_bytes_are_answered_as_if_they_were_read(tmp_path, at, inserted, version):
    """A request that is known, changed in some place: both say the same of it."""
    ways = Ways(tmp_path / str(next(numbers)))
    ways.both(batch(), version=version)
    frame = frame_of(ways.known, batch(2), version=version)
    place = at % len(frame)
    ways.both_to(frame[:place] + inserted + frame[place + 1 :])
    ways.both_to(frame)
