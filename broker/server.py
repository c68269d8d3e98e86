"""Listeners, and the connections that came in through them.

`max.connections` is held as Kafka holds it: at the limit nothing more is accepted until a connection closes;
`max.connections.per.ip` closes what is above it. Connections without traffic for `connections.max.idle.ms` are closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ..protocol.receive_buffers import ReceiveBuffers
from .connection import Connection
from .listening_sockets import listening_socket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dispatch import Dispatcher
    from .listening_sockets import SocketSettings

logger = logging.getLogger(__name__)

_RECEIVE_BUFFER_BYTES = 256 * 1024
_SPARE_BUFFERS_KEPT_S = 10.0
_ACCEPT_RETRY_S = 0.5
_STOP_GRACE_S = 1.0


class ListenError(Exception):
    """An address that cannot be listened on."""


class Limits(NamedTuple):
    """What a server allows its clients."""

    frame_bytes_max: int
    connections_max: int
    connections_per_ip_max: int
    idle_ms_max: int
    connections_per_ip_overrides: Mapping[str, int] = {}


class _Listener(NamedTuple):
    name: str
    socket: socket.socket


class Server:
    """Every open listener and connection of a broker."""

    def __init__(self, limits: Limits, sockets: SocketSettings) -> None:
        self.limits = limits
        """In force now; whoever applies dynamic changes replaces them."""
        self._sockets = sockets
        self._buffers = ReceiveBuffers(_RECEIVE_BUFFER_BYTES, self._watch_spare_buffers)
        self._buffer_watch: asyncio.TimerHandle | None = None
        self._connections: set[Connection] = set()
        self._per_ip: Counter[str] = Counter()
        self._next_connection_id = 0
        self._dispatcher: Dispatcher | None = None
        self._listeners: list[_Listener] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._room = asyncio.Event()
        self._room.set()
        self._empty = asyncio.Event()
        self._empty.set()

    def bind(self, name: str, host: str, port: int) -> tuple[str, int]:
        """Take an address and return the real one; who connects before `start` waits in the backlog."""
        try:
            listener = listening_socket(host, port, self._sockets)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ListenError(f"cannot listen on {host or '*'}:{port} (listener {name}): {reason}") from error
        self._listeners.append(_Listener(name, listener))
        address = listener.getsockname()
        return address[0], address[1]

    def start(self, dispatcher: Dispatcher) -> None:
        """Begin to take connections and hand their requests to `dispatcher`."""
        loop = asyncio.get_running_loop()
        self._dispatcher = dispatcher
        for listener in self._listeners:
            self._tasks.append(loop.create_task(self._accept(listener)))
        if self.limits.idle_ms_max > 0:
            self._tasks.append(loop.create_task(self._close_idle(self.limits.idle_ms_max / 1000)))

    async def stop(self) -> None:
        """Close everything; answers that are already written are still delivered to clients that read."""
        if self._buffer_watch is not None:
            self._buffer_watch.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.socket.close()
        for connection in list(self._connections):
            connection.close("the broker stops", logging.DEBUG)
        try:
            await asyncio.wait_for(self._empty.wait(), _STOP_GRACE_S)
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._empty.wait()

    @property
    def connections(self) -> list[Connection]:
        """Every open connection, oldest first."""
        return sorted(self._connections, key=lambda connection: connection.connection_id)

    def descriptors(self) -> list[int]:
        """Of every open socket: a forked child, which has them too, must not keep them open."""
        listening = [listener.socket.fileno() for listener in self._listeners]
        found = [*listening, *(connection.descriptor for connection in self._connections)]
        return [descriptor for descriptor in found if descriptor >= 0]

    async def _accept(self, listener: _Listener) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.wait()
            try:
                accepted, address = await loop.sock_accept(listener.socket)
            except OSError as error:
                # Out of descriptors, most likely: connections that are open go on, new ones wait.
                logger.warning("cannot accept a connection: %s; trying again", error)
                await asyncio.sleep(_ACCEPT_RETRY_S)
                continue
            connection = self.admit(address[0], listener.name)
            if connection is None:
                accepted.close()
            else:
                self._open(connection, accepted, address)

    def admit(self, peer_host: str, listener_name: str) -> Connection | None:
        """A connection for one more socket; None when its address has too many already."""
        limits = self.limits
        allowed = limits.connections_per_ip_overrides.get(peer_host, limits.connections_per_ip_max)
        if self._per_ip[peer_host] >= allowed:
            logger.warning("refusing a connection from %s: max.connections.per.ip is reached", peer_host)
            return None
        connection = self._new_connection(listener_name)
        self._per_ip[peer_host] += 1
        self._connections.add(connection)
        self._empty.clear()
        if len(self._connections) >= limits.connections_max:
            logger.warning(
                "%d connections are open; no more until one closes (max.connections)", len(self._connections)
            )
            self._room.clear()
        return connection

    def _open(self, connection: Connection, accepted: socket.socket, address: tuple[str, int]) -> None:
        try:
            # Without it the end of a response may wait 40 ms for the client's delayed acknowledgement.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.open(accepted, address[:2])
        except OSError as error:
            logger.info("a connection from %s was gone before it was taken: %s", address[0], error)
            accepted.close()
            self._forget(connection, address[0])

    def _new_connection(self, listener_name: str) -> Connection:
        assert self._dispatcher is not None
        self._next_connection_id += 1
        return Connection(
            connection_id=self._next_connection_id,
            listener_name=listener_name,
            dispatcher=self._dispatcher,
            buffers=self._buffers,
            frame_bytes_max=self.limits.frame_bytes_max,
            on_lost=lambda lost: self._forget(lost, lost.info.peer_host),
        )

    def _forget(self, connection: Connection, peer_host: str) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._per_ip[peer_host] -= 1
        if not self._per_ip[peer_host]:
            del self._per_ip[peer_host]
        self._room.set()
        if not self._connections:
            self._empty.set()

    def _watch_spare_buffers(self) -> None:
        """Give memory back when no large frame has come for a while."""
        if self._buffer_watch is None:
            loop = asyncio.get_running_loop()
            self._buffer_watch = loop.call_later(_SPARE_BUFFERS_KEPT_S, self._drop_spare_buffers)

    def _drop_spare_buffers(self) -> None:
        self._buffer_watch = None
        if self._buffers.drop_unused():
            self._watch_spare_buffers()

    async def _close_idle(self, idle_s_max: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(idle_s_max / 10, 0.1))
            oldest = loop.time() - idle_s_max
            for connection in list(self._connections):
                if connection.last_active_s < oldest and not connection.is_parked:
                    connection.close_idle()
