"""Settings of consumer groups: the broker's, a group's own, and the limits between them."""

from __future__ import annotations

import pytest
from ottla.broker.config import load_config
from ottla.broker.coordinators.consumer_settings import ConsumerGroupSettings, GroupIntervals
from ottla.broker.metadata.image import MetadataImage, ResourceType
from ottla.broker.runtime.group_configs import GroupConfigs, consumer_group_settings
from ottla.protocol.stored.metadata import ConfigRecord, FeatureLevelRecord


def config(*options):
    return load_config(None, options)


@pytest.fixture
def image():
    return MetadataImage("cluster", 1)


def put(image, configs, group, key, value):
    image.replay(ConfigRecord(resource_type=ResourceType.GROUP, resource_name=group, name=key, value=value))
    configs.config_changed(ResourceType.GROUP, group)


def test_the_defaults_are_kafkas():
    assert consumer_group_settings(config()) == ConsumerGroupSettings()


@pytest.mark.parametrize(
    ("policy", "can_upgrade", "can_downgrade"),
    [
        ("bidirectional", True, True),
        ("UPGRADE", True, False),
        ("downgrade", False, True),
        ("Disabled", False, False),
    ],
)
def test_policies(policy, can_upgrade, can_downgrade):
    settings = consumer_group_settings(config(f"group.consumer.migration.policy={policy}"))
    assert (settings.can_upgrade, settings.can_downgrade) == (can_upgrade, can_downgrade)
    assert settings.can_migrate is (can_upgrade or can_downgrade)


def test_a_group_may_differ_and_go_back(image):
    configs = GroupConfigs(image, config())
    put(image, configs, "g", "consumer.session.timeout.ms", "50000")
    assert configs.consumer.intervals_of("g") == GroupIntervals(session_timeout_ms=50_000)
    assert configs.consumer.intervals_of("other") == GroupIntervals()
    put(image, configs, "g", "consumer.session.timeout.ms", None)
    assert configs.consumer.intervals_of("g") == GroupIntervals()


def test_what_other_kinds_are_given_is_not_taken(image):
    configs = GroupConfigs(image, config())
    record = ConfigRecord(resource_type=ResourceType.TOPIC, resource_name="g", name="retention.ms", value="1")
    image.replay(record)
    configs.config_changed(ResourceType.TOPIC, "g")
    assert configs.consumer.intervals == {}


def test_groups_are_known_from_the_start(image):
    put(image, GroupConfigs(image, config()), "g", "consumer.heartbeat.interval.ms", "7000")
    assert GroupConfigs(image, config()).consumer.intervals_of("g").heartbeat_interval_ms == 7_000


def test_the_broker_changes_and_keeps_groups_within_its_limits(image):
    configs = GroupConfigs(image, config())
    put(image, configs, "g", "consumer.session.timeout.ms", "60000")
    shorter = ("group.consumer.max.session.timeout.ms=50000", "group.consumer.assignment.interval.ms=10")
    configs.follow(config(*shorter))
    assert configs.consumer.intervals_of("g") == GroupIntervals(session_timeout_ms=50_000, assignment_interval_ms=10)
    assert configs.consumer.settings.intervals.assignment_interval_ms == 10


def test_a_value_that_cannot_be_read_is_the_default(image):
    configs = GroupConfigs(image, config())
    put(image, configs, "g", "consumer.session.timeout.ms", "soon")
    assert configs.consumer.intervals_of("g") == GroupIntervals()


@pytest.mark.parametrize(
    ("protocols", "level", "served"),
    [("classic,consumer", 1, True), ("classic,consumer", 0, False), ("classic", 1, False), ("consumer", 1, True)],
)
def test_what_is_served(image, protocols, level, served):
    image.replay(FeatureLevelRecord(name="group.version", feature_level=level))
    configs = GroupConfigs(image, config(f"group.coordinator.rebalance.protocols={protocols}"))
    assert configs.serves_consumer_groups is served
