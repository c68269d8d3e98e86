"""The server of an embedded broker: what a socket keeps that has listened no more for a while."""

from __future__ import annotations

import asyncio
import os
import socket

from ottla.broker.embedded.faults.refusing_server import RefusingServer
from ottla.broker.listening_sockets import SocketSettings
from ottla.broker.server import Limits


def test_it_listens_again_with_the_buffers_of_before():
    async def scenario() -> None:
        server = RefusingServer(Limits(1000, 10, 10, 0), SocketSettings(10, 60_000, -1))
        server.bind("PLAINTEXT", "127.0.0.1", 0)
        server.start(None)
        before = [send_buffer_of(descriptor) for descriptor in server.descriptors()]
        server.refuse()
        server.listen_again()
        assert [send_buffer_of(descriptor) for descriptor in server.descriptors()] == before
        await server.stop()

    asyncio.run(scenario())


def send_buffer_of(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
