"""The state of the cluster: exactly what replaying the records of `__cluster_metadata` gives, and nothing else.

`replay` is the only place where the image changes, live and at load. Everybody else reads. It refuses a record that
contradicts what is there (a partition of no topic): such a log is not to be guessed at.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from ...protocol.stored import metadata as stored
from .broker_image import BrokerImage
from .partition_image import PartitionImage, TopicImage
from .topic_names import collision_key, has_collision_chars

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.schema import Message


K = TypeVar("K")
V = TypeVar("V")


class ReplayError(ValueError):
    """A metadata record that cannot follow those before it."""


class ResourceType(IntEnum):
    """What a config belongs to (`ConfigResource.Type`)."""

    UNKNOWN = 0
    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigResource(NamedTuple):
    """The owner of configs; the broker named "" stands for all brokers."""

    resource_type: int
    name: str


class MetadataImage:
    """The cluster as its log says.

    `last_offset` is the offset of the newest record whose effect is here, -1 before the first: whoever keeps
    something derived from the image compares it to know whether the image has moved.
    """

    def __init__(self, cluster_id: str, node_id: int) -> None:
        self.cluster_id = cluster_id
        self.node_id = node_id
        self.last_offset = -1
        self.brokers: dict[int, BrokerImage] = {}
        self.controllers: dict[int, stored.RegisterControllerRecord] = {}
        self.topics_by_name: dict[str, TopicImage] = {}
        self.topics_by_id: dict[bytes, TopicImage] = {}
        self._names_by_collision_key: dict[str, list[str]] = {}
        self.configs: dict[tuple[int, str], dict[str, str]] = {}
        self.features: dict[str, int] = {}
        self.next_producer_id = 0
        self.client_quotas: dict[tuple[tuple[str, str | None], ...], dict[str, float]] = {}
        self.acls: dict[bytes, stored.AccessControlEntryRecord] = {}
        self.scram_credentials: dict[tuple[str, int], stored.UserScramCredentialRecord] = {}
        self.delegation_tokens: dict[str, stored.DelegationTokenRecord] = {}

    def replay(self, record: Message) -> None:
        """Apply one record. ReplayError when it contradicts the image or is of no kind that lives in it."""
        apply = self._REPLAYS.get(type(record))
        if apply is None:
            raise ReplayError(f"{type(record).__name__} is not part of the cluster's state")
        apply(self, record)

    def copy(self) -> MetadataImage:
        """The image as it is now, which later changes do not reach.

        What an image holds is replaced, never changed, so a copy costs one reference for each partition.
        """
        copied = MetadataImage(self.cluster_id, self.node_id)
        copied.last_offset = self.last_offset
        topics = [TopicImage(topic.name, topic.topic_id, topic.partitions) for topic in self.topics_by_name.values()]
        copied.topics_by_name = {topic.name: topic for topic in topics}
        copied.topics_by_id = {topic.topic_id: topic for topic in topics}
        copied._names_by_collision_key = {key: names.copy() for key, names in self._names_by_collision_key.items()}
        copied.brokers = self.brokers.copy()
        copied.controllers = self.controllers.copy()
        copied.configs = self.configs.copy()
        copied.features = self.features.copy()
        copied.next_producer_id = self.next_producer_id
        copied.client_quotas = self.client_quotas.copy()
        copied.acls = self.acls.copy()
        copied.scram_credentials = self.scram_credentials.copy()
        copied.delegation_tokens = self.delegation_tokens.copy()
        return copied

    def configs_of(self, resource_type: int, name: str) -> dict[str, str]:
        """The configs set on a resource, empty when there are none; not to be changed."""
        return self.configs.get((resource_type, name), {})

    def colliding_topic(self, name: str) -> str | None:
        """The first topic, in the order of names, whose metrics would be confused with those of `name`."""
        names = self._names_by_collision_key.get(collision_key(name))
        return min(names) if names else None

    # Topics

    def _topic(self, record: stored.TopicRecord) -> None:
        if record.name in self.topics_by_name or record.topic_id in self.topics_by_id:
            raise ReplayError(f"topic {record.name!r} is created twice")
        self._add_topic(TopicImage(record.name, record.topic_id))

    def _add_topic(self, topic: TopicImage) -> None:
        self.topics_by_name[topic.name] = topic
        self.topics_by_id[topic.topic_id] = topic
        if has_collision_chars(topic.name):
            self._names_by_collision_key.setdefault(collision_key(topic.name), []).append(topic.name)

    def _partition(self, record: stored.PartitionRecord) -> None:
        topic = self._topic_of(record.topic_id)
        partition = PartitionImage.from_record(record)
        count = len(topic.partitions)
        if not 0 <= partition.index <= count:
            raise ReplayError(f"partition {partition.index} of topic {topic.name!r} follows {count} partitions")
        topic.partitions[partition.index : partition.index + 1] = [partition]

    def _partition_change(self, record: stored.PartitionChangeRecord) -> None:
        topic = self._topic_of(record.topic_id)
        index = record.partition_id
        if not 0 <= index < len(topic.partitions):
            raise ReplayError(f"topic {topic.name!r} has no partition {index} to change")
        topic.partitions[index] = topic.partitions[index].merge(record)

    def _remove_topic(self, record: stored.RemoveTopicRecord) -> None:
        topic = self._topic_of(record.topic_id)
        del self.topics_by_id[topic.topic_id]
        del self.topics_by_name[topic.name]
        self.configs.pop((ResourceType.TOPIC, topic.name), None)
        self._forget_collision(topic.name)

    def _forget_collision(self, name: str) -> None:
        key = collision_key(name)
        names = self._names_by_collision_key.get(key)
        if names is None or name not in names:
            return
        names.remove(name)
        if not names:
            del self._names_by_collision_key[key]

    def _clear_elr(self, record: stored.ClearElrRecord) -> None:
        topics = list(self.topics_by_name.values())
        if record.topic_name:
            named = self.topics_by_name.get(record.topic_name)
            if named is None:
                raise ReplayError(f"topic {record.topic_name!r}, whose ELR is to be cleared, is not there")
            topics = [named]
        for topic in topics:
            topic.partitions[:] = [
                partition.without_elr() if partition.eligible_leader_replicas or partition.last_known_elr else partition
                for partition in topic.partitions
            ]

    def _topic_of(self, topic_id: bytes) -> TopicImage:
        topic = self.topics_by_id.get(topic_id)
        if topic is None:
            raise ReplayError(f"no topic has the id {topic_id.hex()}")
        return topic

    # Brokers and controllers

    def _register_broker(self, record: stored.RegisterBrokerRecord) -> None:
        self.brokers[record.broker_id] = BrokerImage.from_record(record)

    def _unregister_broker(self, record: stored.UnregisterBrokerRecord) -> None:
        del self.brokers[self._broker_of(record.broker_id).broker_id]

    def _change_broker(self, record: stored.BrokerRegistrationChangeRecord) -> None:
        self.brokers[record.broker_id] = self._broker_of(record.broker_id).merge(record)

    def _fence_broker(self, record: stored.FenceBrokerRecord) -> None:
        self.brokers[record.id] = self._broker_of(record.id).with_fenced(True)

    def _unfence_broker(self, record: stored.UnfenceBrokerRecord) -> None:
        self.brokers[record.id] = self._broker_of(record.id).with_fenced(False)

    def _broker_of(self, broker_id: int) -> BrokerImage:
        broker = self.brokers.get(broker_id)
        if broker is None:
            raise ReplayError(f"broker {broker_id} is not registered")
        return broker

    def _register_controller(self, record: stored.RegisterControllerRecord) -> None:
        self.controllers[record.controller_id] = record

    # Configs, features, producer ids

    def _config(self, record: stored.ConfigRecord) -> None:
        resource = ConfigResource(record.resource_type, record.resource_name)
        _set_or_remove(self.configs, resource, record.name, record.value)

    def _feature_level(self, record: stored.FeatureLevelRecord) -> None:
        if record.feature_level == 0:
            self.features.pop(record.name, None)
        else:
            self.features[record.name] = record.feature_level

    def _producer_ids(self, record: stored.ProducerIdsRecord) -> None:
        if record.next_producer_id <= self.next_producer_id:
            raise ReplayError(f"producer ids go back from {self.next_producer_id} to {record.next_producer_id}")
        self.next_producer_id = record.next_producer_id

    # Quotas and security: kept as they were written

    def _client_quota(self, record: stored.ClientQuotaRecord) -> None:
        entity = tuple(sorted(((e.entity_type, e.entity_name) for e in record.entity), key=lambda part: part[0]))
        _set_or_remove(self.client_quotas, entity, record.key, None if record.remove else record.value)

    def _acl(self, record: stored.AccessControlEntryRecord) -> None:
        self.acls[record.id] = record

    def _remove_acl(self, record: stored.RemoveAccessControlEntryRecord) -> None:
        if self.acls.pop(record.id, None) is None:
            raise ReplayError(f"the ACL {record.id.hex()}, which is to be removed, is not there")

    def _scram_credential(self, record: stored.UserScramCredentialRecord) -> None:
        self.scram_credentials[record.name, record.mechanism] = record

    def _remove_scram_credential(self, record: stored.RemoveUserScramCredentialRecord) -> None:
        self.scram_credentials.pop((record.name, record.mechanism), None)

    def _delegation_token(self, record: stored.DelegationTokenRecord) -> None:
        self.delegation_tokens[record.token_id] = record

    def _remove_delegation_token(self, record: stored.RemoveDelegationTokenRecord) -> None:
        self.delegation_tokens.pop(record.token_id, None)

    def _nothing(self, record: Message) -> None:
        """A record that marks time (NoOp) or a migration long done (ZkMigrationState) leaves no trace."""

    _REPLAYS: ClassVar[dict[type[Message], Callable[[MetadataImage, Any], None]]] = {
        stored.TopicRecord: _topic,
        stored.PartitionRecord: _partition,
        stored.PartitionChangeRecord: _partition_change,
        stored.RemoveTopicRecord: _remove_topic,
        stored.ClearElrRecord: _clear_elr,
        stored.RegisterBrokerRecord: _register_broker,
        stored.UnregisterBrokerRecord: _unregister_broker,
        stored.BrokerRegistrationChangeRecord: _change_broker,
        stored.FenceBrokerRecord: _fence_broker,
        stored.UnfenceBrokerRecord: _unfence_broker,
        stored.RegisterControllerRecord: _register_controller,
        stored.ConfigRecord: _config,
        stored.FeatureLevelRecord: _feature_level,
        stored.ProducerIdsRecord: _producer_ids,
        stored.ClientQuotaRecord: _client_quota,
        stored.AccessControlEntryRecord: _acl,
        stored.RemoveAccessControlEntryRecord: _remove_acl,
        stored.UserScramCredentialRecord: _scram_credential,
        stored.RemoveUserScramCredentialRecord: _remove_scram_credential,
        stored.DelegationTokenRecord: _delegation_token,
        stored.RemoveDelegationTokenRecord: _remove_delegation_token,
        stored.NoOpRecord: _nothing,
        stored.ZkMigrationStateRecord: _nothing,
    }


def _set_or_remove(owners: dict[K, dict[str, V]], owner: K, name: str, value: V | None) -> None:
    """Give an owner a new dictionary with the value, or without it; one that has nothing left goes."""
    changed = owners.get(owner, {}).copy()
    if value is None:
        changed.pop(name, None)
    else:
        changed[name] = value
    if changed:
        owners[owner] = changed
    else:
        owners.pop(owner, None)
