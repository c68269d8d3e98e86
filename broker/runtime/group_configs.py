"""The settings of consumer groups, out of the broker's configuration and the configs that groups have of their own.

What AlterConfigs sets on a group holds from the next request on. Limits that the broker got after a group
was configured cut what the group asks for (Kafka's `GroupConfigManager`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.catalogue import GROUP_CONFIG_KEYS
from ..config.validators import ConfigValueError
from ..config.values import parse
from ..coordinators.consumer_settings import ConsumerGroupConfigs, ConsumerGroupSettings, GroupIntervals
from ..metadata.image import ResourceType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config.broker_config import BrokerConfig
    from ..metadata.image import MetadataImage

_GROUP_VERSION = "group.version"
_UPGRADING = ("upgrade", "bidirectional")
_DOWNGRADING = ("downgrade", "bidirectional")


class GroupConfigs:
    """Keeps `consumer` true to the configuration and to the image."""

    def __init__(self, image: MetadataImage, config: BrokerConfig) -> None:
        self.image = image
        self._config = config
        self.consumer = ConsumerGroupConfigs(consumer_group_settings(config))
        self.follow(config)

    @property
    def serves_consumer_groups(self) -> bool:
        """Whether consumer groups are served: the configuration may leave them out, or the cluster's features."""
        is_named = "consumer" in self._config.group_coordinator_rebalance_protocols
        return is_named and self.image.features.get(_GROUP_VERSION, 0) > 0

    def follow(self, config: BrokerConfig) -> None:
        """Take over another configuration of the broker."""
        self._config = config
        self.consumer.settings = consumer_group_settings(config)
        for resource_type, name in self.image.configs:
            self.config_changed(resource_type, name)

    def config_changed(self, resource_type: int, name: str) -> None:
        """Take over what was set on a group."""
        if resource_type != ResourceType.GROUP:
            return
        overrides = self.image.configs_of(resource_type, name)
        if overrides:
            self.consumer.intervals[name] = group_intervals(self._config, overrides)
        else:
            self.consumer.intervals.pop(name, None)


def consumer_group_settings(config: BrokerConfig) -> ConsumerGroupSettings:
    """The broker's own settings."""
    policy = config.group_consumer_migration_policy.lower()
    return ConsumerGroupSettings(
        intervals=GroupIntervals(
            session_timeout_ms=config.group_consumer_session_timeout_ms,
            heartbeat_interval_ms=config.group_consumer_heartbeat_interval_ms,
            assignment_interval_ms=config.group_consumer_assignment_interval_ms,
        ),
        size_max=config.group_consumer_max_size,
        assignors=tuple(config.group_consumer_assignors),
        regex_refresh_interval_ms=config.group_consumer_regex_refresh_interval_ms,
        can_upgrade=policy in _UPGRADING,
        can_downgrade=policy in _DOWNGRADING,
    )


def group_intervals(config: BrokerConfig, overrides: Mapping[str, str]) -> GroupIntervals:
    """The intervals of a group with these configs, within the broker's limits."""
    own = consumer_group_settings(config).intervals
    return GroupIntervals(
        session_timeout_ms=_within(
            _value(overrides, "consumer.session.timeout.ms", own.session_timeout_ms),
            config.group_consumer_min_session_timeout_ms,
            config.group_consumer_max_session_timeout_ms,
        ),
        heartbeat_interval_ms=_within(
            _value(overrides, "consumer.heartbeat.interval.ms", own.heartbeat_interval_ms),
            config.group_consumer_min_heartbeat_interval_ms,
            config.group_consumer_max_heartbeat_interval_ms,
        ),
        assignment_interval_ms=_within(
            _value(overrides, "consumer.assignment.interval.ms", own.assignment_interval_ms),
            config.group_consumer_min_assignment_interval_ms,
            config.group_consumer_max_assignment_interval_ms,
        ),
    )


def _value(overrides: Mapping[str, str], name: str, default: int) -> int:
    text = overrides.get(name)
    if text is None:
        return default
    try:
        value = parse(GROUP_CONFIG_KEYS[name], text)
    except ConfigValueError:
        return default  # the metadata may have been written by another broker
    return value if isinstance(value, int) else default


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
