"""ElectLeaders; codes and sentences were asked of Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import elect_leaders
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions

from ..data_broker import DataBroker

NOT_NEEDED = (84, "Leader election not needed for topic partition.")


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", 2)
    return broker


def ask(broker, topics, version=2, **fields):
    if topics is not None:
        topics = [TopicPartitions(topic=name, partitions=partitions) for name, partitions in topics]
    return broker.ask(elect_leaders, ElectLeadersRequest(topic_partitions=topics, **fields), version)


def told(response):
    return [
        (topic.topic, each.partition_id, each.error_code, each.error_message)
        for topic in response.replica_election_results
        for each in topic.partition_result
    ]


@pytest.mark.parametrize(("version", "election_type"), [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)])
def test_no_partition_needs_an_election(broker, version, election_type):
    fields = {"election_type": election_type} if version else {}
    response = ask(broker, [("t", [0, 1, 0, 9]), ("no", [0]), ("t", [])], version, **fields)
    assert response.error_code == 0
    assert told(response) == [
        ("t", 0, *NOT_NEEDED),
        ("t", 1, *NOT_NEEDED),
        ("t", 0, *NOT_NEEDED),
        ("t", 9, 3, "No such partition as t-9"),
        ("no", 0, 3, "No such topic as no"),
    ]
    assert [topic.topic for topic in response.replica_election_results] == ["t", "no", "t"]


def test_of_all_topics_those_are_told_that_need_one(broker):
    response = ask(broker, None)
    assert (response.error_code, told(response)) == (0, [])
    assert [topic.topic for topic in response.replica_election_results] == ["t"]


@pytest.mark.parametrize("version", [1, 2])
def test_an_unknown_kind_of_election_is_refused_for_all_that_was_named(broker, version):
    response = ask(broker, [("t", [0, 9]), ("u", [])], version, election_type=2)
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert told(response) == [("t", index, 42, "Unknown election type 2") for index in (0, 9)]
    nothing_named = ask(broker, None, version, election_type=-1)
    assert (nothing_named.error_code, nothing_named.replica_election_results) == (ErrorCode.INVALID_REQUEST, [])
    assert ask(broker, [], version, election_type=2).error_code == 0
