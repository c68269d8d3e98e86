"""CreateTopics against a real metadata log; codes and sentences were asked of Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import create_topics
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

from ..metadata_broker import MetadataBroker


@pytest.fixture
def broker(tmp_path):
    return MetadataBroker(tmp_path)


def topic(name="new", partitions=1, replicas=1, assignments=(), **configs):
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=[CreatableReplicaAssignment(partition_index=i, broker_ids=list(b)) for i, b in assignments],
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def by_hand(*assignments, partitions=-1, replicas=-1):
    return topic(partitions=partitions, replicas=replicas, assignments=assignments)


def ask(broker, *topics, version=7, validate_only=False):
    request = CreateTopicsRequest(topics=list(topics), timeout_ms=1000, validate_only=validate_only)
    request = decode(CreateTopicsRequest, encode(request, version), version)
    response = broker.call(create_topics, request, version)
    return decode(CreateTopicsResponse, encode(response, version), version).topics


def told(results):
    return [(result.name, ErrorCode(result.error_code).name, result.error_message) for result in results]


@pytest.mark.parametrize("version", range(2, 8))
def test_every_version_creates(broker, version):
    [result] = ask(broker, topic(partitions=3), version=version)
    created = broker.metadata.image.topics_by_name["new"]
    assert (result.error_code, result.error_message, len(created.partitions)) == (0, None, 3)
    assert result.num_partitions == (3 if version >= 5 else -1)
    assert result.replication_factor == (1 if version >= 5 else -1)
    assert result.topic_id == (created.topic_id if version >= 7 else bytes(16))


def test_all_configs_are_told_with_their_sources(broker):
    [result] = ask(broker, topic(retention_ms="5"))
    configs = {config.name: (config.value, config.config_source) for config in result.configs}
    assert len(configs) == 33
    assert configs["retention.ms"] == ("5", 1)
    assert configs["cleanup.policy"] == ("delete", 5)
    assert list(configs) == sorted(configs)


def test_configs_are_told_as_they_were_sent(broker):
    [result] = ask(broker, topic(retention_ms=" 1000 ", cleanup_policy="compact, delete"))
    configs = {config.name: config.value for config in result.configs}
    assert (configs["retention.ms"], configs["cleanup.policy"]) == (" 1000 ", "compact, delete")


@pytest.mark.parametrize("version", [2, 7])
def test_minus_one_takes_the_brokers_defaults(tmp_path, version):
    broker = MetadataBroker(tmp_path, ["num.partitions=4"])
    ask(broker, topic(partitions=-1, replicas=-1), version=version)
    assert len(broker.metadata.image.topics_by_name["new"].partitions) == 4


def test_validate_only_says_the_same_and_changes_nothing(broker):
    before = broker.metadata.last_offset
    [result] = ask(broker, topic(partitions=3), validate_only=True)
    assert (result.error_code, result.num_partitions) == (0, 3)
    assert result.topic_id != bytes(16)
    assert broker.metadata.last_offset == before
    assert not broker.heard.lines


def test_one_failure_does_not_touch_the_others(broker):
    results = ask(broker, topic("good"), topic("a/b"), topic("fine"))
    assert [result.error_code for result in results] == [0, ErrorCode.INVALID_TOPIC_EXCEPTION, 0]
    assert list(broker.metadata.image.topics_by_name) == ["good", "fine"]


def test_a_name_that_comes_twice_fails_once_behind_the_others(broker):
    results = ask(broker, topic("twice"), topic("once"), topic("twice"), topic("twice"))
    assert told(results) == [("once", "NONE", None), ("twice", "INVALID_REQUEST", "Duplicate topic name.")]
    assert list(broker.metadata.image.topics_by_name) == ["once"]


def test_new_topics_of_one_request_do_not_collide(broker):
    assert [result.error_code for result in ask(broker, topic("a.b_c"), topic("a_b.c"))] == [0, 0]


def test_what_exists_is_said_before_anything_else(broker):
    broker.create("new")
    assert told(ask(broker, topic(partitions=0, nope="1"))) == [
        ("new", "TOPIC_ALREADY_EXISTS", "Topic 'new' already exists.")
    ]


MANUAL = "A manual partition assignment was specified, but"
INCLUDES = "The manual partition assignment includes"


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (topic(partitions=0), "INVALID_PARTITIONS", "Number of partitions was set to an invalid non-positive value."),
        (topic(partitions=-2), "INVALID_PARTITIONS", "Number of partitions was set to an invalid non-positive value."),
        (
            topic(partitions=0, replicas=0),
            "INVALID_REPLICATION_FACTOR",
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            topic(replicas=2),
            "INVALID_REPLICATION_FACTOR",
            "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because "
            "only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (topic(partitions=0, nope="1"), "INVALID_CONFIG", "Unknown topic config name: nope"),
        (topic(retention_ms=None), "INVALID_CONFIG", "Null value not supported for topic configs: retention.ms"),
        (
            topic(cleanup_policy="foo"),
            "INVALID_CONFIG",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            topic(segment_bytes="1"),
            "INVALID_CONFIG",
            "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            by_hand((0, [1]), replicas=1),
            "INVALID_REQUEST",
            f"{MANUAL} replication factor was not set to -1.",
        ),
        (by_hand((0, [1]), partitions=1), "INVALID_REQUEST", f"{MANUAL} numPartitions was not set to -1."),
        (
            by_hand((0, [1]), (0, [1])),
            "INVALID_REPLICA_ASSIGNMENT",
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            by_hand((0, [1]), (2, [1])),
            "INVALID_REPLICA_ASSIGNMENT",
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            by_hand((-1, [1])),
            "INVALID_REPLICA_ASSIGNMENT",
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (by_hand((0, [])), "INVALID_REPLICA_ASSIGNMENT", f"{INCLUDES} an empty replica list."),
        (
            by_hand((0, [1]), (1, [1, 2])),
            "INVALID_REPLICA_ASSIGNMENT",
            f"{INCLUDES} broker 2, but no such broker is registered.",
        ),
        (by_hand((0, [1, 1])), "INVALID_REPLICA_ASSIGNMENT", f"{INCLUDES} the broker 1 more than once."),
        (
            topic("__cluster_metadata"),
            "INVALID_REQUEST",
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_kafkas_words(broker, asked, code, message):
    assert told(ask(broker, asked)) == [(asked.name, code, message)]
    assert not broker.metadata.image.topics_by_name


def test_brokers_may_be_named_by_hand(broker):
    [result] = ask(broker, by_hand((1, [1]), (0, [1])))
    assert (result.error_code, result.num_partitions, result.replication_factor) == (0, 2, 1)
    created = broker.metadata.image.topics_by_name["new"]
    assert [(p.index, p.replicas, p.leader) for p in created.partitions] == [(0, (1,), 1), (1, (1,), 1)]


TOO_MANY = "Excessively large number of partitions per request."
TOO_LARGE = "Unable to perform excessively large batch operation."


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([topic("a", 6000), topic("b", 6000)], TOO_MANY),
        ([topic("a", 1), topic("b", (1 << 31) - 1)], TOO_MANY),
        ([topic("a", 10_000)], TOO_LARGE),
        ([topic("a", 9999, retention_ms="5")], TOO_LARGE),
        ([topic("a", 5000), topic("b", 4999)], TOO_LARGE),
        ([topic("a", 9999)], None),
        ([topic("a", 5000), topic("b", 4998)], None),
    ],
)
def test_a_request_for_too_much_fails_whole(broker, asked, message):
    results = ask(broker, *asked, validate_only=True)
    code = "NONE" if message is None else "POLICY_VIOLATION"
    assert told(results) == [(each.name, code, message) for each in asked]


def test_a_full_disk_fails_what_was_to_be_created(broker):
    broker.disk.full = True
    results = ask(broker, topic("a"), topic("b"))
    assert [result.error_code for result in results] == [ErrorCode.KAFKA_STORAGE_ERROR] * 2


def test_everything_created_is_there_after_a_crash(broker):
    ask(broker, topic("a", 2, retention_ms="5"), topic("b", 3))
    broker.crash()
    image = broker.metadata.image
    assert {name: len(found.partitions) for name, found in image.topics_by_name.items()} == {"a": 2, "b": 3}
    assert image.configs_of(2, "a") == {"retention.ms": "5"}
