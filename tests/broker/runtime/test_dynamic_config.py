from __future__ import annotations

import logging

import pytest
from ottla.broker.config import load_config
from ottla.broker.runtime.dynamic_config import problem_with, with_stored

from ..config_services import BROKER, TOPIC, ConfigBroker


def test_a_change_makes_one_new_configuration_for_everybody():
    broker = ConfigBroker()
    broker.changes.clear()
    broker.metadata.set_configs(BROKER, "", {"max.connections": "5"})
    (config,) = broker.changes
    assert broker.services.config is broker.metadata.config is config
    assert config.max_connections == 5


def test_other_resources_are_none_of_its_business():
    broker = ConfigBroker()
    broker.changes.clear()
    broker.create_topic("t")
    broker.metadata.set_configs(TOPIC, "t", {"retention.ms": "5"})
    broker.metadata.set_configs(BROKER, "2", {"max.connections": "5"})
    assert broker.changes == []


def test_what_another_broker_wrote_and_this_one_cannot_use_is_left_out_with_a_warning(caplog):
    stored = {
        (BROKER, ""): {"max.connections": "5", "nope": "1", "max.connection.creation.rate": "3"},
        (BROKER, "1"): {"log.retention.ms": "soon", "num.partitions": "3"},
    }
    with caplog.at_level(logging.WARNING):
        config = with_stored(load_config(), stored)
    assert (config.max_connections, config.num_partitions) == (5, 1)
    assert config.layers.dynamic_default == {"max.connections": "5", "nope": "1"}
    assert config.layers.dynamic_broker == {}
    named = {"max.connection.creation.rate", "log.retention.ms", "num.partitions"}
    assert {name for name in named for record in caplog.records if f"of {name} " in record.getMessage()} == named


def test_values_that_do_not_hold_together_are_all_left_out(caplog):
    config = with_stored(load_config(), {(BROKER, ""): {"log.retention.ms": "0", "max.connections": "5"}})
    assert config.max_connections == 2**31 - 1
    assert "the dynamic configuration is not used" in caplog.text


@pytest.mark.parametrize("name", ["listeners", "listener.security.protocol.map", "node.id", "ssl.keystore.type"])
def test_what_a_running_broker_cannot_take(name):
    value = {"listeners": "PLAINTEXT://:1", "node.id": "1", "ssl.keystore.type": "PEM"}.get(name, "A:PLAINTEXT")
    assert problem_with(name, value)


@pytest.mark.parametrize("name", ["max.connections", "num.io.threads", "leader.replication.throttled.rate"])
def test_what_it_can(name):
    assert problem_with(name, "5") is None
