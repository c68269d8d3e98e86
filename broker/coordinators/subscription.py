"""What consumers put into the otherwise opaque metadata and assignments of a classic group.

For the topics of a subscription only the part that version 0 has is read: every later version begins with it. Groups
that change their protocol need the rest. A version above the highest known one is read as that one, as Kafka does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.compiler import decode, encode
from ...protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    ResponseTopicPartition,
)
from ...protocol.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONSUMER_PROTOCOL_TYPE = "consumer"
_VERSION_BYTES = 2
_HIGHEST_VERSION = 3


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """Return all topics that the subscriptions name, or None when one of them cannot be read."""
    topics: set[str] = set()
    try:
        for subscription in subscriptions:
            if len(subscription) < _VERSION_BYTES:
                return None
            topics.update(decode(ConsumerProtocolSubscription, subscription, 0, _VERSION_BYTES).topics)
    except ProtocolError:
        return None
    return frozenset(topics)


def read_subscription(metadata: bytes) -> ConsumerProtocolSubscription:
    """The whole subscription. Raises ProtocolError."""
    return decode(ConsumerProtocolSubscription, metadata, consumer_version(metadata), _VERSION_BYTES)


def read_assignment(assignment: bytes) -> ConsumerProtocolAssignment:
    """The whole assignment; empty bytes are one without partitions. Raises ProtocolError."""
    if not assignment:
        return ConsumerProtocolAssignment()
    return decode(ConsumerProtocolAssignment, assignment, consumer_version(assignment), _VERSION_BYTES)


def write_assignment(partitions: Mapping[str, Iterable[int]], version: int) -> bytes:
    """An assignment of partitions by topic name, as a consumer that speaks `version` reads it."""
    topics = [ResponseTopicPartition(topic=topic, partitions=sorted(numbers)) for topic, numbers in partitions.items()]
    assignment = ConsumerProtocolAssignment(assigned_partitions=topics)
    return version.to_bytes(_VERSION_BYTES, "big") + encode(assignment, version)


def consumer_version(data: bytes) -> int:
    """The version that the bytes begin with, at most the highest known one. Raises ProtocolError."""
    version = int.from_bytes(data[:_VERSION_BYTES], "big", signed=True)
    if len(data) < _VERSION_BYTES or version < 0:
        raise ProtocolError("a consumer's metadata begins with no version")
    return min(version, _HIGHEST_VERSION)
