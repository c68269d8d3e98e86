"""Requests to groups that wait for their answers. To the coordinators each is a number, which is never used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...protocol.messages.join_group import JoinGroupResponse
from ..coordinators.group_effects import Caller

if TYPE_CHECKING:
    from ..coordinators.group_effects import Reply, Waiter
    from ..request import Deferred, RequestContext

_FIRST_JOIN_VERSION_WITH_NULL_PROTOCOL = 7


class _Parked(NamedTuple):
    deferred: Deferred[Any]
    api_version: int


class GroupWaiters:
    """Every request that is parked; one whose connection goes away is forgotten."""

    def __init__(self) -> None:
        self._parked: dict[Waiter, _Parked] = {}
        self._last = 0

    def new_caller(self, context: RequestContext) -> Caller:
        """Who asks, by a new number."""
        self._last += 1
        host = client_host(context.connection.peer_host)
        return Caller(self._last, context.api_version, context.client_id or "", host)

    def park(self, waiter: Waiter, deferred: Deferred[Any], context: RequestContext) -> None:
        """Keep a request until it is answered."""
        self._parked[waiter] = _Parked(deferred, context.api_version)
        deferred.on_abandon = lambda: self._forget(waiter)

    def _forget(self, waiter: Waiter) -> None:
        """The connection is gone; the member stays until its session ends, as in Kafka."""
        self._parked.pop(waiter, None)

    def answer(self, reply: Reply) -> None:
        """Complete the request, if anybody still waits for it."""
        parked = self._parked.pop(reply.waiter, None)
        if parked is None:
            return
        response = reply.response
        is_old = parked.api_version < _FIRST_JOIN_VERSION_WITH_NULL_PROTOCOL
        if is_old and isinstance(response, JoinGroupResponse) and response.protocol_name is None:
            response.protocol_name = ""
        parked.deferred.complete(response)


def client_host(peer_host: str) -> str:
    """As Java prints an address, with a slash in front; so do Kafka's tools."""
    return f"/{peer_host}"
