"""Producer ids, asked for until the broker that has just started can give them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

from . import topics
from .workload import NotDone

if TYPE_CHECKING:
    from .workload import Target

_VERSION = 4
_TRANSACTION_TIMEOUT_MS = 60_000
_TIMEOUT_S = 60
_BACKOFF_S = 0.05
_NOT_YET = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)


def new_producer_id(target: Target, transactional_id: str | None = None) -> tuple[int, int]:
    """An id and its epoch. Raises NotDone."""
    timeout_ms = 0 if transactional_id is None else _TRANSACTION_TIMEOUT_MS
    request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
    deadline = time.monotonic() + _TIMEOUT_S
    with topics.asking(target) as connection:
        while time.monotonic() < deadline:
            given = connection.ask(request, InitProducerIdResponse, _VERSION)
            if not given.error_code:
                return given.producer_id, given.producer_epoch
            if given.error_code not in _NOT_YET:
                raise NotDone(f"no producer id: {given.error_code}")
            time.sleep(_BACKOFF_S)
    raise NotDone("no producer id in time")
