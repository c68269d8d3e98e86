"""A server that can stop listening and begin again on the same addresses, while its connections go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...listening_sockets import bound_in_place_of
from ...server import Server

if TYPE_CHECKING:
    from ...dispatch import Dispatcher
    from ...listening_sockets import SocketSettings
    from ...server import Limits


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
            self._listeners[number] = listener._replace(socket=bound_in_place_of(listener.socket, self._sockets))

    def listen_again(self) -> None:
        """Take connections again."""
        self.is_refusing = False
        for listener in self._listeners:
            listener.socket.listen(self._sockets.pending_connections_max)
        self._accepting = [asyncio.ensure_future(self._accept(listener)) for listener in self._listeners]
        self._tasks += self._accepting
