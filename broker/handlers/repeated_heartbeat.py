"""Answers a heartbeat that repeats an earlier one, without reading it again.

A member says the same as long as its generation lasts: only the correlation id differs. The first such request is read
as every other; then it is known by its bytes, and the group is asked with what was read. It decides each time; only the
answer that tells nothing new is kept as bytes. A consumer group's heartbeat is answered here while neither side has
anything to say, and left to `consumer_group_heartbeat.handle` as soon as one has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ...protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from ...protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..coordinators import consumer_request
from ..coordinators.consumer_heartbeat import says_nothing
from ..coordinators.group_refusal import GroupRefusal
from .repeated import HEAD_BYTES, KNOWN_BYTES_MAX, FixedAnswer, Repeated, head_of, keep, read_head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...protocol.errors import ErrorCode
    from ..request import ConnectionInfo, RequestContext
    from ..services import Services

H = TypeVar("H", "KnownHeartbeat", "KnownConsumerHeartbeat")


class KnownHeartbeat:
    """A classic member's heartbeat as it was read, which stays as it is, and the frame of the usual answer."""

    __slots__ = ("accepted", "client_id", "head", "request", "version")

    def __init__(self, request: HeartbeatRequest, context: RequestContext) -> None:
        self.request = request
        self.version = context.api_version
        self.head = head_of(context)
        self.client_id = context.client_id
        self.accepted = self.answer(0)

    def answer(self, code: ErrorCode | int) -> FixedAnswer:
        """What is answered with this code."""
        return FixedAnswer(HeartbeatRequest, HeartbeatResponse(error_code=code), self.version)


class RepeatedHeartbeats(Repeated):
    """Every heartbeat of a classic member, by all its bytes but the correlation id."""

    def __init__(self, services: Services) -> None:
        self._groups = services.groups
        self._known: dict[bytes, KnownHeartbeat] = {}

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Extend the session of a member that is known and return the frame of the answer; None: it must be read."""
        known = _find(self._known, frame)
        if known is None:
            return None
        groups = self._groups
        hosted = groups.hosting(known.request.group_id)
        if hosted is None:
            return None
        connection.client_id = known.client_id
        code = groups.heartbeat(hosted, known.request)
        return (known.answer(code) if code else known.accepted).frame(read_head(frame)[1])

    def learn(self, frame: memoryview, body_at: int, request: HeartbeatRequest, context: RequestContext) -> None:
        """Know this request when it comes again."""
        if request.group_id and len(frame) <= KNOWN_BYTES_MAX:
            keep(self._known, frame[HEAD_BYTES:].tobytes(), KnownHeartbeat(request, context))


class KnownConsumerHeartbeat:
    """A consumer's heartbeat that says nothing, as it was read, and the frame of the answer that says nothing."""

    __slots__ = ("answer", "client_id", "head", "interval_ms", "request", "version")

    def __init__(self, request: ConsumerGroupHeartbeatRequest, context: RequestContext) -> None:
        self.request = request
        self.version = context.api_version
        self.head = head_of(context)
        self.client_id = context.client_id
        self.tell(0)

    def tell(self, interval_ms: int) -> None:
        """Answer with this interval from now on."""
        self.interval_ms = interval_ms
        response = ConsumerGroupHeartbeatResponse(
            member_id=self.request.member_id,
            member_epoch=self.request.member_epoch,
            heartbeat_interval_ms=interval_ms,
        )
        self.answer = FixedAnswer(ConsumerGroupHeartbeatRequest, response, self.version)


class RepeatedConsumerHeartbeats(Repeated):
    """Every heartbeat of a consumer that says nothing, by all its bytes but the correlation id."""

    def __init__(self, services: Services) -> None:
        self._groups = services.groups
        self._known: dict[bytes, KnownConsumerHeartbeat] = {}

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Extend the session of a member that has no news and gets none; None: the request must be read."""
        known = _find(self._known, frame)
        if known is None:
            return None
        groups = self._groups
        hosted = groups.hosting(known.request.group_id)
        if hosted is None or not groups.serves_consumer_groups:
            return None
        intervals = groups.quiet_heartbeat(hosted, known.request, known.client_id, connection.peer_host)
        if intervals is None:
            return None
        connection.client_id = known.client_id
        if known.interval_ms != intervals.heartbeat_interval_ms:
            known.tell(intervals.heartbeat_interval_ms)
        return known.answer.frame(read_head(frame)[1])

    def learn(
        self, frame: memoryview, body_at: int, request: ConsumerGroupHeartbeatRequest, context: RequestContext
    ) -> None:
        """Know this request when it comes again, if it is one that may be answered with nothing new."""
        if not says_nothing(request) or len(frame) > KNOWN_BYTES_MAX:
            return
        try:
            consumer_request.check(request, context.api_version, ())
        except GroupRefusal:
            return
        keep(self._known, frame[HEAD_BYTES:].tobytes(), KnownConsumerHeartbeat(request, context))


def _find(known: Mapping[bytes, H], frame: memoryview) -> H | None:
    """The heartbeat that is repeated, by its API and version too; None where it is not known."""
    if len(frame) > KNOWN_BYTES_MAX:
        return None
    found = known.get(frame[HEAD_BYTES:].tobytes())
    return found if found is not None and found.head == read_head(frame)[0] else None
