"""Deciding which records give a topic more partitions. Pure: nothing changes here.

The checks and sentences are those of Kafka's ReplicationControlManager.createPartitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .placement import DirectoryChooser, check_manual_replicas, new_partition, place_replicas
from .refusal import Refused
from .topic_creation import check_record_total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...protocol.schema import Message
    from .image import MetadataImage
    from .partition_image import TopicImage


def plan_partitions(
    image: MetadataImage, topic: TopicImage, count: int, assignments: Sequence[Sequence[int]] | None
) -> list[Message]:
    """The records that bring `topic` to `count` partitions, on brokers chosen by hand when `assignments` says so."""
    existing = len(topic.partitions)
    added = _check_increase(topic, count)
    if assignments is not None and len(assignments) != added:
        raise Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {added} additional partition(s), but only {len(assignments)} assignment(s) were "
            "specified.",
        )
    check_record_total(added)
    replication_factor = len(topic.partitions[0].replicas)
    if assignments is None:
        assignments = [place_replicas(image, replication_factor)] * added
    else:
        for replicas in assignments:
            check_manual_replicas(image, replicas, replication_factor)
    directories = DirectoryChooser(image)
    return [
        new_partition(image, topic.topic_id, existing + index, replicas, directories)
        for index, replicas in enumerate(assignments)
    ]


def _check_increase(topic: TopicImage, count: int) -> int:
    """How many partitions are to be added. Refused when it is none."""
    existing = len(topic.partitions)
    if count == existing:
        raise Refused(ErrorCode.INVALID_PARTITIONS, f"Topic already has {existing} partition(s).")
    if count < existing:
        raise Refused(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {topic.name} currently has {existing} partition(s); {count} would not be an increase.",
        )
    return count - existing
