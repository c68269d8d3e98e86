"""The expected answers were read off Apache Kafka 4.3.1 with the same requests, but where a comment says otherwise."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import incremental_alter_configs
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

from ..config_services import BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC, ConfigBroker

SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
INVALID_CONFIG, INVALID_REQUEST = ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST


@pytest.fixture
def broker():
    created = ConfigBroker()
    created.create_topic("t")
    return created


def resource(resource_type, name, *operations):
    configs = [
        AlterableConfig(name=key, config_operation=operation, value=value) for key, operation, value in operations
    ]
    return AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=configs)


def alter_all(broker, *resources, validate_only=False, version=1):
    request = IncrementalAlterConfigsRequest(resources=list(resources), validate_only=validate_only)
    response = broker.call(incremental_alter_configs, request, version)
    answered = decode(IncrementalAlterConfigsResponse, encode(response, version), version).responses
    assert [(a.resource_type, a.resource_name) for a in answered] == [
        (r.resource_type, r.resource_name) for r in resources
    ]
    return [(answer.error_code, answer.error_message) for answer in answered]


def alter(broker, resource_type, name, *operations, validate_only=False, version=1):
    wanted = resource(resource_type, name, *operations)
    (answer,) = alter_all(broker, wanted, validate_only=validate_only, version=version)
    return answer


def configs(broker, resource_type, name):
    return broker.metadata.image.configs_of(resource_type, name)


@pytest.mark.parametrize("version", [0, 1])
def test_set_and_delete(broker, version):
    assert alter(broker, TOPIC, "t", ("flush.ms", SET, "5"), ("retention.ms", SET, "6"), version=version) == (0, None)
    assert configs(broker, TOPIC, "t") == {"flush.ms": "5", "retention.ms": "6"}
    assert alter(broker, TOPIC, "t", ("flush.ms", DELETE, None), ("nope", DELETE, None), version=version) == (0, None)
    assert configs(broker, TOPIC, "t") == {"retention.ms": "6"}


def test_append_and_subtract_begin_with_the_default(broker):
    alter(broker, TOPIC, "t", ("cleanup.policy", APPEND, "compact,delete"))
    assert configs(broker, TOPIC, "t") == {"cleanup.policy": "delete,compact"}
    alter(broker, TOPIC, "t", ("cleanup.policy", SUBTRACT, "delete,nope"))
    assert configs(broker, TOPIC, "t") == {"cleanup.policy": "compact"}
    alter(broker, BROKER, "1", ("log.cleanup.policy", APPEND, "compact"))
    assert configs(broker, BROKER, "1") == {"log.cleanup.policy": "delete,compact"}


def test_validate_only_changes_nothing(broker):
    assert alter(broker, TOPIC, "t", ("flush.ms", SET, "5"), validate_only=True) == (0, None)
    assert alter(broker, BROKER, "1", ("max.connections", SET, "5"), validate_only=True) == (0, None)
    assert alter(broker, TOPIC, "t", ("flush.ms", SET, "x"), validate_only=True)[0] == INVALID_CONFIG
    assert not broker.altered


def test_one_bad_value_keeps_the_good_ones_of_its_resource_out_and_no_others(broker):
    answers = alter_all(
        broker,
        resource(TOPIC, "t", ("flush.ms", SET, "5")),
        resource(TOPIC, "nosuch", ("flush.ms", SET, "5")),
        resource(BROKER, "1", ("log.dirs", SET, "/x"), ("max.connections", SET, "5")),
    )
    assert answers == [
        (0, None),
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'nosuch' does not exist."),
        (INVALID_REQUEST, "Cannot update these configs dynamically: [log.dirs]"),
    ]
    assert broker.altered == {(TOPIC, "t"): {"flush.ms": "5"}}


def test_a_resource_named_twice_is_refused_twice(broker):
    twice = [resource(TOPIC, "t", ("flush.ms", SET, value)) for value in ("1", "2")]
    answers = alter_all(broker, *twice, resource(GROUP, "t", ("share.isolation.level", SET, "read_committed")))
    assert answers == [(INVALID_REQUEST, "Each resource must appear at most once.")] * 2 + [(0, None)]


@pytest.mark.parametrize(
    ("operations", "code", "message"),
    [
        (
            [("retention.ms", SET, "x")],
            INVALID_CONFIG,
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        ([("retention.ms", SET, None)], INVALID_REQUEST, "Null value not supported for : retention.ms"),
        ([("foo", SET, "1")], INVALID_CONFIG, "Unknown topic config name: foo"),
        (
            [("retention.ms", APPEND, "1")],
            INVALID_CONFIG,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        ([("flush.ms", SET, "1"), ("flush.ms", DELETE, None)], INVALID_REQUEST, "Error due to duplicate config keys"),
        (
            [("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")],
            INVALID_CONFIG,
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            [("remote.storage.enable", SET, "true")],
            INVALID_CONFIG,
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage.",
        ),
        ([("retention.ms", 9, "1")], ErrorCode.UNKNOWN_SERVER_ERROR, None),
    ],
)
def test_what_no_topic_may_have(broker, operations, code, message):
    assert alter(broker, TOPIC, "t", *operations) == (code, message)
    assert not broker.altered


@pytest.mark.parametrize(
    ("resource_type", "name", "code", "message"),
    [
        (TOPIC, "", INVALID_REQUEST, "Default topic resources are not allowed."),
        (
            TOPIC,
            "no!",
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'no!' contains one or more characters other than ASCII alphanumerics, "
            "'.', '_' and '-'",
        ),
        (GROUP, "", INVALID_REQUEST, "Default group resources are not allowed."),
        (CLIENT_METRICS, "", INVALID_REQUEST, "Subscription name can't be empty"),
        (BROKER, "2", INVALID_REQUEST, "Unexpected broker id, expected 1, but received 2"),
        (BROKER, "x", INVALID_REQUEST, "Node id must be an integer, but it is: x"),
        (BROKER_LOGGER, "2", INVALID_REQUEST, "Unexpected node id. Expected 1, but received 2"),
        (BROKER_LOGGER, "", INVALID_REQUEST, "Node id must be an integer, but it is: "),
        (3, "1", INVALID_REQUEST, "Unknown resource type 3"),
    ],
)
def test_resources_that_cannot_be_altered(broker, resource_type, name, code, message):
    assert alter(broker, resource_type, name) == (code, message)


@pytest.mark.parametrize(
    ("name", "operation", "code", "message"),
    [
        (
            "1",
            ("num.partitions", SET, "3"),
            INVALID_REQUEST,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (
            "",
            ("num.partitions", SET, "3"),
            INVALID_REQUEST,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (
            "1",
            ("log.retention.ms", SET, "x"),
            INVALID_REQUEST,
            "Invalid value x for configuration log.retention.ms: Not a number of type LONG",
        ),
        (
            "",
            ("listeners", SET, "PLAINTEXT://:1"),
            INVALID_REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
        ),
        (
            "1",
            ("ssl.keystore.type", SET, "JKS"),
            INVALID_REQUEST,
            "These security configs can be dynamically updated only per-listener using the listener prefix: "
            "[ssl.keystore.type]",
        ),
        (
            "1",
            ("num.io.threads", APPEND, "9"),
            INVALID_CONFIG,
            "Config value append is not allowed for config key: num.io.threads",
        ),
        ("1", ("nope.key", APPEND, "9"), INVALID_CONFIG, "Unknown config name: nope.key"),
        # Kafka takes these: it has what they ask for.
        (
            "1",
            ("max.connection.creation.rate", SET, "9"),
            INVALID_REQUEST,
            "the rate of new connections is not limited yet; use max.connections",
        ),
        (
            "1",
            ("listeners", SET, "PLAINTEXT://:1"),
            INVALID_REQUEST,
            "listeners cannot change while the broker runs yet",
        ),
        (
            "1",
            ("listener.name.plaintext.max.connections", SET, "1"),
            INVALID_REQUEST,
            "listener.name.plaintext.max.connections: settings of one listener are not there yet",
        ),
        (
            "1",
            ("log.cleaner.threads", SET, "3"),
            INVALID_REQUEST,
            "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads cannot be increased to "
            "more than double the current value 1 for configuration Invalid dynamic configuration",
        ),
        (
            "1",
            ("log.cleaner.dedupe.buffer.size", SET, "1000"),
            INVALID_REQUEST,
            "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
        ),
        (
            "",
            ("background.threads", SET, "4"),
            INVALID_REQUEST,
            "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation "
            "failed for background.threads=4, value should be at least half the current value 10 for configuration "
            "Invalid dynamic configuration",
        ),
        (
            "1",
            ("num.io.threads", SET, "17"),
            INVALID_REQUEST,
            "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation "
            "failed for num.io.threads=17, value should not be greater than double the current value 8 for "
            "configuration Invalid dynamic configuration",
        ),
        (
            "",
            ("log.local.retention.ms", SET, "-1"),
            INVALID_REQUEST,
            "Invalid value org.apache.kafka.common.config.ConfigException: Invalid value -1 for configuration "
            "log.local.retention.ms: Value must not be -1 as log.retention.ms value is set as 604800000. for "
            "configuration Invalid dynamic configuration",
        ),
        (
            "1",
            ("log.retention.ms", SET, "0"),
            INVALID_REQUEST,
            "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
        ),
    ],
)
def test_what_a_running_broker_does_not_take(broker, name, operation, code, message):
    assert alter(broker, BROKER, name, operation) == (code, message)
    assert not broker.altered


def test_a_key_that_nobody_knows_is_kept_as_a_plug_ins(broker):
    for name in ("1", ""):
        assert alter(broker, BROKER, name, ("nope.key", SET, "9")) == (0, None)
        assert configs(broker, BROKER, name)["nope.key"] == "9"
    assert "nope.key" in broker.services.config.layers.dynamic_broker
    assert alter(broker, BROKER, "1", ("nope.key", DELETE, None)) == (0, None)
    assert not configs(broker, BROKER, "1")


def test_an_unknown_operation_fails_all_that_goes_to_the_controller(broker):
    topics = resource(TOPIC, "t", ("flush.ms", 9, "1")), resource(TOPIC, "u", ("flush.ms", SET, "1"))
    brokers = resource(BROKER, "1", ("max.connections", SET, "7")), resource(BROKER, "", ("max.connections", 9, "7"))
    assert alter_all(broker, *topics, *brokers) == [
        (ErrorCode.UNKNOWN_SERVER_ERROR, None),
        (ErrorCode.UNKNOWN_SERVER_ERROR, None),
        (ErrorCode.UNKNOWN_SERVER_ERROR, None),
        (INVALID_REQUEST, "Unknown operations type 9"),
    ]
    assert not broker.altered


def test_with_eligible_leader_replicas_the_minimum_in_sync_is_the_whole_clusters(broker):
    key = "min.insync.replicas"
    for operation in ((key, SET, "2"), (key, DELETE, None)):
        assert alter(broker, BROKER, "1", operation) == (
            INVALID_CONFIG,
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        )
    assert alter(broker, BROKER, "", (key, SET, "2")) == (0, None)
    assert alter(broker, BROKER, "", (key, DELETE, None)) == (
        INVALID_CONFIG,
        "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
    )
    broker.metadata.image.features["eligible.leader.replicas.version"] = 0
    assert alter(broker, BROKER, "1", (key, SET, "1")) == alter(broker, BROKER, "", (key, DELETE, None)) == (0, None)


def test_deleting_what_was_never_set_is_no_error(broker):
    assert alter(broker, BROKER, "1", ("num.partitions", DELETE, None), ("nope", DELETE, None)) == (0, None)


def test_a_dynamic_value_is_in_force_when_the_answer_leaves(broker):
    assert alter(broker, BROKER, "", ("max.connections", SET, "7"), ("log.retention.ms", SET, "8")) == (0, None)
    config = broker.services.config
    assert (config.max_connections, config.log_config({}).retention_ms) == (7, 8)
    alter(broker, BROKER, "", ("max.connections", DELETE, None))
    assert broker.services.config.max_connections == 2**31 - 1


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        (("foo", SET, "1"), INVALID_CONFIG, "Unknown group config name: foo"),
        (
            ("consumer.session.timeout.ms", SET, "500"),
            INVALID_CONFIG,
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            ("share.session.timeout.ms", SET, "60001"),
            INVALID_CONFIG,
            "share.session.timeout.ms must be less than or equal to group.share.max.session.timeout.ms",
        ),
        (
            ("streams.num.standby.replicas", SET, "5"),
            INVALID_CONFIG,
            "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
        ),
    ],
)
def test_what_no_group_may_have(broker, operation, code, message):
    assert alter(broker, GROUP, "g", operation) == (code, message)


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        (("foo", SET, "1"), INVALID_REQUEST, "Unknown client metrics configuration: foo"),
        (
            ("interval.ms", SET, "10"),
            INVALID_REQUEST,
            "Invalid value 10 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        ),
        (("match", SET, "x=y"), INVALID_CONFIG, "Illegal client matching pattern: x=y"),
        (("match", SET, "client_id=["), INVALID_CONFIG, "Illegal client matching pattern: client_id=["),
        (("metrics", APPEND, "a"), INVALID_CONFIG, "Can't APPEND to key metrics because its type is not LIST."),
    ],
)
def test_what_no_subscription_may_have(broker, operation, code, message):
    assert alter(broker, CLIENT_METRICS, "s", operation) == (code, message)


def test_groups_and_subscriptions_keep_what_they_may_have(broker):
    assert alter(broker, GROUP, "g", ("consumer.session.timeout.ms", SET, "50000")) == (0, None)
    assert alter(broker, CLIENT_METRICS, "s", ("match", SET, "client_id=a.*"), ("metrics", SET, "a,b")) == (0, None)
    assert configs(broker, GROUP, "g") == {"consumer.session.timeout.ms": "50000"}
    assert configs(broker, CLIENT_METRICS, "s") == {"match": "client_id=a.*", "metrics": "a,b"}


def test_cleaner_threads_are_at_most_halved_at_a_time(broker):
    for threads in ("2", "4"):
        assert alter(broker, BROKER, "1", ("log.cleaner.threads", SET, threads)) == (0, None)
    code, message = alter(broker, BROKER, "1", ("log.cleaner.threads", SET, "1"))
    assert code == INVALID_REQUEST
    assert "cannot be reduced to less than half the current value 4" in message
    assert alter(broker, BROKER, "1", ("log.cleaner.threads", SET, "2")) == (0, None)
