"""A server that can stop listening and begin again on the same addresses, while its connections go on."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from ...server import Limits, Server, SocketSettings, set_buffers

if TYPE_CHECKING:
    from ...dispatch import Dispatcher


class RefusingServer(Server):
    """The server of an embedded broker."""

    def __init__(self, limits: Limits, sockets: SocketSettings) -> None:
        super().__init__(limits, sockets)
        self._accepting: list[asyncio.Task[None]] = []
        self.is_refusing = False

    def start(self, dispatcher: Dispatcher) -> None:
        """Begin to take connections."""
        super().start(dispatcher)
        self._accepting = self._tasks[: len(self._listeners)]

    def refuse(self) -> None:
        """Listen no more: the system refuses whoever connects. The addresses stay taken."""
        loop = asyncio.get_running_loop()
        self.is_refusing = True
        for task in self._accepting:
            task.cancel()
            self._tasks.remove(task)
        for number, listener in enumerate(self._listeners):
            loop.remove_reader(listener.socket)
            self._listeners[number] = listener._replace(socket=_bound_in_place_of(listener.socket, self._sockets))

    def listen_again(self) -> None:
        """Take connections again."""
        self.is_refusing = False
        for listener in self._listeners:
            listener.socket.listen(self._sockets.pending_connections_max)
        self._accepting = [asyncio.ensure_future(self._accept(listener)) for listener in self._listeners]
        self._tasks += self._accepting


def _bound_in_place_of(listening: socket.socket, settings: SocketSettings) -> socket.socket:
    """Close a socket that listens, and return one that has its address and does not."""
    bound = socket.socket(listening.family, socket.SOCK_STREAM)
    bound.setblocking(False)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listening.family == socket.AF_INET6:
        v6_only = listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
    address = listening.getsockname()
    listening.close()
    set_buffers(bound, settings)
    bound.bind(address)
    return bound
