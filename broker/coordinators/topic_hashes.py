"""Hashes of the topics that a consumer group reads: when one differs from what the group has noted, its assignment is
out of date (`Utils.computeTopicHash`, KIP-1101).

The hash covers id, name, number of partitions, and the racks of each partition's replicas. It is written into the
group's record, so it is Kafka's to the bit.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ...protocol.xxh3 import xxh3_64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..metadata.image import MetadataImage
    from ..metadata.partition_image import TopicImage

_MAGIC = b"\x00"
_INT = struct.Struct("<i")
_LONG = struct.Struct("<Q")
_SIGN = 1 << 63


class TopicHashes:
    """Hashes by topic name, each worked out once; `forget` when the topic changes."""

    __slots__ = ("_by_name", "_image")

    def __init__(self, image: MetadataImage) -> None:
        self._image = image
        self._by_name: dict[str, int] = {}

    def forget(self, topic: str) -> None:
        """The topic is another than it was."""
        self._by_name.pop(topic, None)

    def of_group(self, topics: Iterable[str]) -> int:
        """The hash of all of these topics that exist, signed as the record has it; 0 when none does."""
        hashes = [self._of_topic(topic) for topic in sorted(topics) if topic in self._image.topics_by_name]
        if not hashes:
            return 0
        return _signed(xxh3_64(b"".join(_LONG.pack(value) for value in hashes)))

    def _of_topic(self, name: str) -> int:
        known = self._by_name.get(name)
        if known is None:
            known = self._by_name[name] = xxh3_64(self._content(self._image.topics_by_name[name]))
        return known

    def _content(self, topic: TopicImage) -> bytes:
        pieces = [_MAGIC, topic.topic_id[7::-1], topic.topic_id[:7:-1], _text(topic.name)]
        pieces.append(_INT.pack(len(topic.partitions)))
        for partition in topic.partitions:
            pieces.append(_INT.pack(partition.index))
            for rack in self._racks(partition.replicas):
                pieces += (_INT.pack(_units(rack)), _text(rack))
        return b"".join(pieces)

    def _racks(self, replicas: tuple[int, ...]) -> list[str]:
        brokers = (self._image.brokers.get(replica) for replica in replicas)
        return sorted(broker.rack for broker in brokers if broker is not None and broker.rack is not None)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text(text: str) -> bytes:
    """A string as Kafka's hash library feeds it: its UTF-16 units, then their number."""
    return text.encode("utf-16-le", "surrogatepass") + _INT.pack(_units(text))


def _signed(value: int) -> int:
    return value - 2 * _SIGN if value & _SIGN else value
