"""The topics in which the broker keeps its own books, with the partitions and configs that Kafka gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .topic_creation import NewTopic
from .topic_names import GROUP_METADATA_TOPIC, SHARE_GROUP_STATE_TOPIC, TRANSACTION_STATE_TOPIC

if TYPE_CHECKING:
    from ..config.broker_config import BrokerConfig


def internal_topic(name: str, config: BrokerConfig) -> NewTopic:
    """What to create for an internal topic. KeyError when `name` is none."""
    return _INTERNAL_TOPICS[name](config)


def _group_metadata(config: BrokerConfig) -> NewTopic:
    """Kafka: GroupCoordinator.groupMetadataTopicConfigs."""
    return NewTopic(
        GROUP_METADATA_TOPIC,
        config.offsets_topic_num_partitions,
        config.offsets_topic_replication_factor,
        configs={
            "compression.type": "producer",
            "cleanup.policy": "compact",
            "segment.bytes": str(config.offsets_topic_segment_bytes),
        },
    )


def _transaction_state(config: BrokerConfig) -> NewTopic:
    """Kafka: TransactionCoordinator.transactionStateTopicConfigs."""
    return NewTopic(
        TRANSACTION_STATE_TOPIC,
        config.transaction_state_log_num_partitions,
        config.transaction_state_log_replication_factor,
        configs={
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": str(config.transaction_state_log_min_isr),
            "segment.bytes": str(config.transaction_state_log_segment_bytes),
            "unclean.leader.election.enable": "false",
        },
    )


def _share_group_state(config: BrokerConfig) -> NewTopic:
    """Kafka: ShareCoordinator.shareGroupStateTopicConfigs."""
    return NewTopic(
        SHARE_GROUP_STATE_TOPIC,
        _number(config, "share.coordinator.state.topic.num.partitions"),
        _number(config, "share.coordinator.state.topic.replication.factor"),
        configs={
            "compression.type": "producer",
            "cleanup.policy": "delete",
            "min.insync.replicas": str(_number(config, "share.coordinator.state.topic.min.isr")),
            "segment.bytes": str(_number(config, "share.coordinator.state.topic.segment.bytes")),
            "retention.ms": "-1",
        },
    )


def _number(config: BrokerConfig, key: str) -> int:
    value = config.layers.value(key)
    assert isinstance(value, int), key
    return value


_INTERNAL_TOPICS = {
    GROUP_METADATA_TOPIC: _group_metadata,
    TRANSACTION_STATE_TOPIC: _transaction_state,
    SHARE_GROUP_STATE_TOPIC: _share_group_state,
}
