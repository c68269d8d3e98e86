"""Alter- and ListPartitionReassignments; codes and sentences were asked of Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import alter_partition_reassignments, list_partition_reassignments
from ottla.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from ottla.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)

from ..data_broker import DataBroker

MANUAL = "The manual partition assignment includes "


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t")
    return broker


def alter(broker, *wanted, version=1, **fields):
    topics = [
        ReassignableTopic(name=name, partitions=[ReassignablePartition(partition_index=index, replicas=replicas)])
        for name, index, replicas in wanted
    ]
    request = AlterPartitionReassignmentsRequest(topics=topics, **fields)
    return broker.ask(alter_partition_reassignments, request, version)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("topic", "index", "replicas", "code", "message"),
    [
        ("t", 0, [1], 0, None),
        ("t", 0, None, 85, None),
        ("t", 0, [2], 39, f"{MANUAL}broker 2, but no such broker is registered."),
        ("t", 0, [1, 2], 39, f"{MANUAL}broker 2, but no such broker is registered."),
        ("t", 0, [-1], 39, f"{MANUAL}broker -1, but no such broker is registered."),
        ("t", 0, [], 39, f"{MANUAL}an empty replica list."),
        ("t", 0, [2, 1, 1], 39, f"{MANUAL}the broker 1 more than once."),
        ("t", 9, None, 3, "Unable to find partition t:9."),
        ("no", 0, [1], 3, "Unable to find a topic named no."),
    ],
)
def test_a_partition_can_only_stay_where_it_is(broker, version, topic, index, replicas, code, message):
    before = broker.metadata.last_offset
    response = alter(broker, (topic, index, replicas), version=version)
    assert (response.error_code, response.error_message) == (0, None)
    [answered] = response.responses
    [partition] = answered.partitions
    assert (answered.name, partition.partition_index) == (topic, index)
    assert (partition.error_code, partition.error_message) == (code, message)
    assert broker.metadata.last_offset == before


def test_whether_the_number_of_replicas_may_change_is_echoed(broker):
    assert not alter(broker, ("t", 0, [1]), allow_replication_factor_change=False).allow_replication_factor_change
    nothing_asked = alter(broker, allow_replication_factor_change=False)
    assert nothing_asked.allow_replication_factor_change
    assert (nothing_asked.error_message, nothing_asked.responses) == ("", [])


@pytest.mark.parametrize("topics", [None, [], [("t", [0, 9])], [("no", [0])]])
def test_nothing_is_on_the_move(broker, topics):
    if topics is not None:
        topics = [ListPartitionReassignmentsTopics(name=name, partition_indexes=indexes) for name, indexes in topics]
    response = broker.ask(list_partition_reassignments, ListPartitionReassignmentsRequest(topics=topics), 0)
    assert (response.error_code, response.error_message, response.topics) == (0, None, [])
