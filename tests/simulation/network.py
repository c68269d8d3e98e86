"""Connections in memory: bytes arrive later and in order, or not at all.

To the broker's side a link is a transport like any other; the client's side is `Client.ask`.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from typing import TYPE_CHECKING, Any

from ottla.protocol.compiler import decode, decode_with_end
from ottla.protocol.headers import ResponseHeader, response_header_version

from ..harness.raw_client import request_frame

if TYPE_CHECKING:
    import random

    from ottla.broker.connection import Connection

    from .world import World

LATENCY_S_MAX = 0.02


class ConnectionLostError(Exception):
    """The broker or the network is gone; whether the request was done is not known."""


class Link(asyncio.Transport):
    """One connection: the transport of the broker's side, and what the client has received."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chance: random.Random, port: int) -> None:
        super().__init__({"peername": ("10.0.0.1", port), "sockname": ("10.0.0.9", 9092)})
        self._loop = loop
        self._chance = chance
        self._connection: Connection | None = None
        self._is_closing = False
        self._is_dead = False
        self._reading = True
        self._held: list[bytes] = []
        self._last_arrival_s = {"up": 0.0, "down": 0.0}
        self._received = bytearray()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    def attach(self, connection: Connection) -> None:
        self._connection = connection
        connection.connection_made(self)

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
        self._lose_connection()

    def die(self) -> None:
        """The broker is gone; it hears nothing of it."""
        self._connection = None
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

    def _arrive(self, data: bytes) -> None:
        connection = self._connection
        if connection is None or self._is_closing:
            return
        if not self._reading:
            self._held.append(data)
            return
        at = 0
        while at < len(data):
            buffer = connection.get_buffer(-1)
            count = min(len(buffer), len(data) - at)
            buffer[:count] = data[at : at + count]
            at += count
            connection.buffer_updated(count)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever full."""

    def is_closing(self) -> bool:
        return self._is_closing

    def writelines(self, list_of_data: Any) -> None:
        data = b"".join(bytes(piece) for piece in list_of_data)
        self._later("down", self._hear, data)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        held, self._held = self._held, []
        for data in held:
            self._loop.call_soon(self._arrive, data)

    def close(self) -> None:
        """What was written still arrives."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._lose_connection)
            self._later("down", lambda _: self._fail_client(), b"")

    def abort(self) -> None:
        self.cut()

    def _lose_connection(self) -> None:
        self._is_closing = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(None)

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
