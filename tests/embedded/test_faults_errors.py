"""An error instead of an answer, as bytes on a connection: where it stands, and what is done beside it."""

from __future__ import annotations

import pytest
from ottla.broker import Broker
from ottla.protocol.errors import ErrorCode
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
from ottla.protocol.messages.produce import ProduceResponse

from ..harness.raw_client import RawClient, fetch_request, request_frame
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
