"""What the broker writes into the metadata log when it starts and when it stops. Pure: nothing changes here.

A broker that stops in good order fences itself, so an unfenced registration at the next start means a crash. After a
crash every partition begins a new leader epoch: should the machine have lost what was not yet on the disk, clients and
offsets of before are told apart from those of after (KIP-101). After a good stop nothing is lost, and no partition
changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...protocol.stored import metadata as stored
from .features import ELIGIBLE_LEADER_REPLICAS, FEATURES
from .image import ResourceType
from .kraft_state import KRAFT_VERSION, KRAFT_VERSION_HIGHEST
from .topic_creation import config_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...protocol.schema import Message
    from .broker_image import Endpoint
    from .image import MetadataImage
    from .partition_image import PartitionImage, TopicImage

FENCED = 1
MIN_INSYNC_REPLICAS: Final = "min.insync.replicas"


@dataclass(frozen=True, slots=True)
class BrokerIdentity:
    """What a broker says of itself: a new incarnation each start, the ids (16 bytes) of its log directories."""

    incarnation_id: bytes
    endpoints: Sequence[Endpoint]
    log_dirs: Sequence[bytes]
    rack: str | None = None


def first_feature_records(formatted: Sequence[Message], min_insync_replicas: int) -> list[Message]:
    """The records that a new cluster begins with: those that `kafka-storage format` left, else this broker's levels.

    With eligible leader replicas, Kafka wants `min.insync.replicas` to be set for the whole cluster (KIP-966).
    """
    records = list(formatted) or [
        stored.FeatureLevelRecord(name=feature.name, feature_level=feature.new_cluster_level)
        for feature in FEATURES.values()
        if feature.new_cluster_level > 0
    ]
    if levels_of(records).get(ELIGIBLE_LEADER_REPLICAS, 0) > 0:
        records += config_records(ResourceType.BROKER, "", {MIN_INSYNC_REPLICAS: str(min_insync_replicas)})
    return records


def levels_of(records: Iterable[Message]) -> dict[str, int]:
    """The feature levels that records set."""
    return {record.name: record.feature_level for record in records if isinstance(record, stored.FeatureLevelRecord)}


def registration_record(node_id: int, identity: BrokerIdentity, broker_epoch: int) -> stored.RegisterBrokerRecord:
    """The registration of this broker, ready to serve. `broker_epoch` is the offset at which its batch begins."""
    return stored.RegisterBrokerRecord(
        broker_id=node_id,
        incarnation_id=identity.incarnation_id,
        broker_epoch=broker_epoch,
        end_points=[
            stored.BrokerEndpoint(name=e.listener_name, host=e.host, port=e.port, security_protocol=e.security_protocol)
            for e in identity.endpoints
        ],
        features=[
            stored.BrokerFeature(
                name=feature.name, min_supported_version=feature.lowest, max_supported_version=feature.highest
            )
            for feature in FEATURES.values()
        ]
        + [stored.BrokerFeature(name=KRAFT_VERSION, max_supported_version=KRAFT_VERSION_HIGHEST)],
        rack=identity.rack,
        fenced=False,
        log_dirs=list(identity.log_dirs),
        cordoned_log_dirs=[],
    )


def fencing_record(image: MetadataImage) -> stored.BrokerRegistrationChangeRecord:
    """The last word of a broker that stops in good order."""
    broker = image.brokers[image.node_id]
    return stored.BrokerRegistrationChangeRecord(
        broker_id=broker.broker_id, broker_epoch=broker.broker_epoch, fenced=FENCED
    )


def election_records(image: MetadataImage, *, after_crash: bool) -> Iterator[stored.PartitionChangeRecord]:
    """The changes that make this broker lead every partition of which it holds the one replica.

    Partitions that have replicas elsewhere are left as they are: this broker cannot know whether it holds the newest.
    """
    for topic in image.topics_by_id.values():
        for partition in topic.partitions:
            if partition.replicas == (image.node_id,) and (after_crash or partition.leader != image.node_id):
                yield election(topic, partition, image.node_id)


def election(topic: TopicImage, partition: PartitionImage, node_id: int) -> stored.PartitionChangeRecord:
    """Make `node_id` the leader; name only what differs, as Kafka's PartitionChangeBuilder does."""
    return stored.PartitionChangeRecord(
        partition_id=partition.index,
        topic_id=topic.topic_id,
        leader=node_id,
        isr=None if partition.isr == (node_id,) else [node_id],
        leader_recovery_state=0 if partition.leader_recovery_state else -1,
        eligible_leader_replicas=[] if partition.eligible_leader_replicas else None,
        last_known_elr=[] if partition.last_known_elr else None,
    )
