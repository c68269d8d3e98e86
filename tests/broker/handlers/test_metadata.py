"""Metadata against a real metadata log; what Kafka 4.3.1 answers was asked of it with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import metadata
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ottla.protocol.stored.metadata import PartitionChangeRecord

from ..metadata_broker import CLUSTER_ID, MetadataBroker

INT_MIN = -(1 << 31)
NO_AUTO = {"allow_auto_topic_creation": False}


@pytest.fixture
def broker(tmp_path):
    return MetadataBroker(tmp_path)


def ask(broker, version, *names, topics=None, **fields):
    """Encode and decode both ways, so that the fields a version does not have are not there."""
    if topics is None:
        topics = [MetadataRequestTopic(name=name) for name in names]
    request = MetadataRequest(topics=None if topics == "all" else topics, **fields)
    request = decode(MetadataRequest, encode(request, version), version)
    response = broker.call(metadata, request, version)
    return decode(MetadataResponse, encode(response, version), version)


def codes(response):
    return {topic.name: ErrorCode(topic.error_code).name for topic in response.topics}


@pytest.mark.parametrize("version", range(14))
def test_every_version_tells_the_broker_and_the_leaders(broker, version):
    topic = broker.create("orders", 2)
    response = ask(broker, version, "orders")
    assert [(b.node_id, b.host, b.port) for b in response.brokers] == [(1, "10.0.0.7", 19_092)]
    assert response.cluster_id == (CLUSTER_ID if version >= 2 else None)
    assert response.controller_id == (1 if version >= 1 else -1)
    [found] = response.topics
    assert (found.error_code, found.name, found.is_internal) == (0, "orders", False)
    assert found.topic_id == (topic.topic_id if version >= 10 else bytes(16))
    assert [(p.error_code, p.partition_index, p.leader_id) for p in found.partitions] == [(0, 0, 1), (0, 1, 1)]
    first = found.partitions[0]
    assert (first.replica_nodes, first.isr_nodes, first.offline_replicas) == ([1], [1], [])
    assert first.leader_epoch == (0 if version >= 7 else -1)


class TestWhichTopics:
    @pytest.mark.parametrize(("version", "asked", "count"), [(0, [], 2), (1, [], 0), (1, "all", 2), (13, "all", 2)])
    def test_none_and_all(self, broker, version, asked, count):
        broker.create("a")
        broker.create("b")
        response = ask(broker, version, topics=asked)
        assert len(response.topics) == count
        assert len(response.brokers) == 1

    def test_a_topic_asked_for_twice_is_answered_once(self, broker):
        broker.create("a")
        assert len(ask(broker, 12, "a", "a").topics) == 1

    def test_by_id(self, broker):
        topic = broker.create("a")
        [found] = ask(broker, 12, topics=[MetadataRequestTopic(name=None, topic_id=topic.topic_id)]).topics
        assert (found.error_code, found.name) == (0, "a")

    def test_an_unknown_id_is_answered_without_a_name(self, broker):
        [found] = ask(broker, 12, topics=[MetadataRequestTopic(name=None, topic_id=b"x" * 16)]).topics
        assert (found.error_code, found.name, found.topic_id) == (ErrorCode.UNKNOWN_TOPIC_ID, None, b"x" * 16)

    def test_with_one_id_the_names_beside_it_are_not_answered(self, broker):
        topic = broker.create("a")
        broker.create("b")
        by_id, by_name = MetadataRequestTopic(name="zzz", topic_id=topic.topic_id), MetadataRequestTopic(name="b")
        assert codes(ask(broker, 12, topics=[by_id, by_name])) == {"a": "NONE"}

    @pytest.mark.parametrize("version", [10, 11])
    @pytest.mark.parametrize("name", ["a", "", None])
    def test_ids_before_version_12_are_refused_whole(self, broker, version, name):
        topic = broker.create("a")
        response = ask(broker, version, topics=[MetadataRequestTopic(name=name, topic_id=topic.topic_id)])
        [refused] = response.topics
        assert (refused.error_code, refused.name) == (ErrorCode.INVALID_REQUEST, name or "")
        assert not response.brokers

    def test_neither_name_nor_id(self, broker):
        response = ask(broker, 12, topics=[MetadataRequestTopic(name=None)])
        assert [topic.error_code for topic in response.topics] == [ErrorCode.UNKNOWN_SERVER_ERROR]

    def test_from_version_13_the_whole_answer_carries_the_error_too(self, broker):
        response = ask(broker, 13, topics=[MetadataRequestTopic(name=None)])
        assert response.error_code == ErrorCode.UNKNOWN_SERVER_ERROR


class TestCreation:
    def test_a_topic_that_is_used_is_there_and_led_in_the_same_answer(self, tmp_path):
        broker = MetadataBroker(tmp_path, ["num.partitions=3"])
        [found] = ask(broker, 12, "new").topics
        assert (found.error_code, len(found.partitions), found.partitions[2].leader_id) == (0, 3, 1)
        assert broker.heard.lines == ["created new 3"]

    def test_versions_before_4_cannot_say_no(self, broker):
        assert codes(ask(broker, 3, "new")) == {"new": "NONE"}

    def test_the_request_may_forbid_it(self, broker):
        assert codes(ask(broker, 4, "new", **NO_AUTO)) == {"new": "UNKNOWN_TOPIC_OR_PARTITION"}

    def test_the_broker_may_forbid_it(self, tmp_path):
        broker = MetadataBroker(tmp_path, ["auto.create.topics.enable=false"])
        assert codes(ask(broker, 12, "new")) == {"new": "UNKNOWN_TOPIC_OR_PARTITION"}
        assert not broker.metadata.image.topics_by_name

    @pytest.mark.parametrize("fields", [{}, NO_AUTO])
    def test_an_illegal_name_is_said_to_be_one(self, broker, fields):
        expected = dict.fromkeys(("a/b", "", ".."), "INVALID_TOPIC_EXCEPTION")
        assert codes(ask(broker, 12, "a/b", "", "..", **fields)) == expected
        assert not broker.metadata.image.topics_by_name

    def test_a_name_that_collides_is_not_created(self, broker):
        broker.create("a.b")
        assert codes(ask(broker, 12, "a_b")) == {"a_b": "INVALID_TOPIC_EXCEPTION"}

    def test_the_metadata_log_is_no_topic(self, broker):
        for fields in ({}, NO_AUTO):
            response = ask(broker, 12, "__cluster_metadata", **fields)
            assert codes(response) == {"__cluster_metadata": "UNKNOWN_TOPIC_OR_PARTITION"}

    def test_topics_that_one_request_creates_do_not_collide_with_each_other(self, broker):
        assert codes(ask(broker, 12, "a.b", "a_b")) == {"a.b": "NONE", "a_b": "NONE"}

    def test_a_request_that_would_create_too_much_creates_nothing(self, tmp_path):
        broker = MetadataBroker(tmp_path, ["num.partitions=5000"])
        expected = dict.fromkeys("abc", "POLICY_VIOLATION")
        assert codes(ask(broker, 12, "a", "b", "c")) == expected
        assert not broker.metadata.image.topics_by_name

    def test_an_internal_topic_is_marked_as_one(self, broker):
        [found] = ask(broker, 12, "__consumer_offsets").topics
        assert (found.error_code, found.is_internal, len(found.partitions)) == (0, True, 50)

    def test_a_full_disk_is_an_error_of_the_topic(self, broker):
        broker.disk.full = True
        assert codes(ask(broker, 12, "new")) == {"new": "KAFKA_STORAGE_ERROR"}


class TestOperations:
    def test_they_are_told_only_when_asked_for(self, broker):
        broker.create("a")
        response = ask(broker, 10, "a")
        assert (response.cluster_authorized_operations, response.topics[0].topic_authorized_operations) == (
            INT_MIN,
            INT_MIN,
        )

    def test_everybody_may_do_everything(self, broker):
        broker.create("a")
        asked = {"include_cluster_authorized_operations": True, "include_topic_authorized_operations": True}
        response = ask(broker, 10, "a", "new", **asked, **NO_AUTO)
        assert response.cluster_authorized_operations == 8096
        assert [topic.topic_authorized_operations for topic in response.topics] == [3576, INT_MIN]


class TestAddress:
    def test_advertised_listeners_hold_where_they_name_the_listener(self, tmp_path):
        broker = MetadataBroker(
            tmp_path,
            [
                "listeners=PLAINTEXT://127.0.0.1:9092,OUTSIDE://0.0.0.0:9093",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT",
                "advertised.listeners=OUTSIDE://kafka.example:443",
                "broker.rack=r1",
            ],
        )
        request = MetadataRequest(topics=[])
        outside = broker.call(metadata, request, 12, listener="OUTSIDE").brokers[0]
        inside = broker.call(metadata, request, 12, listener="PLAINTEXT").brokers[0]
        assert (outside.host, outside.port, outside.rack) == ("kafka.example", 443, "r1")
        assert (inside.host, inside.port) == ("10.0.0.7", 19_092)


def test_a_partition_that_others_lead_has_no_leader_here(broker):
    topic = broker.create("a")
    broker.metadata_log.append(
        [PartitionChangeRecord(partition_id=0, topic_id=topic.topic_id, replicas=[2, 1], isr=[2], leader=2)]
    )
    broker.load()
    [partition] = ask(broker, 12, "a").topics[0].partitions
    assert (partition.error_code, partition.leader_id) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
    assert (partition.replica_nodes, partition.isr_nodes, partition.offline_replicas) == ([2, 1], [2], [2])
