from __future__ import annotations

import pytest
from ottla.broker.handlers import list_config_resources
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.list_config_resources import ListConfigResourcesRequest, ListConfigResourcesResponse

from ..config_services import BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC, ConfigBroker


@pytest.fixture
def broker():
    created = ConfigBroker()
    created.create_topic("b")
    created.create_topic("a", retention_ms="1")
    created.metadata.set_configs(GROUP, "g", {"share.isolation.level": "read_committed"})
    created.metadata.set_configs(CLIENT_METRICS, "s", {"metrics": "*"})
    return created


def ask(broker, *types, version=1):
    request = ListConfigResourcesRequest(resource_types=list(types))
    response = broker.call(list_config_resources, request, version)
    answer = decode(ListConfigResourcesResponse, encode(response, version), version)
    return answer.error_code, [(entry.resource_type, entry.resource_name) for entry in answer.config_resources]


def test_no_type_is_every_type(broker):
    everything = [(TOPIC, "a"), (TOPIC, "b"), (BROKER, "1"), (BROKER_LOGGER, "1"), (CLIENT_METRICS, "s"), (GROUP, "g")]
    assert ask(broker) == (0, everything)


def test_only_the_types_that_were_asked_for(broker):
    assert ask(broker, GROUP, TOPIC, GROUP) == (0, [(GROUP, "g"), (TOPIC, "a"), (TOPIC, "b")])
    assert ask(broker, BROKER) == (0, [(BROKER, "1")])


def test_version_0_knows_subscriptions_alone(broker):
    assert ask(broker, version=0) == (0, [(CLIENT_METRICS, "s")])


@pytest.mark.parametrize("unknown", [0, 3])
def test_an_unknown_type_fails_the_request(broker, unknown):
    assert ask(broker, TOPIC, unknown) == (ErrorCode.UNSUPPORTED_VERSION, [])


def test_a_group_is_there_as_long_as_something_is_set_on_it(broker):
    broker.metadata.set_configs(GROUP, "g", {"share.isolation.level": None})
    assert ask(broker, GROUP) == (0, [])
