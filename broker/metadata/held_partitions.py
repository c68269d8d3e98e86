"""The image as the reader of a directory sees it: what the directory holds is led here, the rest by nobody."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.stored.metadata import PartitionRecord, TopicRecord
from .partition_image import NO_LEADER, PartitionImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...storage.log_directory import PartitionFolder
    from .image import MetadataImage


class Held(NamedTuple):
    """How many partitions the metadata has, and how many of them can be read here."""

    partitions: int
    held: int


def show_folders(image: MetadataImage, folders: Iterable[PartitionFolder]) -> None:
    """Add the topics that only folders speak of: the metadata of their cluster is elsewhere.

    A topic without a written id gets one made of its name. Nothing of this may ever be written.
    """
    by_topic: dict[str, dict[int, PartitionFolder]] = {}
    for folder in folders:
        by_topic.setdefault(folder.topic, {})[folder.partition] = folder
    for name, found in by_topic.items():
        written = next((folder.topic_id for folder in found.values() if folder.topic_id is not None), None)
        topic_id = hashlib.sha256(name.encode()).digest()[:16] if written is None else written
        image.replay(TopicRecord(name=name, topic_id=topic_id))
        for index in range(max(found) + 1):
            replicas = [image.node_id] if index in found else []
            epoch = found[index].leader_epoch if index in found else 0
            image.replay(
                PartitionRecord(
                    partition_id=index, topic_id=topic_id, replicas=replicas, isr=replicas, leader_epoch=epoch
                )
            )


def show_held(image: MetadataImage, holds: Callable[[str, int, bytes], bool]) -> Held:
    """Change the image in memory so that clients are sent here for what `holds` says is here, and nowhere else.

    `holds` takes a topic's name, a partition's number and the topic's id. Nothing of this may ever be written.
    """
    total = held = 0
    for topic in image.topics_by_name.values():
        for index, partition in enumerate(topic.partitions):
            is_held = holds(topic.name, partition.index, topic.topic_id)
            topic.partitions[index] = (
                _led(partition, image.node_id) if is_held else replace(partition, leader=NO_LEADER)
            )
            total += 1
            held += is_held
    return Held(total, held)


def _led(partition: PartitionImage, node_id: int) -> PartitionImage:
    """The partition led here; a leader is in sync with itself, whatever the log says of a broker that stopped."""
    isr = partition.isr if node_id in partition.isr else (node_id, *partition.isr)
    return replace(partition, leader=node_id, isr=isr)
