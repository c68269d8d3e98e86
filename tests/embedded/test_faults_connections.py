"""Lost, late and missing answers, as bytes on a connection: what is done, and what becomes of the connection."""

from __future__ import annotations

import time

import pytest
from ottla.broker import Broker, Fault
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.produce import ProduceRequest, ProduceResponse

from ..harness.raw_client import RawClient, api_versions_frame, fetch_request, request_frame
from .produce_requests import OTHERS, codes, counts, produce_request


@pytest.fixture
def broker():
    with Broker(topics=OTHERS) as running:
        yield running


@pytest.fixture
def client(broker):
    with RawClient(broker) as connected:
        yield connected


def test_disconnected_before_acting(broker, client):
    broker.faults.disconnect("Produce", times=1)
    client.send(request_frame(produce_request(("orders", 0)), 9))
    assert client.is_closed_by_peer()
    assert counts(broker) == {}


@pytest.mark.parametrize("acks", [-1, 0])
def test_the_answer_is_lost(broker, client, acks):
    broker.faults.lose_answer("Produce", times=1)
    client.send(request_frame(produce_request(("orders", 0), acks=acks), 9))
    assert client.socket.recv(1) == b""
    assert counts(broker) == {("orders", 0): 1}


def test_a_late_answer_is_lost_when_it_comes(broker, client):
    broker.faults.lose_answer("Fetch")
    client.send(request_frame(fetch_request("orders", max_wait_ms=60_000, min_bytes=1), 12))
    broker.wait_for(lambda: [each for each in broker.connections() if each.waiting_for == "FETCH"])
    broker.produce("orders", "x", partition=0)
    assert client.socket.recv(1) == b""


@pytest.mark.parametrize("behind", [b"", api_versions_frame()])
def test_answered_and_disconnected(broker, client, behind):
    broker.faults.answer_and_disconnect("Produce")
    client.send(request_frame(produce_request(("orders", 0)), 9) + behind)
    _, answer = client.read_response(ProduceRequest, ProduceResponse, 9)
    assert codes(answer) == {("orders", 0): 0}
    assert client.socket.recv(1) == b""


def test_answered_and_disconnected_when_it_is_on_the_disk(broker, client):
    broker.faults.answer_and_disconnect("CreateTopics")
    asked = CreateTopicsRequest(topics=[CreatableTopic(name="new", num_partitions=1, replication_factor=1)])
    assert client.ask(asked, CreateTopicsResponse, 7).topics[0].error_code == 0
    assert client.socket.recv(1) == b""


@pytest.mark.parametrize(
    "fault", [Fault.answer_and_disconnect("Fetch"), Fault.throttle(50_000_000), Fault.delay(1, 0.01)]
)
def test_answers_that_go_out_from_their_file(broker, client, fault):
    for _ in range(4):
        broker.produce("orders", bytes(500_000), partition=0)
    broker.faults.add(fault)
    answer = client.fetch(fetch_request("orders"))
    assert (answer.error_code, len(answer.records) > 2_000_000) == (0, True)
    if "disconnect" in str(fault):
        assert client.socket.recv(1) == b""


@pytest.mark.parametrize("acting", [True, False])
def test_never_answered(broker, client, acting):
    broker.faults.never_answer("Produce", acting=acting)
    client.send(request_frame(produce_request(("orders", 0)), 9) + api_versions_frame())
    broker.wait_for(lambda: [each for each in broker.connections() if each.waiting_for == "PRODUCE"])
    broker.faults.clear()
    client.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert bool(counts(broker)) == acting


def test_one_that_is_never_answered_leaves_nothing_when_the_client_goes(broker):
    broker.faults.never_answer("Fetch")
    with RawClient(broker) as client:
        client.send(request_frame(fetch_request("orders", max_wait_ms=60_000, min_bytes=1), 12))
        broker.wait_for(lambda: broker._look(lambda running: len(running.services.fetches)) == 1)
    broker.wait_for(lambda: broker._look(lambda running: len(running.services.fetches)) == 0)


def test_a_delay_goes_by_the_brokers_clock(broker, client):
    broker.faults.delay("Produce", 3600)
    client.send(request_frame(produce_request(("orders", 0)), 9))
    broker.wait_for(lambda: [each for each in broker.connections() if each.waiting_for == "PRODUCE"])
    assert counts(broker) == {("orders", 0): 1}
    broker.clock.advance(minutes=59)
    assert [each.waiting_for for each in broker.connections()] == ["PRODUCE"]
    broker.clock.advance(minutes=2)
    assert codes(client.read_response(ProduceRequest, ProduceResponse, 9)[1]) == {("orders", 0): 0}


def test_a_delay_in_real_time(broker, client):
    broker.faults.delay("ApiVersions", 0.15, times=1)
    begin_s = time.monotonic()
    client.ask_api_versions()
    assert time.monotonic() - begin_s >= 0.15


def test_a_line_carries_so_much(broker, client):
    broker.faults.throttle(100_000, "Produce")
    begin_s = time.monotonic()
    for _ in range(2):
        client.ask(produce_request(("orders", 0), value=bytes(10_000)), ProduceResponse, 9)
    assert time.monotonic() - begin_s >= 0.2
    broker.faults.clear()
    broker.faults.throttle(1_000, "Fetch")
    client.send(request_frame(fetch_request("orders"), 12))
    broker.wait_for(lambda: [each for each in broker.connections() if each.waiting_for == "FETCH"])
    broker.clock.advance(seconds=15)
    assert [each.waiting_for for each in broker.connections()] == ["FETCH"]
    broker.clock.advance(seconds=10)
    client.read_frame()
