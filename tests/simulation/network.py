"""Connections in memory: bytes arrive later and in order, or not at all.

To the broker's side a link is a socket like any other; the client's side is `Client.ask`.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any, cast

from ottla.protocol.compiler import decode, decode_with_end
from ottla.protocol.headers import ResponseHeader, response_header_version

from ..harness.raw_client import request_frame

if TYPE_CHECKING:
    import asyncio
    import random
    import socket
    from collections.abc import Callable

    from ottla.broker.connection import Connection

    from .world import World

LATENCY_S_MAX = 0.02


class ConnectionLostError(Exception):
    """The broker or the network is gone; whether the request was done is not known."""


class Link:
    """One connection: the socket of the broker's side, and what the client has received."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chance: random.Random, port: int) -> None:
        self._loop = loop
        self._chance = chance
        self._port = port
        self._on_readable: Callable[[], None] | None = None
        self._is_dead = False
        self._is_cut = False
        self._held = bytearray()
        self._last_arrival_s = {"up": 0.0, "down": 0.0}
        self._received = bytearray()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    def attach(self, connection: Connection) -> None:
        connection.open(cast("socket.socket", self), ("10.0.0.1", self._port))

    @property
    def is_dead(self) -> bool:
        """Whether the client knows that nothing will come any more."""
        return self._is_dead

    # The client's side

    async def exchange(self, frame: bytes, correlation_id: int) -> bytes:
        """Send a request and wait for its answer's frame."""
        if self._is_dead:
            raise ConnectionLostError
        answer = self._waiting[correlation_id] = self._loop.create_future()
        self._later("up", self._arrive, frame)
        return await answer

    def cut(self) -> None:
        """The network fails: neither side hears of the other again."""
        self._fail_client()
        self._is_cut = True
        self._let_read()

    def die(self) -> None:
        """The broker is gone; it hears nothing of it."""
        self._on_readable = None
        self._loop.call_soon(self._fail_client)

    def _fail_client(self) -> None:
        self._is_dead = True
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionLostError())

    def _hear(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 4:
            (size,) = struct.unpack_from(">i", self._received)
            if len(self._received) < 4 + size:
                return
            frame = bytes(self._received[4 : 4 + size])
            del self._received[: 4 + size]
            answer = self._waiting.pop(struct.unpack_from(">i", frame)[0], None)
            if answer is not None and not answer.done():
                answer.set_result(frame)

    # The broker's side

    def watch(self, on_readable: Callable[[], None] | None) -> None:
        """Call whenever there is something to read; the loop's `add_reader` and `remove_reader` come here."""
        self._on_readable = on_readable
        self._loop.call_soon(self._let_read)

    def _arrive(self, data: bytes) -> None:
        self._held += data
        self._let_read()

    def _let_read(self) -> None:
        while self._on_readable is not None and (self._held or self._is_cut):
            self._on_readable()

    def getsockname(self) -> tuple[str, int]:
        return "10.0.0.9", 9092

    def fileno(self) -> int:
        return -1

    def recv_into(self, buffer: memoryview) -> int:
        if self._is_cut:
            return 0
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        del self._held[:count]
        return count

    def send(self, data: bytes) -> int:
        """Nothing is ever full."""
        self._later("down", self._hear, bytes(data))
        return len(data)

    def close(self) -> None:
        """What was written still arrives."""
        self._later("down", lambda _: self._fail_client(), b"")

    def _later(self, way: str, arrive: Any, data: bytes) -> None:
        at_s = max(self._last_arrival_s[way], self._loop.time() + self._chance.random() * LATENCY_S_MAX)
        self._last_arrival_s[way] = at_s
        self._loop.call_at(at_s, self._deliver, arrive, data)

    def _deliver(self, arrive: Any, data: bytes) -> None:
        if not self._is_dead:
            arrive(data)


class Client:
    """Sends one request at a time; connects again by itself after a connection was lost."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._world = world
        self._link: Link | None = None
        self._correlation_ids = itertools.count(1)

    async def ask(self, request: Any, response: type, version: int) -> Any:
        """The answer. Raises ConnectionLostError."""
        if self._link is None or self._link.is_dead:
            self._link = self._world.connect()
        correlation_id = next(self._correlation_ids)
        frame = await self._link.exchange(request_frame(request, version, correlation_id, self.name), correlation_id)
        _, end = decode_with_end(ResponseHeader, frame, response_header_version(type(request), version))
        return decode(response, frame, version, end)

    def drop(self) -> None:
        """Lose the connection, as a network does."""
        if self._link is not None:
            self._link.cut()
