"""What the Python clients write, each of them reads: codecs, headers, nulls, sizes, timestamps, new topics."""

from __future__ import annotations

import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from ..harness.raw_client import RawClient
from .record_clients import PYTHON_CLIENTS, Sent

MESSAGE_TOO_LARGE = 10
INVALID_TIMESTAMP = 32
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

SENT = [
    Sent(b"key", b"value"),
    Sent(None, b"no key"),
    Sent(b"deleted", None),
    Sent(b"", b""),
    Sent(b"with headers", b"x", (("a", b"1"), ("b", b""), ("a", b"2"), ("\N{SNOWMAN}", b"\x00\xff"))),
]


@pytest.fixture(scope="module")
def readers(shared_broker):
    return [kind(shared_broker.bootstrap) for kind in PYTHON_CLIENTS]


@pytest.fixture(params=range(len(PYTHON_CLIENTS)), ids=[kind.name for kind in PYTHON_CLIENTS])
def client(request, broker, readers):
    return readers[request.param]


@pytest.fixture
def create_topic(broker, unique):
    def create(**configs: str) -> str:
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(unique, 1, config=dotted)])[unique].result(20)
        return unique

    return create


def test_every_codec(broker, client, readers, create_topic):
    topic = create_topic()
    values = []
    for codec in CODECS:
        values += [f"{codec} {number}".encode() * 20 for number in range(50)]
        assert client.send(topic, [Sent(b"k", value) for value in values[-50:]], codec) == [0] * 50
    for reader in readers:
        assert [record.value for record in reader.read(topic, len(values))] == values, reader.name
    with RawClient(broker) as raw:
        in_log = {header.compression for header in raw.batch_headers(topic)}
    assert in_log == set(CODECS.values()), "the batches are kept as they were sent"


def test_headers_and_nulls(client, readers, create_topic):
    topic = create_topic()
    # librdkafka alone sends a record without key and value, and a header without one; all read them.
    nulls = [Sent(None, None), Sent(b"k", b"v", (("null", None),))]
    records = [*SENT, *nulls] if client.name == "confluent-kafka" else SENT
    assert client.send(topic, records) == [0] * len(records)
    for reader in readers:
        got = reader.read(topic, len(records))
        assert [(each.key, each.value, each.headers) for each in got] == [sent[:3] for sent in records], reader.name
        assert [each.offset for each in got] == list(range(len(records)))


def test_null_values_of_headers(client, readers, create_topic):
    if not client.sends_null_in_headers:
        pytest.skip(f"{client.name} refuses to send them")
    topic = create_topic()
    headers = (("a", None), ("b", b""), ("a", b"2"))
    assert client.send(topic, [Sent(None, b"v", headers)]) == [0]
    for reader in readers:
        assert reader.read(topic, 1)[0].headers == headers, reader.name


def test_a_topic_is_created_by_its_first_record(client, readers, unique):
    assert client.send(unique, [Sent(b"k", b"v")]) == [0]
    assert [record.value for record in readers[0].read(unique, 1)] == [b"v"]


def test_large_records(client, readers, create_topic):
    topic = create_topic()
    large = bytes(range(256)) * 4000
    assert client.send(topic, [Sent(None, large)]) == [0]
    for reader in readers:
        assert reader.read(topic, 1)[0].value == large, reader.name


def test_too_large_records(client, create_topic):
    topic = create_topic(max_message_bytes="10000")
    assert client.send(topic, [Sent(None, b"x" * 11_000)]) == [MESSAGE_TOO_LARGE]
    assert client.send(topic, [Sent(None, b"x" * 9_000)]) == [0]


def test_create_time_is_kept(client, readers, create_topic):
    topic = create_topic()
    now_ms = int(time.time() * 1000)
    times = [now_ms - 3_000_000, now_ms - 1_000_000, now_ms - 2_000_000]
    assert client.send(topic, [Sent(None, b"v", (), each) for each in times]) == [0] * len(times)
    for reader in readers:
        got = reader.read(topic, len(times))
        assert [(each.timestamp_ms, each.is_log_append_time) for each in got] == [(each, False) for each in times]


def test_log_append_time(client, readers, create_topic):
    topic = create_topic(message_timestamp_type="LogAppendTime")
    before_ms = int(time.time() * 1000)
    assert client.send(topic, [Sent(None, b"v", (), 1_000_000_000_000)] * 3) == [0] * 3
    after_ms = int(time.time() * 1000)
    for reader in readers:
        for record in reader.read(topic, 3):
            assert record.is_log_append_time
            assert before_ms <= record.timestamp_ms <= after_ms


def test_timestamps_too_far_from_now_are_refused(client, create_topic):
    topic = create_topic(message_timestamp_before_max_ms="3600000")
    now_ms = int(time.time() * 1000)
    assert client.send(topic, [Sent(None, b"v", (), now_ms - 2 * 3_600_000)]) == [INVALID_TIMESTAMP]
    assert client.send(topic, [Sent(None, b"v", (), now_ms)]) == [0]


def test_idempotent_producers_leave_their_sequence_in_the_log(broker, client, create_topic):
    """All three are idempotent here; without it a batch has no producer id."""
    topic = create_topic()
    assert client.send(topic, [Sent(None, b"v")] * 10) == [0] * 10
    with RawClient(broker) as raw:
        headers = raw.batch_headers(topic)
    assert {header.producer_id for header in headers} != {-1}
    assert [header.base_sequence for header in headers] == [header.base_offset for header in headers]
