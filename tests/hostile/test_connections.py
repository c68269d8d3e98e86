"""Clients that do not read, do not write, do not end, or come in crowds: the others are served."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

from ..harness.raw_client import FETCH_VERSION, RawClient, api_versions_frame, fetch_request, request_frame

MB = 1024 * 1024


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no resident memory")


@pytest.fixture
def full_topic(broker, unique):
    """A topic with 18 MB in its one partition."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
    for _ in range(20):
        producer.produce(unique, b"x" * 900_000)
        producer.poll(0)
    assert producer.flush(30) == 0
    return unique


def test_half_closed_connections(broker):
    with RawClient(broker) as bystander:
        for _ in range(20):
            with RawClient(broker) as client:
                client.send(api_versions_frame())
                client.end_sending()
                assert client.is_closed_by_peer()
        assert bystander.ask_metadata().brokers


def test_connections_that_are_reset(broker, full_topic):
    with RawClient(broker) as bystander:
        for _ in range(20):
            client = RawClient(broker)
            client.send(request_frame(fetch_request(full_topic), FETCH_VERSION) * 5)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            client.socket.close()
        assert bystander.ask_metadata().brokers


def test_a_client_that_asks_and_never_reads(broker, full_topic):
    """It asks for 18 MB two hundred times; the broker keeps at most a few answers for it."""
    pid = getattr(broker, "pid", None)
    if pid is None:
        pytest.skip("the memory of a broker that somebody else started is not known")
    asked = request_frame(fetch_request(full_topic, max_bytes=20 * MB), FETCH_VERSION)
    with RawClient(broker, receive_buffer_bytes=4096) as hostile, RawClient(broker) as bystander:
        bystander.ask_metadata()
        before = resident_bytes(pid)
        hostile.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(200):
                hostile.socket.send(asked)
        for _ in range(20):
            assert bystander.ask_metadata().brokers
            time.sleep(0.02)
        assert resident_bytes(pid) - before < 100 * MB
        hostile.socket.setblocking(True)
        hostile.socket.settimeout(20)
        assert len(hostile.read_frame()) > 10 * MB  # once it reads, it gets its answer after all


def test_frames_that_are_promised_and_never_sent(broker, broker_kind):
    """Fifty clients announce 100 MB each and send a little of it: only what was sent takes memory."""
    if broker_kind != "ottla":
        pytest.skip("Apache Kafka takes the memory of a whole frame at once")
    with contextlib.ExitStack() as stack:
        bystander = stack.enter_context(RawClient(broker))
        before = resident_bytes(broker.pid)
        for _ in range(50):
            client = stack.enter_context(RawClient(broker))
            client.send(struct.pack(">i", 100 * MB) + b"\x00\x00\x00\x09" * 25_000)
        assert bystander.ask_metadata().brokers
        assert resident_bytes(broker.pid) - before < 100 * MB


def test_a_parked_client_that_goes_away_is_forgotten(broker, full_topic):
    with RawClient(broker) as bystander:
        for _ in range(50):
            with RawClient(broker) as client:
                waiting = fetch_request(full_topic, offset=20, max_wait_ms=60_000, min_bytes=1)
                client.send(request_frame(waiting, FETCH_VERSION))
        assert bystander.ask_metadata().brokers


def test_a_thousand_idle_connections(broker):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(RawClient(broker)) for _ in range(1000)]
        newcomer = stack.enter_context(RawClient(broker))
        assert newcomer.ask_metadata().brokers
        assert idle[0].ask_metadata().brokers
        assert idle[-1].ask_metadata().brokers


def test_max_connections(own_broker):
    """As Kafka, the broker takes no more connections at the limit until one of the open ones ends."""
    broker = own_broker({"max.connections": "3"})
    with contextlib.ExitStack() as stack:
        inside = [stack.enter_context(RawClient(broker)) for _ in range(3)]
        for client in inside:
            assert client.ask_api_versions().error_code == 0
        waiting = stack.enter_context(RawClient(broker))
        waiting.send(api_versions_frame(correlation_id=9))
        waiting.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            waiting.read_frame()
        waiting.socket.settimeout(20)
        inside[0].socket.close()
        assert waiting.read_response(ApiVersionsRequest, ApiVersionsResponse, 0)[0] == 9
        assert inside[1].ask_metadata().brokers


def test_max_connections_per_ip(own_broker):
    broker = own_broker({"max.connections.per.ip": "2"})
    with RawClient(broker) as first, RawClient(broker) as second:
        assert first.ask_api_versions().error_code == second.ask_api_versions().error_code == 0
        with RawClient(broker) as third:
            assert third.is_closed_by_peer()
        assert first.ask_api_versions().error_code == 0
