"""Faults beside each other, from the start, and gone again; what people do wrong with them."""

from __future__ import annotations

import socket
import threading

import pytest
from ottla.broker import Broker, EmbeddedBrokerError, Fault, InvalidOption
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ottla.protocol.messages.produce import ProduceResponse

from ..harness.raw_client import RawClient
from .produce_requests import OTHERS, codes, counts, produce_request

NOT_LEADER = ErrorCode.NOT_LEADER_OR_FOLLOWER


@pytest.fixture
def broker():
    with Broker(topics=OTHERS) as running:
        yield running


@pytest.fixture
def client(broker):
    with RawClient(broker) as connected:
        yield connected


def test_what_is_answered_when_nothing_is_wrong_any_more(broker, client):
    served = broker._running.broker.dispatcher
    as_ever = served._serve
    fault = broker.faults.error("ApiVersions", "INVALID_REQUEST", times=1)
    assert served._serve is not as_ever
    assert client.ask_api_versions().error_code == ErrorCode.INVALID_REQUEST
    assert fault.is_over
    assert served._serve == as_ever
    assert client.ask(ApiVersionsRequest(), ApiVersionsResponse, 0).error_code == 0


def test_the_first_rule_decides_and_the_history_tells(broker, client):
    broker.faults.error("Produce", NOT_LEADER, times=1)
    broker.faults.error("Produce", "REQUEST_TIMED_OUT", after=1)
    heard = [codes(client.ask(produce_request(("orders", 0)), ProduceResponse, 9))["orders", 0] for _ in range(3)]
    assert heard == [NOT_LEADER, 0, ErrorCode.REQUEST_TIMED_OUT]
    assert [(hit.api, hit.client_id, hit.fault.code) for hit in broker.faults.history] == [
        ("Produce", "raw", NOT_LEADER),
        ("Produce", "raw", ErrorCode.REQUEST_TIMED_OUT),
    ]
    assert "hit: Produce 9 of raw: error NOT_LEADER_OR_FOLLOWER on Produce, times=1" in broker.describe()
    assert "in force: error REQUEST_TIMED_OUT on Produce, after=1" in broker.describe()


def test_what_a_test_does_itself_is_spared(broker):
    broker.faults.error("Produce", NOT_LEADER)
    broker.faults.disconnect()
    broker.produce("orders", "x")
    assert counts(broker) == {("orders", 0): 1}
    assert broker.faults.history == []


def test_reset_ends_all_faults(broker, client):
    fault = broker.faults.error("Produce", NOT_LEADER)
    client.ask(produce_request(("orders", 0)), ProduceResponse, 9)
    broker.reset()
    assert (fault.is_over, broker.faults.active, broker.faults.history) == (True, [], [])
    assert codes(client.ask(produce_request(("orders", 0)), ProduceResponse, 9)) == {("orders", 0): 0}


def test_from_the_start():
    faults = [Fault.error("Produce", NOT_LEADER, topic="orders"), Fault.disconnect("Fetch", times=1)]
    with Broker(topics=["orders"], faults=faults) as broker, RawClient(broker) as client:
        assert broker.faults.active == faults
        assert codes(client.ask(produce_request(("orders", 0)), ProduceResponse, 9)) == {("orders", 0): NOT_LEADER}
    assert [hit.api for hit in broker.faults.history] == ["Produce"]


# What people do wrong


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (
            lambda f: f.error("Produce", 6, topic="order"),
            "topic='order': there is no such topic; there are: bills, orders",
        ),
        (lambda f: f.error("Fetch", 6, topic="orders", partition=2), "partition=2: orders has partitions 0 to 1"),
        (lambda f: f.error("Produze", 6), "did you mean Produce"),
        (lambda f: f.add("Produce"), "'Produce' is no fault; make one with Fault.error"),
        (lambda f: f.move_leader_epoch("order"), "there is no such topic"),
        (lambda f: f.move_leader_epoch("orders", 2), "partition=2: orders has partitions 0 to 1"),
        (lambda f: f.move_leader_epoch("__consumer_offsets"), "use coordinator_unavailable"),
    ],
)
def test_what_cannot_be_and_the_broker_goes_on(broker, client, add, message):
    with pytest.raises(InvalidOption, match=message):
        add(broker.faults)
    assert broker.faults.active == []
    assert codes(client.ask(produce_request(("orders", 0)), ProduceResponse, 9)) == {("orders", 0): 0}


def test_a_fault_that_cannot_be_from_the_start():
    with pytest.raises(InvalidOption, match="no such topic"):
        Broker(faults=[Fault.error("Produce", 6, topic="orders")]).start()


def test_faults_of_a_broker_that_does_not_run():
    broker = Broker()
    with pytest.raises(EmbeddedBrokerError, match="not started"):
        broker.faults.disconnect()
    with broker:
        fault = broker.faults.disconnect()
    fault.remove()
    broker.faults.clear()
    with pytest.raises(EmbeddedBrokerError, match="stopped"):
        broker.faults.crash()


def test_faults_come_and_go_while_clients_ask(broker):
    is_over = threading.Event()
    answered = []

    def ask() -> None:
        with RawClient(broker) as client:
            while not is_over.is_set():
                answered.append(client.ask_api_versions().error_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        with broker.faults.error("ApiVersions", "INVALID_REQUEST") as fault:
            broker.wait_for(lambda fault=fault: fault.hits)
    is_over.set()
    for thread in threads:
        thread.join()
    assert set(answered) <= {0, ErrorCode.INVALID_REQUEST}
    assert len(broker.faults.history) == answered.count(ErrorCode.INVALID_REQUEST)


def test_a_broker_that_serves_imports_nothing_of_it():
    import subprocess
    import sys

    program = "import sys, ottla.broker.app, ottla.broker.cli; print([m for m in sys.modules if 'embedded' in m])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert shown.stdout == "[]\n", shown.stderr


def test_the_port_is_free_for_others_after_the_stop():
    with Broker() as broker:
        port = broker.port
        broker.faults.refuse_connections()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
