"""What clients ask coordinators first: where they are, and for a producer id; until a new broker can answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

from . import topics
from .workload import NotDone

if TYPE_CHECKING:
    from collections.abc import Callable

    from .workload import Target

A = TypeVar("A", FindCoordinatorResponse, InitProducerIdResponse)

GROUP, TRANSACTION = 0, 1
_FIND_VERSION, _INIT_VERSION = 3, 4
_TRANSACTION_TIMEOUT_MS = 60_000
_TIMEOUT_S = 60
_BACKOFF_S = 0.05
NOT_YET = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)


def await_coordinator(target: Target, key: str, key_type: int) -> None:
    """Ask where a coordinator is, which creates its topic where it is the first question. Raises NotDone."""
    request = FindCoordinatorRequest(key=key, key_type=key_type)
    with topics.asking(target) as connection:
        _until_given(lambda: connection.ask(request, FindCoordinatorResponse, _FIND_VERSION), "a coordinator")


def new_producer_id(target: Target, transactional_id: str | None = None) -> tuple[int, int]:
    """An id and its epoch. Raises NotDone."""
    timeout_ms = 0 if transactional_id is None else _TRANSACTION_TIMEOUT_MS
    request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
    with topics.asking(target) as connection:
        given = _until_given(lambda: connection.ask(request, InitProducerIdResponse, _INIT_VERSION), "a producer id")
    return given.producer_id, given.producer_epoch


def _until_given(ask: Callable[[], A], what: str) -> A:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        answer = ask()
        if not answer.error_code:
            return answer
        if answer.error_code not in NOT_YET or time.monotonic() > deadline:
            raise NotDone(f"the broker does not give {what}: {ErrorCode(answer.error_code).name}")
        time.sleep(_BACKOFF_S)
