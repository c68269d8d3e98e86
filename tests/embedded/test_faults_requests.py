"""Each kind of fault as bytes on a connection: what is done, what is answered, and what becomes of the connection."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from ottla.broker import Broker, EmbeddedBrokerError, Fault, InvalidOption
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from ottla.protocol.messages.fetch import FetchRequest, FetchResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

from ..harness.raw_client import RawClient, api_versions_frame, fetch_request, request_frame

NOT_LEADER = ErrorCode.NOT_LEADER_OR_FOLLOWER
OTHERS = {"bills": 1, "orders": 2}


@pytest.fixture
def broker():
    with Broker(topics=OTHERS) as running:
        yield running


@pytest.fixture
def client(broker):
    with RawClient(broker) as connected:
        yield connected


def produce_request(*places, acks=-1, value=b"x") -> ProduceRequest:
    topics: dict[str, list[PartitionProduceData]] = {}
    for topic, index in places:
        records = build_batch([Record(0, 1, None, value, ())], base_offset=0)
        topics.setdefault(topic, []).append(PartitionProduceData(index=index, records=records))
    data = [TopicProduceData(name=name, partition_data=each) for name, each in topics.items()]
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=data)


def codes(response: ProduceResponse) -> dict:
    return {
        (topic.name, each.index): each.error_code for topic in response.responses for each in topic.partition_responses
    }


def counts(broker) -> dict:
    return {
        (name, partition.index): partition.end_offset
        for name, topic in broker.topics().items()
        for partition in topic.partitions
        if partition.end_offset
    }


# Errors


def test_an_error_in_place_of_acting(broker, client):
    with broker.faults.error("Produce", NOT_LEADER) as fault:
        answer = client.ask(produce_request(("orders", 0)), ProduceResponse, 9)
        assert codes(answer) == {("orders", 0): NOT_LEADER}
        assert answer.responses[0].partition_responses[0].base_offset == -1
        assert counts(broker) == {}
        assert (fault.hits, fault.is_over) == (1, False)
    assert codes(client.ask(produce_request(("orders", 0)), ProduceResponse, 9)) == {("orders", 0): 0}


def test_what_stands_beside_it_is_done(broker, client):
    broker.faults.error("Produce", NOT_LEADER, topic="orders", partition=1)
    asked = produce_request(("orders", 0), ("orders", 1), ("bills", 0))
    assert codes(client.ask(asked, ProduceResponse, 9)) == {
        ("orders", 0): 0,
        ("orders", 1): NOT_LEADER,
        ("bills", 0): 0,
    }
    assert counts(broker) == {("orders", 0): 1, ("bills", 0): 1}


def test_an_error_after_acting(broker, client):
    broker.faults.error("Produce", "REQUEST_TIMED_OUT", topic="orders", acting=True)
    asked = produce_request(("orders", 0), ("bills", 0))
    assert codes(client.ask(asked, ProduceResponse, 9)) == {
        ("orders", 0): ErrorCode.REQUEST_TIMED_OUT,
        ("bills", 0): 0,
    }
    assert counts(broker) == {("orders", 0): 1, ("bills", 0): 1}


@pytest.mark.parametrize("acting", [False, True])
def test_an_error_without_an_answer_ends_the_connection(broker, client, acting):
    broker.faults.error("Produce", NOT_LEADER, acting=acting)
    client.send(request_frame(produce_request(("orders", 0), acks=0), 9))
    assert client.is_closed_by_peer()
    assert bool(counts(broker)) == acting


def test_topics_by_their_ids(broker, client):
    broker.faults.error("Produce", NOT_LEADER, topic="orders", partition=0)
    image = broker._look(lambda running: running.services.metadata.image.topics_by_name["orders"])
    asked = produce_request(("", 0), ("", 1))
    asked.topic_data[0].topic_id = image.topic_id
    answer = client.ask(asked, ProduceResponse, 13)
    assert {each.index: each.error_code for topic in answer.responses for each in topic.partition_responses} == {
        0: NOT_LEADER,
        1: 0,
    }
    assert [topic.topic_id for topic in answer.responses] == [image.topic_id]


def test_versions(broker, client):
    broker.faults.error("Heartbeat", "REBALANCE_IN_PROGRESS", versions="3+")
    heartbeat = HeartbeatRequest(group_id="g")
    assert [client.ask(heartbeat, HeartbeatResponse, version).error_code for version in (2, 3, 4)] == [
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.REBALANCE_IN_PROGRESS,
        ErrorCode.REBALANCE_IN_PROGRESS,
    ]


def test_metadata_tells_of_the_broker_beside_the_error(broker, client):
    broker.faults.error("Metadata", "LEADER_NOT_AVAILABLE", topic="orders")
    answer = client.ask_metadata()
    assert {topic.name: (topic.error_code, len(topic.partitions)) for topic in answer.topics} == {
        "orders": (ErrorCode.LEADER_NOT_AVAILABLE, 0),
        "bills": (0, 1),
    }
    assert answer.brokers[0].port == broker.port
    broker.faults.clear()
    broker.faults.error("Metadata", "LEADER_NOT_AVAILABLE", topic="orders", partition=1)
    topics = {topic.name: topic for topic in client.ask_metadata().topics}
    assert [each.error_code for each in topics["orders"].partitions] == [0, ErrorCode.LEADER_NOT_AVAILABLE]


def test_a_topic_that_does_not_exist_yet(broker, client):
    broker.faults.error("CreateTopics", "POLICY_VIOLATION", topic="secret")
    asked = CreateTopicsRequest(
        topics=[CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in ("secret", "public")]
    )
    answer = client.ask(asked, CreateTopicsResponse, 7)
    assert {topic.name: topic.error_code for topic in answer.topics} == {
        "secret": ErrorCode.POLICY_VIOLATION,
        "public": 0,
    }
    assert set(broker.topics()) == {*OTHERS, "public"}
    broker.faults.error("Metadata", "LEADER_NOT_AVAILABLE", topic="made-by-use")
    found = client.ask(
        MetadataRequest(topics=[MetadataRequestTopic(name="made-by-use")], allow_auto_topic_creation=False),
        MetadataResponse,
        12,
    )
    assert found.topics[0].error_code == ErrorCode.LEADER_NOT_AVAILABLE


def test_names_without_structs(broker, client):
    broker.faults.error("DeleteTopics", "TOPIC_DELETION_DISABLED", topic="orders")
    answer = client.ask(DeleteTopicsRequest(topic_names=["orders", "bills"]), DeleteTopicsResponse, 5)
    assert {topic.name: topic.error_code for topic in answer.responses} == {
        "orders": ErrorCode.TOPIC_DELETION_DISABLED,
        "bills": 0,
    }
    assert set(broker.topics()) == {"orders"}


def test_a_parked_fetch_would_have_hidden_it(broker, client):
    broker.faults.error("Fetch", NOT_LEADER, topic="orders", times=1)
    fetch = fetch_request("orders", max_wait_ms=60_000, min_bytes=1)
    assert client.fetch(fetch).error_code == NOT_LEADER


def test_a_fetch_session_names_no_partition(broker, client):
    opening = fetch_request("orders")
    opening.session_epoch = 0
    opened = client.ask(opening, FetchResponse, 12)
    assert opened.session_id
    going_on = FetchRequest(
        session_id=opened.session_id, session_epoch=1, max_wait_ms=60_000, min_bytes=1, max_bytes=1 << 20
    )
    broker.faults.error("Fetch", NOT_LEADER, topic="bills")
    broker.faults.error("Fetch", NOT_LEADER, topic="orders", times=1)
    answer = client.ask(going_on, FetchResponse, 12)
    assert [(topic.topic, each.error_code) for topic in answer.responses for each in topic.partitions] == [
        ("orders", NOT_LEADER)
    ]
    broker.produce("orders", "x", partition=0)
    going_on.session_epoch = 2
    answer = client.ask(going_on, FetchResponse, 12)
    assert [(each.error_code, bool(each.records)) for each in answer.responses[0].partitions] == [(0, True)]


def test_an_error_of_the_fetch_as_a_whole(broker, client):
    broker.faults.error("Fetch", "FETCH_SESSION_ID_NOT_FOUND")
    answer = client.ask(fetch_request("orders"), FetchResponse, 12)
    assert (answer.error_code, answer.responses) == (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, [])


def test_a_group_that_is_not_served_here_beside_one_that_is(broker, client):
    def commit_to(group) -> int:
        committed = OffsetCommitRequestPartition(partition_index=0, committed_offset=7)
        asked = OffsetCommitRequest(
            group_id=group, topics=[OffsetCommitRequestTopic(name="orders", partitions=[committed])]
        )
        return client.ask(asked, OffsetCommitResponse, 9).topics[0].partitions[0].error_code

    broker.commit("billing", "orders", 1)
    with broker.faults.coordinator_unavailable(group="billing"):
        assert (commit_to("billing"), commit_to("shipping")) == (ErrorCode.NOT_COORDINATOR, 0)
        asked = FindCoordinatorRequest(coordinator_keys=["billing", "shipping"])
        found = client.ask(asked, FindCoordinatorResponse, 4).coordinators
        assert {each.key: (each.error_code, each.port) for each in found} == {
            "billing": (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1),
            "shipping": (0, broker.port),
        }
    assert commit_to("billing") == 0


def test_a_fault_that_ends_with_the_brokers_time(broker, client):
    fault = broker.faults.error("Heartbeat", "REBALANCE_IN_PROGRESS", seconds=30)
    heartbeat = HeartbeatRequest(group_id="g")
    assert client.ask(heartbeat, HeartbeatResponse, 4).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    broker.clock.advance(seconds=31)
    assert client.ask(heartbeat, HeartbeatResponse, 4).error_code == ErrorCode.NOT_COORDINATOR
    assert fault.is_over
    assert broker.faults.active == []


def test_an_error_is_as_kafka_answers_it(broker, client):
    broker.faults.error(["JoinGroup", "InitProducerId"], "COORDINATOR_NOT_AVAILABLE")
    for version, protocol in ((6, ""), (7, None)):
        joined = client.ask(JoinGroupRequest(group_id="g", session_timeout_ms=9000), JoinGroupResponse, version)
        assert (joined.error_code, joined.generation_id, joined.protocol_name, joined.members) == (
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            -1,
            protocol,
            [],
        )
    begun = client.ask(InitProducerIdRequest(transactional_id="t"), InitProducerIdResponse, 4)
    assert (begun.error_code, begun.producer_id, begun.producer_epoch) == (15, -1, 0)


# Answers and connections


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


# Together


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
