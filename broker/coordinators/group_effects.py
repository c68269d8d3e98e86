"""What a group coordinator wants done: records appended, waiting requests answered.

A decision returns these as a list; the runtime carries them out in order and decides nothing. Durable state moves
only when a record is replayed, so an `Append` says how to go on once its records are replayed, and what to do when
they could not be written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ...protocol.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
    from ...protocol.messages.join_group import JoinGroupResponse
    from ...protocol.messages.sync_group import SyncGroupResponse
    from .group_records import GroupRecord

Waiter: TypeAlias = int
"""The token of a parked request; the runtime knows whose it is."""


class Moment(NamedTuple):
    """One instant on both clocks: sessions and rebalances run on the first, timestamps in records on the second."""

    monotonic_ms: int
    wall_ms: int


class Caller(NamedTuple):
    """Who asks, in which version, and the token that an answer goes to."""

    waiter: Waiter
    api_version: int
    client_id: str
    client_host: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a waiting request."""

    waiter: Waiter
    response: JoinGroupResponse | SyncGroupResponse | ConsumerGroupHeartbeatResponse


@dataclass(frozen=True, slots=True)
class Append:
    """Write the records as one batch and replay them, then go on with `written()`; or else with `refused(code)`."""

    records: tuple[GroupRecord, ...]
    written: Callable[[], list[Effect]] = field(compare=False, repr=False)
    refused: Callable[[ErrorCode], list[Effect]] = field(compare=False, repr=False)


Effect: TypeAlias = Append | Reply


def nothing_more() -> list[Effect]:
    """The continuation of an append that nobody waits for."""
    return []


_ANSWERS_TO_APPEND_ERRORS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.INVALID_FETCH_SIZE: ErrorCode.UNKNOWN_SERVER_ERROR,
}


def append_error(code: ErrorCode) -> ErrorCode:
    """What a client is told when its group's records could not be written (`CoordinatorOperationExceptionHelper`)."""
    return _ANSWERS_TO_APPEND_ERRORS.get(code, code) if code else code
