"""Topics, records, groups and connections of an embedded broker, seen without a client; acting as one."""

from __future__ import annotations

import threading

import pytest
from kafka.partitioner.default import murmur2 as murmur2_of_kafka_python
from ottla.broker import ExpectationFailed, InvalidOption, RequestRefused, TopicSpec
from ottla.broker.embedded.partitioner import murmur2, partition_for_key

from ..harness.raw_client import RawClient, fetch_request, request_frame


def test_topics(kafka_broker):
    kafka_broker.create_topics({"orders": TopicSpec(3, {"retention.ms": 1000}), "audit": 1})
    kafka_broker.produce("orders", "one", partition=2)
    topics = kafka_broker.topics()
    assert list(topics) == ["audit", "orders"]
    assert topics["orders"].config == {"retention.ms": "1000"}
    assert [(p.index, p.start_offset, p.end_offset) for p in topics["orders"].partitions] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 1),
    ]
    kafka_broker.commit("readers", "orders", 0)
    assert list(kafka_broker.topics()) == ["audit", "orders"]
    assert "__consumer_offsets" in kafka_broker.topics(with_internal=True)


def test_a_produced_record_is_there_as_a_whole(kafka_broker):
    stored = kafka_broker.produce(
        "orders", "värde", key=b"k", headers={"trace": "1", "none": None}, timestamp_ms=1_700_000_000_000
    )
    assert kafka_broker.records("orders") == [stored]
    assert (stored.topic, stored.partition, stored.offset, stored.timestamp_ms) == ("orders", 0, 0, 1_700_000_000_000)
    assert (stored.key, stored.value) == (b"k", "värde".encode())
    assert stored.headers == (("trace", b"1"), ("none", None))
    assert (stored.transaction, stored.producer_id, stored.is_readable) == (None, None, True)


def test_tombstones_pairs_of_headers_and_partitions(kafka_broker):
    kafka_broker.create_topics({"orders": 2})
    kafka_broker.produce("orders", None, key="k", headers=[("h", b"1"), ("h", b"2")], partition=1)
    kafka_broker.produce("orders", b"", partition=0)
    assert [(r.partition, r.value, r.headers) for r in kafka_broker.records("orders")] == [
        (0, b"", ()),
        (1, None, (("h", b"1"), ("h", b"2"))),
    ]
    assert [r.key for r in kafka_broker.records("orders", 1)] == [b"k"]


def test_log_append_time_is_told(kafka_broker):
    kafka_broker.create_topics({"orders": TopicSpec(1, {"message.timestamp.type": "LogAppendTime"})})
    stored = kafka_broker.produce("orders", "x", timestamp_ms=5)
    assert stored.timestamp_ms > 1_600_000_000_000
    assert kafka_broker.records("orders") == [stored]


def test_keys_find_the_partition_of_kafkas_clients(kafka_broker):
    kafka_broker.create_topics({"orders": 7})
    for number in range(40):
        key = f"{'k' * (number % 9)}{number}".encode()
        assert murmur2(key) == murmur2_of_kafka_python(key) & 0xFFFFFFFF
        assert kafka_broker.produce("orders", "x", key=key).partition == partition_for_key(key, 7)
    assert murmur2(b"") == murmur2_of_kafka_python(b"") & 0xFFFFFFFF


@pytest.mark.parametrize("value", [1, ["x"], {"a": 1}])
def test_values_that_cannot_be_stored(kafka_broker, value):
    with pytest.raises(InvalidOption, match="only bytes, text and None"):
        kafka_broker.produce("orders", value)
    assert kafka_broker.topics() == {}


def test_refusals_are_kafkas(kafka_broker):
    kafka_broker.create_topics(["orders"])
    with pytest.raises(RequestRefused, match="UNKNOWN_TOPIC_OR_PARTITION"):
        kafka_broker.produce("orders", "x", partition=9)
    with pytest.raises(RequestRefused, match="INVALID_TOPIC_EXCEPTION"):
        kafka_broker.produce("no good name", "x")
    with pytest.raises(RequestRefused, match="MESSAGE_TOO_LARGE"):
        kafka_broker.produce("orders", b"x" * 2_000_000)
    with pytest.raises(RequestRefused, match="UNKNOWN_TOPIC_OR_PARTITION"):
        kafka_broker.records("absent")
    with pytest.raises(RequestRefused, match="orders-1: UNKNOWN_TOPIC_OR_PARTITION"):
        kafka_broker.records("orders", 1)
    with pytest.raises(RequestRefused, match="UNKNOWN_TOPIC_OR_PARTITION"):
        kafka_broker.commit("readers", "absent", 0)
    with pytest.raises(RequestRefused, match="OFFSET_METADATA_TOO_LARGE"):
        kafka_broker.commit("readers", "orders", 0, metadata="x" * 5000)
    kafka_broker.produce("orders", "still here")
    assert [record.value for record in kafka_broker.records("orders")] == [b"still here"]


def test_committed_offsets_and_lag(kafka_broker):
    kafka_broker.create_topics({"orders": 2})
    for _ in range(5):
        kafka_broker.produce("orders", "x", partition=1)
    kafka_broker.commit("readers", "orders", 3, partition=1, metadata="note")
    (group,) = kafka_broker.groups().values()
    assert (group.group_id, group.protocol, group.state, group.members) == ("readers", "classic", "Empty", ())
    offset = group.offsets["orders", 1]
    assert (offset.offset, offset.lag, offset.metadata, group.lag) == (3, 2, "note", 2)


def test_connections_and_what_they_wait_for(kafka_broker):
    kafka_broker.create_topics(["orders"])
    with RawClient(kafka_broker) as client:
        client.send(request_frame(fetch_request("orders", max_wait_ms=60_000, min_bytes=1), 12, client_id="reader"))
        waiting = kafka_broker.wait_for(lambda: [c for c in kafka_broker.connections() if c.waiting_for])
        assert [(c.client_id, c.host, c.waiting_for) for c in waiting] == [("reader", "127.0.0.1", "FETCH")]
        kafka_broker.produce("orders", "x")
        assert client.read_frame()
        assert [c.waiting_for for c in kafka_broker.connections()] == [None]
    kafka_broker.wait_for(lambda: not kafka_broker.connections())


# Waiting


def test_a_wait_ends_with_the_append(kafka_broker):
    kafka_broker.create_topics(["orders"])
    with_two = threading.Timer(0, lambda: [kafka_broker.produce("orders", str(number)) for number in range(2)])
    with_two.start()
    found = kafka_broker.wait_for(lambda: len(kafka_broker.records("orders")) == 2 and kafka_broker.records("orders"))
    assert [record.value for record in found] == [b"0", b"1"]
    with_two.join()


def test_a_wait_sees_what_is_not_the_brokers(kafka_broker):
    there = threading.Event()
    threading.Timer(0.01, there.set).start()
    assert kafka_broker.wait_for(there.is_set)


def test_a_wait_that_fails_says_what_is_there(kafka_broker):
    kafka_broker.produce("orders", "only one", key="k")
    kafka_broker.commit("readers", "orders", 0)
    with pytest.raises(ExpectationFailed) as failed:
        kafka_broker.wait_for(lambda: len(kafka_broker.records("orders")) > 1, timeout=0, message="two orders")
    text = str(failed.value)
    assert text.startswith("two orders\n")
    for part in ("orders (partition: offsets) 0: 0-1", "orders-0@0 key=b'k' value=b'only one'", "lag 1"):
        assert part in text
    with pytest.raises(ExpectationFailed, match=r"absent: UNKNOWN_TOPIC_OR_PARTITION.*\nnot true within 0 s"):
        kafka_broker.wait_for(lambda: kafka_broker.records("absent"), timeout=0)


def test_what_cannot_be_looked_up_yet_is_not_true_yet(kafka_broker):
    threading.Timer(0, lambda: kafka_broker.produce("orders", "one")).start()
    assert kafka_broker.wait_for(lambda: kafka_broker.records("orders")[0]).value == b"one"
    kafka_broker.commit("kitchen", "orders", 0)
    assert kafka_broker.wait_for(lambda: kafka_broker.groups()["kitchen"].offsets["orders", 0].lag == 1)
    with pytest.raises(ExpectationFailed, match=r"KeyError: 'bar'\nnot true within 0 s") as failed:
        kafka_broker.wait_for(lambda: kafka_broker.groups()["bar"], timeout=0)
    assert isinstance(failed.value.__cause__, KeyError)


def test_an_error_in_the_condition_is_the_callers(kafka_broker):
    with pytest.raises(ZeroDivisionError):
        kafka_broker.wait_for(lambda: 1 / 0)


def test_expected_records_are_those_of_the_block(kafka_broker):
    kafka_broker.produce("orders", "before")
    with kafka_broker.expect("orders", count=2) as records:
        kafka_broker.produce("orders", "a")
        kafka_broker.produce("orders", "b")
    assert [record.value for record in records] == [b"a", b"b"]
    with kafka_broker.expect("new-topic", count=1) as records:
        kafka_broker.produce("new-topic", "c")
    assert records[0].value == b"c"
    with kafka_broker.expect("never-made", count=0):
        pass


@pytest.mark.parametrize(("produced", "expected"), [(1, 2), (2, 1), (1, 0)])
def test_other_counts_fail_readably(kafka_broker, produced, expected):
    with pytest.raises(ExpectationFailed, match=rf"expected {expected} records in orders .*came {produced}") as failed:
        expect_while_producing(kafka_broker, produced, expected)
    assert "value=b'value 0'" in str(failed.value)


def expect_while_producing(kafka_broker, produced: int, expected: int) -> None:
    with kafka_broker.expect("orders", count=expected, timeout=0):
        for number in range(produced):
            kafka_broker.produce("orders", f"value {number}")


def test_an_error_in_the_block_is_not_hidden(kafka_broker):
    with pytest.raises(ZeroDivisionError), kafka_broker.expect("orders", count=1):
        1 / 0  # noqa: B018


def test_many_threads_at_once(kafka_broker):
    kafka_broker.create_topics(["orders"])

    def produce() -> None:
        for _ in range(20):
            kafka_broker.produce("orders", "x")

    threads = [threading.Thread(target=produce) for _ in range(5)]
    with kafka_broker.expect("orders", count=100) as records:
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert [record.offset for record in records] == list(range(100))


def test_the_brokers_own_thread_must_not_wait(kafka_broker):
    thread = kafka_broker._running.thread
    with pytest.raises(Exception, match="cannot wait for the broker"):
        thread.call(kafka_broker.topics)
