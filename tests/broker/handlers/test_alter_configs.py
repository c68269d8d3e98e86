"""The expected answers were read off Apache Kafka 4.3.1 with the same requests."""

from __future__ import annotations

import pytest
from ottla.broker.handlers import alter_configs
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.alter_configs import (
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResponse,
)

from ..config_services import BROKER, BROKER_LOGGER, CLIENT_METRICS, TOPIC, ConfigBroker


@pytest.fixture
def broker():
    created = ConfigBroker()
    created.create_topic("t", retention_ms="1", flush_ms="2")
    return created


def resource(resource_type, name, *entries):
    configs = [AlterableConfig(name=key, value=value) for key, value in entries]
    return AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=configs)


def alter_all(broker, *resources, validate_only=False, version=2):
    request = AlterConfigsRequest(resources=list(resources), validate_only=validate_only)
    response = broker.call(alter_configs, request, version)
    answered = decode(AlterConfigsResponse, encode(response, version), version).responses
    assert [(a.resource_type, a.resource_name) for a in answered] == [
        (r.resource_type, r.resource_name) for r in resources
    ]
    return [(answer.error_code, answer.error_message) for answer in answered]


def configs(broker, resource_type, name):
    return broker.metadata.image.configs_of(resource_type, name)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_what_is_not_named_goes(broker, version):
    assert alter_all(broker, resource(TOPIC, "t", ("flush.ms", "3")), version=version) == [(0, None)]
    assert configs(broker, TOPIC, "t") == {"flush.ms": "3"}
    assert alter_all(broker, resource(TOPIC, "t"), version=version) == [(0, None)]
    assert configs(broker, TOPIC, "t") == {}


def test_validate_only_changes_nothing(broker):
    assert alter_all(broker, resource(TOPIC, "t"), validate_only=True) == [(0, None)]
    assert configs(broker, TOPIC, "t") == {"retention.ms": "1", "flush.ms": "2"}


def test_the_broker_and_a_subscription(broker):
    alter_all(broker, resource(BROKER, "1", ("max.connections", "5")))
    assert broker.services.config.max_connections == 5
    alter_all(
        broker, resource(BROKER, "1", ("message.max.bytes", "6")), resource(CLIENT_METRICS, "s", ("metrics", "a"))
    )
    assert broker.services.config.max_connections == 2**31 - 1
    assert broker.services.config.log_config({}).max_message_bytes == 6
    assert configs(broker, CLIENT_METRICS, "s") == {"metrics": "a"}


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        (
            resource(TOPIC, "t", ("flush.ms", "x")),
            ErrorCode.INVALID_CONFIG,
            "Invalid value x for configuration flush.ms: Not a number of type LONG",
        ),
        (resource(TOPIC, "t", ("foo", "2")), ErrorCode.INVALID_CONFIG, "Unknown topic config name: foo"),
        (
            resource(TOPIC, "t", ("flush.ms", None)),
            ErrorCode.INVALID_REQUEST,
            "Null value not supported for : flush.ms",
        ),
        (
            resource(TOPIC, "t", ("flush.ms", "1"), ("flush.ms", "2")),
            ErrorCode.INVALID_REQUEST,
            "Error due to duplicate config keys",
        ),
        (
            resource(BROKER, "1", ("num.partitions", "5")),
            ErrorCode.INVALID_REQUEST,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (resource(BROKER, "2"), ErrorCode.INVALID_REQUEST, "Unexpected broker id, expected 1, but received 2"),
        (resource(BROKER_LOGGER, "1", ("root", "INFO")), ErrorCode.INVALID_REQUEST, "Unknown resource type 8"),
        (resource(3, "1"), ErrorCode.INVALID_REQUEST, "Unknown resource type 3"),
    ],
)
def test_what_is_refused(broker, wanted, code, message):
    assert alter_all(broker, wanted) == [(code, message)]
    assert broker.altered == {(TOPIC, "t"): {"retention.ms": "1", "flush.ms": "2"}}


def test_a_resource_named_twice_is_refused_twice(broker):
    twice = [resource(TOPIC, "t", ("flush.ms", value)) for value in ("1", "2")]
    assert alter_all(broker, *twice) == [(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")] * 2
