"""The cluster's topics as consumer groups watch them: which have changed, and a hash of those that a group reads.

When the hash differs from what the group has noted, its assignment is out of date (`Utils.computeTopicHash`, KIP-1101).
It covers id, name, number of partitions, and the racks of each partition's replicas. It is written into the group's
record, so it is Kafka's to the bit. Changes are counted, so that a group sees at once that none is of interest, and
nobody has to go to all groups when a topic comes or goes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ...protocol.xxh3 import xxh3_64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..metadata.image import MetadataImage
    from ..metadata.partition_image import TopicImage

_MAGIC = b"\x00"
_INT = struct.Struct("<i")
_LONG = struct.Struct("<Q")
_SIGN = 1 << 63


NEVER: Final = -1
"""When a group looked that has not looked yet."""
_CHANGES_KEPT_MIN: Final = 1_000


class GroupTopics:
    """The image, and what has changed in it; hashes by topic name, each worked out once. All shards share one."""

    __slots__ = ("_by_name", "_changed_at", "_forgotten_at", "changes", "image", "newest_version")

    def __init__(self, image: MetadataImage) -> None:
        self.image = image
        self.newest_version = image.last_offset
        """The version of the metadata that last brought a new topic."""
        self.changes = 0
        """How many changes there were: the time by which groups look."""
        self._changed_at: dict[str, int] = {}
        self._forgotten_at = 0
        self._by_name: dict[str, int] = {}

    def note_change(self, topic: str, *, is_new: bool = False) -> None:
        """A topic appeared, grew or vanished."""
        self.changes += 1
        self._by_name.pop(topic, None)
        if is_new:
            self.newest_version = self.image.last_offset
        if len(self._changed_at) >= max(_CHANGES_KEPT_MIN, 2 * len(self.image.topics_by_name)):
            self._changed_at.clear()
            self._forgotten_at = self.changes
        self._changed_at[topic] = self.changes

    def have_changed(self, topics: Iterable[str], since: int) -> bool:
        """Whether one of the topics has changed since the time of an earlier look, or that is not known any more."""
        if since == self.changes:
            return False
        if since < self._forgotten_at:
            return True
        return any(self._changed_at.get(topic, NEVER) > since for topic in topics)

    def hash_of(self, topics: Iterable[str]) -> int:
        """The hash of all of these topics that exist, signed as the record has it; 0 when none does."""
        hashes = [self._of_topic(topic) for topic in sorted(topics) if topic in self.image.topics_by_name]
        if not hashes:
            return 0
        return _signed(xxh3_64(b"".join(_LONG.pack(value) for value in hashes)))

    def _of_topic(self, name: str) -> int:
        known = self._by_name.get(name)
        if known is None:
            known = self._by_name[name] = xxh3_64(self._content(self.image.topics_by_name[name]))
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
        brokers = (self.image.brokers.get(replica) for replica in replicas)
        return sorted(broker.rack for broker in brokers if broker is not None and broker.rack is not None)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text(text: str) -> bytes:
    """A string as Kafka's hash library feeds it: its UTF-16 units, then their number."""
    return text.encode("utf-16-le", "surrogatepass") + _INT.pack(_units(text))


def _signed(value: int) -> int:
    return value - 2 * _SIGN if value & _SIGN else value
