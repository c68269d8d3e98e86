"""The image as the reader of a directory sees it: what the directory holds is led here, the rest by nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .partition_image import NO_LEADER, PartitionImage

if TYPE_CHECKING:
    from collections.abc import Callable

    from .image import MetadataImage


class Held(NamedTuple):
    """How many partitions the metadata has, and how many of them can be read here."""

    partitions: int
    held: int


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
