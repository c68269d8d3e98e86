"""The expected answers were read off Apache Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.config.catalogue import BROKER_KEYS, TOPIC_KEYS
from ottla.broker.handlers import describe_configs
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)

from ..config_services import BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC, ConfigBroker

DYNAMIC_BROKER, DYNAMIC_DEFAULT, STATIC, DEFAULT = 2, 3, 4, 5
LONG, LIST = 5, 7


@pytest.fixture
def broker():
    return ConfigBroker()


def describe(broker, resource_type, name, keys=None, *, version=4, synonyms=True, documentation=False):
    resource = DescribeConfigsResource(resource_type=resource_type, resource_name=name, configuration_keys=keys)
    request = DescribeConfigsRequest(
        resources=[resource], include_synonyms=synonyms, include_documentation=documentation
    )
    response = broker.call(describe_configs, request, version)
    (result,) = decode(DescribeConfigsResponse, encode(response, version), version).results
    assert (result.resource_type, result.resource_name) == (resource_type, name)
    return result


def config(result, name):
    (found,) = [entry for entry in result.configs if entry.name == name]
    return found


def brief(entry):
    synonyms = [(synonym.name, synonym.value, synonym.source) for synonym in entry.synonyms]
    return entry.value, entry.config_source, synonyms


def test_a_topic_shows_every_key_with_its_override_and_its_default(broker):
    broker.create_topic("t", retention_ms="1000", cleanup_policy="compact, delete")
    result = describe(broker, TOPIC, "t")
    assert result.error_code == ErrorCode.NONE
    assert {entry.name for entry in result.configs} == set(TOPIC_KEYS) - {"internal.segment.bytes"}
    assert brief(config(result, "retention.ms")) == ("1000", 1, [("retention.ms", "1000", 1)])
    assert brief(config(result, "cleanup.policy")) == (
        "compact,delete",
        1,
        [("cleanup.policy", "compact,delete", 1), ("log.cleanup.policy", "delete", DEFAULT)],
    )
    assert brief(config(result, "segment.ms")) == ("604800000", DEFAULT, [])
    assert brief(config(result, "local.retention.ms")) == ("-2", DEFAULT, [("log.local.retention.ms", "-2", DEFAULT)])
    assert (config(result, "retention.ms").config_type, config(result, "cleanup.policy").config_type) == (LONG, LIST)


def test_an_internal_key_shows_once_it_is_set(broker):
    broker.create_topic("t", internal_segment_bytes="1000")
    assert config(describe(broker, TOPIC, "t"), "internal.segment.bytes").value == "1000"


def test_only_the_keys_that_were_asked_for(broker):
    broker.create_topic("t")
    result = describe(broker, TOPIC, "t", ["retention.ms", "nope", "flush.ms"])
    assert {entry.name for entry in result.configs} == {"retention.ms", "flush.ms"}
    assert len(describe(broker, TOPIC, "t", []).configs) == len(describe(broker, TOPIC, "t").configs)


def test_synonyms_and_documentation_only_when_asked_for(broker):
    broker.create_topic("t")
    silent = config(describe(broker, TOPIC, "t", synonyms=False), "segment.bytes")
    assert (silent.synonyms, silent.documentation) == ([], None)
    spoken = config(describe(broker, TOPIC, "t", documentation=True), "segment.bytes")
    assert spoken.documentation
    assert spoken.synonyms


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_version_carries_source_and_synonyms_and_three_the_type(broker, version):
    broker.create_topic("t", retention_ms="5")
    entry = config(describe(broker, TOPIC, "t", version=version), "retention.ms")
    assert brief(entry) == ("5", 1, [("retention.ms", "5", 1)])
    assert entry.config_type == (LONG if version >= 3 else 0)


@pytest.mark.parametrize(
    ("resource_type", "name", "code", "message"),
    [
        (TOPIC, "nosuch", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ""),
        (TOPIC, "", ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic name is invalid: the empty string is not allowed"),
        (
            BROKER,
            "2",
            ErrorCode.INVALID_REQUEST,
            "Unexpected broker id, expected 1 or empty string, but received 2",
        ),
        (BROKER, "x", ErrorCode.INVALID_REQUEST, "Broker id must be an integer, but it is: x"),
        (BROKER_LOGGER, "", ErrorCode.INVALID_REQUEST, "Broker id must not be empty"),
        (BROKER_LOGGER, "2", ErrorCode.INVALID_REQUEST, "Unexpected broker id, expected 1 but received 2"),
        (CLIENT_METRICS, "", ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty"),
        (GROUP, "", ErrorCode.INVALID_REQUEST, "Group name must not be empty"),
    ],
)
def test_a_resource_that_cannot_be_described(broker, resource_type, name, code, message):
    result = describe(broker, resource_type, name)
    assert (result.error_code, result.error_message, result.configs) == (code, message, [])


def test_an_unknown_type_fails_the_whole_request(broker):
    resources = [DescribeConfigsResource(resource_type=kind, resource_name="1") for kind in (BROKER, 3)]
    response = broker.call(describe_configs, DescribeConfigsRequest(resources=resources), 4)
    assert [result.error_code for result in response.results] == [ErrorCode.INVALID_REQUEST] * 2
    assert all(result.error_message.startswith("This most likely occurs") for result in response.results)


def test_the_broker_shows_every_key():
    broker = ConfigBroker(["num.partitions=3", "log.retention.hours=2", "log.cleaner.io.buffer.load.factor=0.0001"])
    result = describe(broker, BROKER, "1")
    assert {key.name for key in BROKER_KEYS.values() if not key.internal} == {entry.name for entry in result.configs}
    partitions = config(result, "num.partitions")
    assert brief(partitions) == ("3", STATIC, [("num.partitions", "3", STATIC), ("num.partitions", "1", DEFAULT)])
    assert partitions.read_only
    assert not config(result, "log.retention.ms").read_only
    assert brief(config(result, "log.retention.ms")) == (None, DEFAULT, [])
    assert brief(config(result, "log.retention.hours"))[:2] == ("2", STATIC)
    assert config(result, "log.cleaner.io.buffer.load.factor").value == "1.0E-4"
    password = config(result, "ssl.keystore.password")
    assert (password.is_sensitive, password.value, password.config_type) == (True, None, 9)


def test_retention_in_hours_reaches_the_topic():
    broker = ConfigBroker(["log.retention.hours=2"])
    broker.create_topic("t")
    # Kafka names no source there either: describe.py says why.
    assert brief(config(describe(broker, TOPIC, "t"), "retention.ms")) == ("7200000", DEFAULT, [])


def test_a_key_for_a_plug_in_is_hidden():
    entry = config(describe(ConfigBroker(["rsm.config.password=hush"]), BROKER, "1"), "rsm.config.password")
    assert (entry.is_sensitive, entry.read_only, entry.value, entry.config_source) == (True, True, None, STATIC)
    assert [synonym.value for synonym in entry.synonyms] == [None]


def test_dynamic_values_show_at_the_broker_at_all_brokers_and_at_the_topic(broker):
    broker.create_topic("t")
    broker.metadata.set_configs(BROKER, "", {"log.retention.ms": "777", "min.insync.replicas": "2"})
    broker.metadata.set_configs(BROKER, "1", {"log.retention.ms": "888", "leader.replication.throttled.rate": "5"})
    everywhere = [
        ("log.retention.ms", "888", DYNAMIC_BROKER),
        ("log.retention.ms", "777", DYNAMIC_DEFAULT),
        ("log.retention.hours", "168", DEFAULT),
    ]
    of_broker = describe(broker, BROKER, "1")
    assert brief(config(of_broker, "log.retention.ms")) == ("888", DYNAMIC_BROKER, everywhere)
    assert brief(config(describe(broker, TOPIC, "t"), "retention.ms")) == ("888", DYNAMIC_BROKER, everywhere)
    rate = config(of_broker, "leader.replication.throttled.rate")
    assert brief(rate) == ("5", DYNAMIC_BROKER, [("leader.replication.throttled.rate", "5", DYNAMIC_BROKER)])
    assert (rate.read_only, rate.config_type) == (False, LONG)
    of_all = describe(broker, BROKER, "")
    assert {entry.name: brief(entry) for entry in of_all.configs} == {
        "log.retention.ms": ("777", DYNAMIC_DEFAULT, [("log.retention.ms", "777", DYNAMIC_DEFAULT)]),
        "min.insync.replicas": ("2", DYNAMIC_DEFAULT, [("min.insync.replicas", "2", DYNAMIC_DEFAULT)]),
    }


def test_a_group_that_nobody_knows_has_the_brokers_values():
    broker = ConfigBroker(["group.consumer.session.timeout.ms=50000"])
    broker.metadata.set_configs(GROUP, "known", {"consumer.heartbeat.interval.ms": "6000"})
    timeout = config(describe(broker, GROUP, "unknown"), "consumer.session.timeout.ms")
    assert brief(timeout) == (
        "50000",
        STATIC,
        [
            ("group.consumer.session.timeout.ms", "50000", STATIC),
            ("group.consumer.session.timeout.ms", "45000", DEFAULT),
        ],
    )
    assert brief(config(describe(broker, GROUP, "known"), "consumer.heartbeat.interval.ms")) == (
        "6000",
        8,
        [("consumer.heartbeat.interval.ms", "6000", 8), ("group.consumer.heartbeat.interval.ms", "5000", DEFAULT)],
    )
    reset = config(describe(broker, GROUP, "known"), "share.auto.offset.reset")
    assert brief(reset) == ("latest", DEFAULT, [("share.auto.offset.reset", "latest", DEFAULT)])


def test_a_subscription_to_client_metrics(broker):
    broker.metadata.set_configs(CLIENT_METRICS, "s", {"interval.ms": "100"})
    result = describe(broker, CLIENT_METRICS, "s")
    assert {entry.name: brief(entry) for entry in result.configs} == {
        "interval.ms": ("100", 7, [("interval.ms", "100", 7)]),
        "match": ("", DEFAULT, []),
        "metrics": ("", DEFAULT, []),
    }


def test_the_brokers_loggers(broker):
    result = describe(broker, BROKER_LOGGER, "1", ["root"])
    assert [(entry.name, entry.config_source, entry.read_only) for entry in result.configs] == [("root", 6, False)]
