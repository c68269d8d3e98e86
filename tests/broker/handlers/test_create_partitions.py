"""CreatePartitions against a real metadata log; codes and sentences are those of Kafka 4.3.1 to the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import create_partitions
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)

from ..metadata_broker import MetadataBroker


@pytest.fixture
def broker(tmp_path):
    broker = MetadataBroker(tmp_path)
    broker.create("a", 2)
    return broker


def grow(name="a", count=4, by_hand=None):
    assignments = None if by_hand is None else [CreatePartitionsAssignment(broker_ids=ids) for ids in by_hand]
    return CreatePartitionsTopic(name=name, count=count, assignments=assignments)


def ask(broker, *topics, version=3, validate_only=False):
    request = CreatePartitionsRequest(topics=list(topics), timeout_ms=1000, validate_only=validate_only)
    request = decode(CreatePartitionsRequest, encode(request, version), version)
    response = broker.call(create_partitions, request, version)
    results = decode(CreatePartitionsResponse, encode(response, version), version).results
    return [(result.name, ErrorCode(result.error_code).name, result.error_message) for result in results]


def count_of(broker, name="a"):
    return len(broker.metadata.image.topics_by_name[name].partitions)


@pytest.mark.parametrize("version", range(4))
def test_every_version_grows_a_topic(broker, version):
    assert ask(broker, grow(), version=version) == [("a", "NONE", None)]
    assert count_of(broker) == 4
    assert broker.heard.lines[-1] == "added a 2..3"


def test_validate_only_changes_nothing(broker):
    assert ask(broker, grow(), validate_only=True) == [("a", "NONE", None)]
    assert count_of(broker) == 2


def test_brokers_may_be_named_by_hand(broker):
    assert ask(broker, grow(by_hand=[[1], [1]])) == [("a", "NONE", None)]
    assert count_of(broker) == 4


INCLUDES = "The manual partition assignment includes"
NO_INCREASE = "The topic a currently has 2 partition(s); {} would not be an increase."


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (grow(count=1), "INVALID_PARTITIONS", NO_INCREASE.format(1)),
        (grow(count=-1), "INVALID_PARTITIONS", NO_INCREASE.format(-1)),
        (grow(count=2), "INVALID_PARTITIONS", "Topic already has 2 partition(s)."),
        (grow("nope"), "UNKNOWN_TOPIC_OR_PARTITION", None),
        (grow("__cluster_metadata"), "UNKNOWN_TOPIC_OR_PARTITION", None),
        (
            grow(by_hand=[[1]]),
            "INVALID_REPLICA_ASSIGNMENT",
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (grow(by_hand=[[1], []]), "INVALID_REPLICA_ASSIGNMENT", f"{INCLUDES} an empty replica list."),
        (
            grow(by_hand=[[1], [1, 2]]),
            "INVALID_REPLICA_ASSIGNMENT",
            f"{INCLUDES} broker 2, but no such broker is registered.",
        ),
        (
            grow(by_hand=[[1, 1], [1]]),
            "INVALID_REPLICA_ASSIGNMENT",
            f"{INCLUDES} the broker 1 more than once.",
        ),
        (grow(count=10_003), "POLICY_VIOLATION", "Unable to perform excessively large batch operation."),
        (grow(count=10_000_000), "POLICY_VIOLATION", "Unable to perform excessively large batch operation."),
    ],
)
def test_what_cannot_be_is_refused(broker, asked, code, message):
    assert ask(broker, asked) == [(asked.name, code, message)]
    assert count_of(broker) == 2


def test_ten_thousand_new_partitions_are_not_too_many(broker):
    assert ask(broker, grow(count=10_002), validate_only=True) == [("a", "NONE", None)]


def test_the_limit_counts_over_the_request_and_fails_only_what_goes_beyond(broker):
    broker.create("b")
    broker.create("c")
    results = ask(broker, grow(count=3), grow("b", 10_001), grow("c", 2), validate_only=True)
    assert [code for _, code, _ in results] == ["NONE", "POLICY_VIOLATION", "NONE"]


def test_a_topic_named_twice_is_answered_once_ahead_of_the_others(broker):
    broker.create("b")
    results = ask(broker, grow("b", 2), grow(count=3), grow(count=4))
    assert results == [("a", "INVALID_REQUEST", "Duplicate topic name."), ("b", "NONE", None)]
    assert (count_of(broker), count_of(broker, "b")) == (2, 2)


def test_new_partitions_are_there_after_a_crash(broker):
    ask(broker, grow())
    broker.crash()
    assert count_of(broker) == 4
