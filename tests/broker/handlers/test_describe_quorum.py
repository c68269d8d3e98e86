"""DescribeQuorum; what is told and what is refused was asked of Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import describe_quorum
from ottla.broker.metadata.first_voter import first_voter
from ottla.broker.metadata.quorum_view import Endpoint, Voter, configured_voters
from ottla.protocol.control_records import VotersRecord
from ottla.protocol.messages.describe_quorum import DescribeQuorumRequest, PartitionData, TopicData

from ..data_broker import DataBroker

METADATA = "__cluster_metadata"
DIRECTORY_ID = b"d" * 16


def ask(broker, *topics, version=2):
    request = DescribeQuorumRequest(
        topics=[
            TopicData(topic_name=name, partitions=[PartitionData(partition_index=index) for index in indexes])
            for name, indexes in topics
        ]
    )
    return broker.ask(describe_quorum, request, version)


@pytest.fixture
def broker(tmp_path):
    return DataBroker(tmp_path)


def name_voter(broker):
    """Let the log name its voter, as a directory's first start does."""
    voter = first_voter(broker.config, DIRECTORY_ID)
    assert voter is not None
    broker.metadata._log.reader.kraft.voters = VotersRecord(voters=[voter])


@pytest.mark.parametrize("version", range(3))
def test_this_node_leads(broker, version):
    name_voter(broker)
    broker.create("t")
    response = ask(broker, (METADATA, [0]), version=version)
    assert (response.error_code, response.error_message) == (0, "")
    [topic] = response.topics
    [partition] = topic.partitions
    assert (partition.error_code, partition.error_message, partition.partition_index) == (0, "", 0)
    assert (partition.leader_id, partition.observers) == (1, [])
    assert partition.high_watermark == broker.metadata.last_offset + 1
    assert partition.leader_epoch >= 1
    [voter] = partition.current_voters
    assert (voter.replica_id, voter.log_end_offset) == (1, partition.high_watermark)
    assert voter.replica_directory_id == (DIRECTORY_ID if version >= 2 else bytes(16))
    assert len(response.nodes) == (1 if version >= 2 else 0)


def test_the_voters_of_the_log_are_told_with_their_directories_and_endpoints(broker):
    name_voter(broker)
    response = ask(broker, (METADATA, [0]))
    [partition] = response.topics[0].partitions
    [told] = partition.current_voters
    assert (told.replica_id, told.replica_directory_id) == (1, DIRECTORY_ID)
    assert told.log_end_offset == partition.high_watermark
    assert told.last_fetch_timestamp == told.last_caught_up_timestamp == broker.clock.now_ms()
    [node] = response.nodes
    assert [(each.name, each.host, each.port) for each in node.listeners] == [("CONTROLLER", "localhost", 9093)]


@pytest.mark.parametrize(
    "topics",
    [
        [("t", [0])],
        [(METADATA, [1])],
        [(METADATA, [0, 1])],
        [(METADATA, [0, 0])],
        [(METADATA, [0]), ("t", [0])],
        [(METADATA, [])],
        [],
    ],
)
def test_whoever_asks_for_anything_else_as_well_gets_nothing(broker, topics):
    response = ask(broker, *topics)
    assert (response.error_code, response.nodes) == (0, [])
    told = [(topic.topic_name, [each.partition_index for each in topic.partitions]) for topic in response.topics]
    assert told == topics
    for topic in response.topics:
        for partition in topic.partitions:
            assert partition.error_code == 3
            assert partition.error_message == "This server does not host this topic-partition."
            assert (partition.leader_id, partition.leader_epoch, partition.high_watermark) == (0, 0, 0)


def test_the_voters_of_the_configuration():
    assert configured_voters(["1@localhost:9093", " 2@[::1]:9094"], "CONTROLLER") == (
        Voter(1, bytes(16), (Endpoint("CONTROLLER", "localhost", 9093),)),
        Voter(2, bytes(16), (Endpoint("CONTROLLER", "::1", 9094),)),
    )
