"""The topics that members of a consumer group subscribe to, read from their otherwise opaque metadata.

Only the part that version 0 of the consumer protocol has is read: every later version begins with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.compiler import decode
from ...protocol.consumer_protocol import ConsumerProtocolSubscription
from ...protocol.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

CONSUMER_PROTOCOL_TYPE = "consumer"
_VERSION_BYTES = 2


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
