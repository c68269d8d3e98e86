from __future__ import annotations

import pytest
from ottla.broker.config.layers import ConfigLayers, ConfigSource, default_text


def test_the_strongest_layer_wins():
    layers = ConfigLayers({"num.io.threads": "1"}, {"num.io.threads": "2"}, {"num.io.threads": "3"})
    assert layers.text("num.io.threads") == "3"
    assert ConfigLayers(layers.static, layers.dynamic_default).value("num.io.threads") == 2
    assert ConfigLayers(layers.static).value("num.io.threads") == 1
    assert ConfigLayers().value("num.io.threads") == 8


def test_ottlas_default_stands_where_it_differs():
    assert default_text("offsets.topic.replication.factor") == "1"
    assert default_text("num.partitions") == "1"
    assert default_text("advertised.listeners") is None


def test_a_stronger_unit_in_a_weaker_layer_wins():
    layers = ConfigLayers({"log.retention.ms": "5"}, {}, {"log.retention.hours": "1"})
    assert layers.chain_ms("log.retention.ms") == 5


def test_a_key_without_a_time_has_no_chain():
    with pytest.raises(KeyError):
        ConfigLayers().chain_ms("compression.type")


def test_occurrences_go_from_strong_to_weak_and_by_unit_within_a_layer():
    layers = ConfigLayers({"log.retention.hours": "1", "log.retention.minutes": "2"}, {"log.retention.ms": "3"})
    assert list(layers.occurrences("log.retention.ms")) == [
        (ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, "log.retention.ms", "3"),
        (ConfigSource.STATIC_BROKER_CONFIG, "log.retention.minutes", "2"),
        (ConfigSource.STATIC_BROKER_CONFIG, "log.retention.hours", "1"),
        (ConfigSource.DEFAULT_CONFIG, "log.retention.hours", "168"),
    ]
