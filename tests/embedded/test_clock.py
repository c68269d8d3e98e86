"""A clock that is advanced: what would take hours is done when the call returns."""

from __future__ import annotations

import time

import confluent_kafka
import pytest
from ottla.broker import Broker, InvalidOption, NotRunning, TopicSpec
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.fetch import FetchResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse

from ..harness.raw_client import RawClient, fetch_request, request_frame

TIMEOUT_S = 60
MINUTE_MS = 60_000


def test_real_time_without_it(kafka_broker):
    before = int(time.time() * 1000)
    stored = kafka_broker.produce("orders", "x")
    assert before <= stored.timestamp_ms <= int(time.time() * 1000) + 1


def test_records_carry_the_new_time(kafka_broker):
    kafka_broker.create_topics({"orders": TopicSpec(1, {"message.timestamp.type": "LogAppendTime"})})
    first = kafka_broker.produce("orders", "x")
    kafka_broker.clock.advance(hours=1, minutes=30)
    second = kafka_broker.produce("orders", "x")
    assert 0 <= second.timestamp_ms - first.timestamp_ms - 90 * MINUTE_MS < 10 * MINUTE_MS
    assert abs(kafka_broker.clock.now_ms() - second.timestamp_ms) < 10 * MINUTE_MS


def test_sessions_end(kafka_broker):
    with RawClient(kafka_broker) as client:
        kafka_broker.produce("orders", "x")
        kafka_broker.commit("readers", "orders", 0)
        join = JoinGroupRequest(
            group_id="readers",
            session_timeout_ms=20 * MINUTE_MS,
            rebalance_timeout_ms=20 * MINUTE_MS,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        assert client.ask(join, JoinGroupResponse, 3).error_code == ErrorCode.NONE
        kafka_broker.clock.advance(minutes=19)
        assert len(kafka_broker.groups()["readers"].members) == 1
        kafka_broker.clock.advance(minutes=2)
        assert kafka_broker.groups()["readers"].members == ()


def test_retention_deletes(kafka_broker):
    kafka_broker.create_topics({"orders": TopicSpec(1, {"retention.ms": 60 * MINUTE_MS}), "kept": 1})
    kafka_broker.produce("orders", "old")
    kafka_broker.produce("kept", "old")
    kafka_broker.clock.advance(minutes=30)
    assert len(kafka_broker.records("orders")) == 1
    kafka_broker.clock.advance(minutes=40)
    kafka_broker.produce("orders", "new")
    assert [(r.offset, r.value) for r in kafka_broker.records("orders")] == [(1, b"new")]
    assert len(kafka_broker.records("kept")) == 1


def test_offsets_expire(kafka_broker):
    kafka_broker.produce("orders", "x")
    kafka_broker.commit("readers", "orders", 1)
    kafka_broker.clock.advance(days=6)
    assert "readers" in kafka_broker.groups()
    kafka_broker.clock.advance(days=2)
    assert kafka_broker.groups() == {}


def test_transactions_abort(kafka_broker):
    kafka_broker.create_topics(["orders"])
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": kafka_broker.bootstrap_servers,
            "transactional.id": "seller",
            "transaction.timeout.ms": 5 * MINUTE_MS,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce("orders", b"late")
    producer.flush(TIMEOUT_S)
    kafka_broker.clock.advance(minutes=4)
    assert [r.transaction for r in kafka_broker.records("orders")] == ["open"]
    kafka_broker.clock.advance(minutes=2)
    assert [r.transaction for r in kafka_broker.records("orders")] == ["aborted"]
    with pytest.raises(confluent_kafka.KafkaException):
        producer.commit_transaction(TIMEOUT_S)


def test_a_long_poll_ends(kafka_broker):
    kafka_broker.create_topics(["orders"])
    with RawClient(kafka_broker) as client:
        client.send(request_frame(fetch_request("orders", max_wait_ms=10 * MINUTE_MS, min_bytes=1), 12))
        kafka_broker.wait_for(lambda: [c for c in kafka_broker.connections() if c.waiting_for])
        kafka_broker.clock.advance(minutes=11)
        _, answer = client.read_response(type(fetch_request("orders")), FetchResponse, 12)
        assert answer.responses[0].partitions[0].error_code == ErrorCode.NONE


def test_a_reset_returns_to_real_time_and_its_topics_are_young(kafka_broker):
    kafka_broker.clock.advance(days=30)
    kafka_broker.reset(topics=["orders"])
    stored = kafka_broker.produce("orders", "x")
    assert abs(stored.timestamp_ms - time.time() * 1000) < 10 * MINUTE_MS
    kafka_broker.clock.advance(days=6)
    assert kafka_broker.records("orders") == [stored]
    kafka_broker.clock.advance(days=2)
    assert kafka_broker.records("orders") == []


def test_many_advances_leave_one_timer(kafka_broker):
    loop = kafka_broker._running.thread.loop

    def wake_ups() -> int:
        return sum(not handle.cancelled() for handle in loop._scheduled)

    before = kafka_broker._running.thread.call(wake_ups)
    for _ in range(20):
        kafka_broker.clock.advance(seconds=1)
    # One of them may be a thread's that brings something back just now.
    assert kafka_broker._running.thread.call(wake_ups) <= before + 1


def test_times_that_cannot_be(kafka_broker):
    with pytest.raises(InvalidOption, match=r"cannot go back by 0:01:00"):
        kafka_broker.clock.advance(minutes=-1)
    with pytest.raises(InvalidOption, match="go back"):
        kafka_broker.clock.advance(minutes=1, hours=-1)
    with pytest.raises(TypeError):
        kafka_broker.clock.advance(5)
    kafka_broker.clock.advance()
    assert abs(kafka_broker.clock.now_ms() - time.time() * 1000) < MINUTE_MS


def test_the_clock_of_a_broker_that_does_not_run():
    broker = Broker()
    with pytest.raises(NotRunning):
        broker.clock.advance(minutes=1)
    with broker:
        pass
    with pytest.raises(NotRunning):
        broker.clock.advance(minutes=1)
