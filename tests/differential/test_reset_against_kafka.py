"""Answers after an embedded broker's reset are those of Apache Kafka after topic and group were deleted."""

from __future__ import annotations

import time

import pytest
from ottla.broker import Broker
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from ottla.protocol.messages.fetch import FetchResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from ottla.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from ottla.protocol.records import Record, build_batch

from ..harness.raw_client import RawClient, fetch_request

TOPIC, GROUP = "orders", "readers"
DEADLINE_S = 60


class Client:
    """A producer and a group member on one connection, who go on as if nothing had happened."""

    def __init__(self, broker) -> None:
        self.raw = RawClient(broker)
        self.topic_id = self.create_topic()
        self.until(lambda: self.produce(12) == ErrorCode.NONE)
        find = FindCoordinatorRequest(coordinator_keys=[GROUP])
        self.until(lambda: not self.raw.ask(find, FindCoordinatorResponse, 4).coordinators[0].error_code)
        self.member_id, self.generation = "", -1
        self.until(lambda: self.join() == ErrorCode.NONE)
        self.sync()
        assert self.commit() == ErrorCode.NONE

    def until(self, condition) -> None:
        """Apache Kafka carries out some things a moment after it has answered."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def create_topic(self) -> bytes:
        topic = CreatableTopic(name=TOPIC, num_partitions=1, replication_factor=1)
        result = self.raw.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics[0]
        assert result.error_code == ErrorCode.NONE
        return result.topic_id

    def delete_all(self) -> None:
        self.leave()
        groups = self.raw.ask(DeleteGroupsRequest(groups_names=[GROUP]), DeleteGroupsResponse, 2)
        topics = [DeleteTopicState(name=TOPIC)]
        topics = self.raw.ask(DeleteTopicsRequest(topics=topics, timeout_ms=30_000), DeleteTopicsResponse, 6)
        assert (groups.results[0].error_code, topics.responses[0].error_code) == (ErrorCode.NONE, ErrorCode.NONE)
        self.until(lambda: self.produce(12) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    # What it asks

    def answers(self) -> dict[str, object]:
        return {
            "heartbeat": self.heartbeat(),
            "sync": self.sync(),
            "join": self.join(),
            "leave": self.leave(),
            "commit": self.commit(),
            "offsets": self.offsets(),
            "consumer heartbeat": self.consumer_heartbeat(),
            "fetch by name": self.fetch(12),
            "fetch by id": self.fetch(15),
            "produce by id": self.produce(13),
            "end offset": self.end_offset(),
            "produce by name": self.produce(12),
        }

    def heartbeat(self) -> int:
        request = HeartbeatRequest(group_id=GROUP, generation_id=self.generation, member_id=self.member_id)
        return self.raw.ask(request, HeartbeatResponse, 3).error_code

    def consumer_heartbeat(self) -> int:
        request = ConsumerGroupHeartbeatRequest(group_id=GROUP, member_id="somebody", member_epoch=3)
        return self.raw.ask(request, ConsumerGroupHeartbeatResponse, 0).error_code

    def join(self) -> int:
        request = JoinGroupRequest(
            group_id=GROUP,
            member_id=self.member_id,
            session_timeout_ms=30_000,
            rebalance_timeout_ms=30_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        response = self.raw.ask(request, JoinGroupResponse, 3)
        if response.error_code == ErrorCode.NONE:
            self.member_id, self.generation = response.member_id, response.generation_id
        return response.error_code

    def sync(self) -> int:
        assignments = [SyncGroupRequestAssignment(member_id=self.member_id, assignment=b"")]
        request = SyncGroupRequest(
            group_id=GROUP, generation_id=self.generation, member_id=self.member_id, assignments=assignments
        )
        return self.raw.ask(request, SyncGroupResponse, 3).error_code

    def leave(self) -> int:
        request = LeaveGroupRequest(group_id=GROUP, members=[MemberIdentity(member_id=self.member_id)])
        return self.raw.ask(request, LeaveGroupResponse, 4).members[0].error_code

    def commit(self) -> int:
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata="")
        request = OffsetCommitRequest(
            group_id=GROUP,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            topics=[OffsetCommitRequestTopic(name=TOPIC, partitions=[partition])],
        )
        return self.raw.ask(request, OffsetCommitResponse, 8).topics[0].partitions[0].error_code

    def offsets(self) -> tuple[int, int]:
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=GROUP, topics=None)])
        group = self.raw.ask(request, OffsetFetchResponse, 8).groups[0]
        return group.error_code, len(group.topics)

    def fetch(self, version: int) -> tuple[int, int]:
        request = fetch_request(TOPIC, offset=1)
        request.topics[0].topic_id = self.topic_id
        response = self.raw.ask(request, FetchResponse, version)
        return response.error_code, response.responses[0].partitions[0].error_code

    def produce(self, version: int) -> int:
        batch = memoryview(build_batch([Record(0, 1, None, b"value")], base_offset=0))
        data = [PartitionProduceData(index=0, records=batch)]
        topic_id = self.topic_id if version >= 13 else bytes(16)
        request = ProduceRequest(
            acks=-1,
            timeout_ms=30_000,
            topic_data=[TopicProduceData(name=TOPIC, topic_id=topic_id, partition_data=data)],
        )
        return self.raw.ask(request, ProduceResponse, version).responses[0].partition_responses[0].error_code

    def end_offset(self) -> tuple[int, int]:
        partition = ListOffsetsPartition(partition_index=0, current_leader_epoch=-1, timestamp=-1)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=TOPIC, partitions=[partition])])
        found = self.raw.ask(request, ListOffsetsResponse, 6).topics[0].partitions[0]
        return found.error_code, found.offset


@pytest.fixture
def of_kafka(kafka):
    client = Client(kafka)
    with client.raw:
        client.delete_all()
        without_topic = client.answers()
        client.create_topic()
        client.until(lambda: client.end_offset() == (ErrorCode.NONE, 0))
        return without_topic, client.answers()


def test_answers_after_a_reset_are_those_after_a_deletion(of_kafka):
    with Broker() as broker:
        client = Client(broker)
        with client.raw:
            broker.reset()
            assert client.answers() == of_kafka[0]
            broker.reset(topics=[TOPIC])
            assert client.answers() == of_kafka[1]
