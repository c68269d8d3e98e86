"""Connections over real sockets, with handlers of the test's own: what the shell does, whatever the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from ottla.broker.api_table import Api
from ottla.broker.dispatch import Dispatcher
from ottla.broker.listening_sockets import SocketSettings
from ottla.broker.request import Deferred, RequestContext
from ottla.broker.runtime.commit_barrier import CommitBarrier
from ottla.broker.server import Limits, ListenError, Server
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import encode
from ottla.protocol.headers import RequestHeader
from ottla.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ottla.protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

FRAME_BYTES_MAX = 100_000
SYSTEMS_OWN_BUFFERS = SocketSettings(pending_connections_max=1024, send_buffer_bytes=-1, receive_buffer_bytes=-1)

pytestmark = pytest.mark.usefixtures("every_event_loop")


class Parking:
    """Handlers: a heartbeat named "park" waits until told, any other is answered; ListGroups answers at length."""

    def __init__(self) -> None:
        self.parked: list[Deferred[HeartbeatResponse]] = []
        self.abandoned = 0
        self.seen: list[str] = []

    def heartbeat(self, request: HeartbeatRequest, context: RequestContext, services: Any) -> Any:
        self.seen.append(request.group_id)
        if request.group_id == "bug":
            raise KeyError("a bug")
        if request.group_id == "silent":
            return None
        if request.group_id == "goodbye":
            context.close_connection("the test says so")
            return None
        if request.group_id == "park":
            deferred: Deferred[HeartbeatResponse] = Deferred()
            deferred.on_abandon = self.note_abandoned
            self.parked.append(deferred)
            return deferred
        return HeartbeatResponse(error_code=0)

    def note_abandoned(self) -> None:
        self.abandoned += 1

    def list_groups(self, request: ListGroupsRequest, context: RequestContext, services: Any) -> Any:
        self.seen.append("list")
        return ListGroupsResponse(groups=[ListedGroup(group_id="g" * 30_000)] * 10)


class Setup(NamedTuple):
    server: Server
    handlers: Parking
    port: int


@contextlib.asynccontextmanager
async def serving(sockets: SocketSettings = SYSTEMS_OWN_BUFFERS, **limits: int) -> AsyncIterator[Setup]:
    handlers = Parking()
    apis = {
        12: Api(ApiKey.HEARTBEAT, 0, 4, HeartbeatRequest, handlers.heartbeat),
        16: Api(ApiKey.LIST_GROUPS, 0, 5, ListGroupsRequest, handlers.list_groups),
    }
    chosen = {"connections_max": 100, "connections_per_ip_max": 100, "idle_ms_max": 0, **limits}
    server = Server(Limits(FRAME_BYTES_MAX, **chosen), sockets)
    _, port = server.bind("PLAINTEXT", "127.0.0.1", 0)
    server.start(Dispatcher(apis, None, CommitBarrier()))  # type: ignore[arg-type]
    try:
        yield Setup(server, handlers, port)
    finally:
        await server.stop()


def heartbeat(correlation_id: int, group_id: str = "g") -> bytes:
    body = struct.pack(">hhihh", 12, 0, correlation_id, -1, len(group_id)) + group_id.encode() + bytes(6)
    return struct.pack(">i", len(body)) + body


def list_groups(correlation_id: int) -> bytes:
    return struct.pack(">ihhih", 10, 16, 0, correlation_id, -1)


def large_request(correlation_id: int) -> bytes:
    """A ListGroups whose answer does not depend on what makes it large."""
    header = RequestHeader(request_api_key=16, request_api_version=4, correlation_id=correlation_id)
    body = encode(header, 2) + encode(ListGroupsRequest(states_filter=["s" * 30_000] * 3), 4)
    return struct.pack(">i", len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])


async def correlation_ids(reader: asyncio.StreamReader, count: int) -> list[int]:
    return [struct.unpack(">i", (await read_frame(reader))[:4])[0] for _ in range(count)]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.001)


async def assert_alive(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(heartbeat(99))
    assert await correlation_ids(reader, 1) == [99]
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def run(test: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


def test_pipelined_requests_are_answered_in_order_whatever_the_correlation_ids() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            ids = [5, -1, 2**31 - 1, 5, 0, -(2**31)]
            writer.write(b"".join(map(heartbeat, ids)))
            assert await correlation_ids(reader, len(ids)) == ids

    run(scenario())


def test_a_request_that_arrives_byte_by_byte() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            for byte in heartbeat(1) + heartbeat(2):
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0)
            assert await correlation_ids(reader, 2) == [1, 2]

    run(scenario())


def test_what_comes_behind_a_parked_request_waits_for_it() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(1) + heartbeat(2, "park") + heartbeat(3) + heartbeat(4, "park") + heartbeat(5))
            await until(lambda: setup.handlers.parked)
            await settle()
            assert setup.handlers.seen == ["g", "park"]
            setup.handlers.parked[0].complete(HeartbeatResponse())
            await until(lambda: len(setup.handlers.parked) == 2)
            setup.handlers.parked[1].complete(HeartbeatResponse())
            assert await correlation_ids(reader, 5) == [1, 2, 3, 4, 5]

    run(scenario())


@pytest.mark.parametrize("body_bytes", [3, 300_000])
def test_an_answer_that_comes_encoded_is_sent_under_its_request_s_number(body_bytes: int) -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(7, "park") + heartbeat(8))
            await until(lambda: setup.handlers.parked)
            (parked,) = setup.handlers.parked
            assert parked.takes_body
            parked.complete_with_body(bytes(body_bytes))
            assert await read_frame(reader) == struct.pack(">i", 7) + bytes(body_bytes)
            assert await correlation_ids(reader, 1) == [8]
            with pytest.raises(RuntimeError, match="twice"):
                parked.complete_with_body(b"")

    run(scenario())


def test_a_client_that_pipelines_without_end_behind_a_parked_request_is_not_read_from() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(0, "park"))
            await until(lambda: setup.handlers.parked)
            for number in range(1, 2001):
                writer.write(heartbeat(number))
            await settle()
            [connection] = setup.server._connections
            await until(lambda: connection._reading_paused)
            setup.handlers.parked[0].complete(HeartbeatResponse())
            assert await correlation_ids(reader, 2001) == list(range(2001))

    run(scenario())


def test_a_request_without_answer_leaves_no_hole() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(1) + heartbeat(2, "silent") + heartbeat(3))
            assert await correlation_ids(reader, 2) == [1, 3]

    run(scenario())


def test_a_closed_connection_abandons_what_it_parked() -> None:
    async def scenario() -> None:
        async with serving() as setup:
            async with client(setup.port) as (_, writer):
                writer.write(heartbeat(1, "park"))
                await until(lambda: setup.handlers.parked)
            await until(lambda: setup.handlers.abandoned)
            setup.handlers.parked[0].complete(HeartbeatResponse())  # too late, and harmless
            await assert_alive(setup.port)

    run(scenario())


def test_a_handler_can_end_its_connection_after_what_was_answered() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(1) + heartbeat(2, "goodbye") + heartbeat(3))
            assert await correlation_ids(reader, 1) == [1]
            assert await reader.read() == b""
            assert setup.handlers.seen == ["g", "goodbye"]

    run(scenario())


def test_a_client_that_does_not_read_is_asked_nothing_more() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(b"".join(map(list_groups, range(400))))
            await until(lambda: setup.server._connections)
            [connection] = setup.server._connections
            await until(lambda: connection._sending is not None)
            await settle()
            assert len(setup.handlers.seen) < 400
            await assert_alive(setup.port)
            assert await correlation_ids(reader, 400) == list(range(400))

    run(scenario())


def test_no_answer_waits_for_the_client_s_acknowledgement() -> None:
    """Without TCP_NODELAY the last bytes of a response stay back for 40 ms where the client delays its ACKs."""

    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(1))
            assert await correlation_ids(reader, 1) == [1]
            [connection] = setup.server._connections
            assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(scenario())


def test_small_and_large_answers_keep_their_order_for_a_client_that_reads_late() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            asked = [list_groups(number) if number % 50 == 7 else heartbeat(number) for number in range(3000)]
            writer.write(b"".join(asked))
            await until(lambda: setup.server._connections)
            [connection] = setup.server._connections
            await until(lambda: connection._sending is not None)
            await settle()
            assert await correlation_ids(reader, len(asked)) == list(range(len(asked)))

    run(scenario())


def test_a_large_answer_waits_for_small_ones_that_are_not_sent_yet() -> None:
    """The socket has not taken some of them when the large one comes."""

    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(0))
            assert await correlation_ids(reader, 1) == [0]
            [connection] = setup.server._connections
            connection._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            reader._transport.pause_reading()
            count = 0
            while connection._sending is None:
                count += 1000
                writer.write(b"".join(map(heartbeat, range(count - 999, count + 1))))
                await settle()
            assert "list" not in setup.handlers.seen
            writer.write(list_groups(count + 1) + heartbeat(count + 2))
            await settle()
            assert "list" not in setup.handlers.seen
            reader._transport.resume_reading()
            assert await correlation_ids(reader, count + 2) == list(range(1, count + 3))

    run(scenario())


def test_a_client_that_has_said_all_still_gets_the_answer_that_is_on_its_way() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(b"".join(map(list_groups, range(60))))
            await until(lambda: setup.server._connections)
            [connection] = setup.server._connections
            await until(lambda: connection._sending is not None)
            answered = setup.handlers.seen.count("list")
            connection._hung_up()
            assert await correlation_ids(reader, answered) == list(range(answered))
            assert await reader.read() == b""
            await until(lambda: not setup.server._connections)

    run(scenario())


def test_a_connection_closes_after_a_large_answer_has_been_read() -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(b"".join(map(list_groups, range(60))))
            await until(lambda: setup.server._connections)
            [connection] = setup.server._connections
            await until(lambda: connection._sending is not None)
            answered = setup.handlers.seen.count("list")
            connection.close("the test says so")
            connection.close("once is enough")
            assert await correlation_ids(reader, answered) == list(range(answered))
            assert await reader.read() == b""

    run(scenario())


def test_large_requests_take_turns_in_one_buffer_which_is_given_back_when_none_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ottla.broker.server._SPARE_BUFFERS_KEPT_S", 0.05)

    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (one_reader, one), client(setup.port) as (two_reader, two):
            buffers = setup.server._buffers
            assert buffers.spare_bytes == 0
            for number in range(3):
                wire = large_request(number)
                one.write(wire[:50_000])
                two.write(wire[:10])
                await settle()
                two.write(wire[10:])
                assert await correlation_ids(two_reader, 1) == [number]
                one.write(wire[50_000:])
                assert await correlation_ids(one_reader, 1) == [number]
            assert setup.handlers.seen == ["list"] * 6
            assert 0 < buffers.spare_bytes <= 2 * 128 * 1024
            await until(lambda: buffers.spare_bytes == 0)
            assert setup.server._buffer_watch is None

    run(scenario())


def test_a_connection_that_ends_lets_go_of_a_frame_that_has_begun() -> None:
    async def scenario() -> None:
        async with serving() as setup:
            async with client(setup.port) as (_, writer):
                writer.write(large_request(1)[:-1])
                await until(lambda: setup.server.connections)
                (connection,) = setup.server.connections
                await until(lambda: connection._splitter._partial)
            await until(lambda: not setup.server.connections)
            assert not connection._splitter._partial

    run(scenario())


def test_a_client_that_reads_nothing_is_idle_whatever_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving(idle_ms_max=300) as setup:
            with socket.create_connection(("127.0.0.1", setup.port)) as hostile:
                hostile.sendall(b"".join(map(list_groups, range(60))))
                await until(lambda: setup.server._connections)
                await until(lambda: not setup.server._connections)

    with caplog.at_level(logging.INFO, "ottla.broker.connection"):
        run(scenario())
    assert "it read nothing for connections.max.idle.ms" in caplog.text


BROKEN = {
    "negative length": struct.pack(">i", -5),
    "too long": struct.pack(">i", FRAME_BYTES_MAX + 1),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "empty frame": bytes(4),
    "unknown API": struct.pack(">ihhih", 10, 999, 0, 1, -1),
    "unknown version": struct.pack(">ihhih", 10, 12, 77, 1, -1),
    "truncated body": struct.pack(">ihhihh", 12, 12, 0, 1, -1, 500),
    "a bug in a handler": heartbeat(1, "bug"),
}


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN.keys())
def test_bad_input_closes_that_connection_alone_with_one_line(wire: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(wire)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            await assert_alive(setup.port)

    with caplog.at_level(logging.INFO, "ottla.broker.connection"):
        run(scenario())
    lines = caplog.records
    assert len(lines) == 1
    assert "127.0.0.1" in lines[0].message


def test_the_log_names_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as setup, client(setup.port) as (reader, writer):
            writer.write(struct.pack(">ihhih", 14, 999, 0, 1, 4) + b"mine")
            assert await reader.read() == b""

    with caplog.at_level(logging.INFO, "ottla.broker.connection"):
        run(scenario())
    assert "(client mine): API 999 is not served" in caplog.text


def test_http_and_tls_are_recognised(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as setup:
            for wire in (BROKEN["HTTP"], BROKEN["TLS"]):
                async with client(setup.port) as (reader, writer):
                    writer.write(wire)
                    await reader.read()

    with caplog.at_level(logging.INFO, "ottla.broker.connection"):
        run(scenario())
    assert "looks like HTTP" in caplog.text
    assert "looks like TLS" in caplog.text


def test_max_connections_holds_new_ones_back_until_one_closes() -> None:
    async def scenario() -> None:
        async with serving(connections_max=1) as setup:
            async with client(setup.port) as (reader, writer):
                writer.write(heartbeat(1))
                assert await correlation_ids(reader, 1) == [1]
                waiting_reader, waiting_writer = await asyncio.open_connection("127.0.0.1", setup.port)
                waiting_writer.write(heartbeat(2))
                await settle()
                assert setup.handlers.seen == ["g"]
            assert await correlation_ids(waiting_reader, 1) == [2]
            waiting_writer.close()
            await waiting_writer.wait_closed()

    run(scenario())


def test_max_connections_per_ip_closes_what_is_above() -> None:
    async def scenario() -> None:
        async with serving(connections_per_ip_max=1) as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(1))
            assert await correlation_ids(reader, 1) == [1]
            async with client(setup.port) as (refused, _):
                assert await refused.read() == b""
            writer.write(heartbeat(2))
            assert await correlation_ids(reader, 1) == [2]

    run(scenario())


def test_idle_connections_are_closed_but_parked_ones_are_not() -> None:
    async def scenario() -> None:
        async with (
            serving(idle_ms_max=200) as setup,
            client(setup.port) as (parked_reader, parked_writer),
            client(setup.port) as (idle_reader, _),
        ):
            parked_writer.write(heartbeat(1, "park"))
            assert await idle_reader.read() == b""
            setup.handlers.parked[0].complete(HeartbeatResponse())
            assert await correlation_ids(parked_reader, 1) == [1]

    run(scenario())


def buffers_of(found: socket.socket) -> tuple[int, int]:
    """For sending and for receiving, as the system counts them: Linux tells twice of what was asked for."""
    return found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF), found.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def accepted_after(prepare: Callable[[socket.socket], None]) -> tuple[int, int]:
    """The buffers of a connection that a listening socket has accepted which was prepared so."""
    with socket.socket() as listening:
        prepare(listening)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            return buffers_of(accepted)


@pytest.mark.parametrize(("send_bytes", "receive_bytes"), [(60_000, 40_000), (60_000, -1), (-1, 40_000), (-1, -1)])
def test_connections_have_the_buffers_that_were_asked_for(send_bytes: int, receive_bytes: int) -> None:
    def prepare(listening: socket.socket) -> None:
        for option, size_bytes in ((socket.SO_SNDBUF, send_bytes), (socket.SO_RCVBUF, receive_bytes)):
            if size_bytes > 0:
                listening.setsockopt(socket.SOL_SOCKET, option, size_bytes)

    async def scenario() -> None:
        settings = SYSTEMS_OWN_BUFFERS._replace(send_buffer_bytes=send_bytes, receive_buffer_bytes=receive_bytes)
        async with serving(settings) as setup, client(setup.port) as (reader, writer):
            writer.write(heartbeat(1))
            assert await correlation_ids(reader, 1) == [1]
            [connection] = setup.server.connections
            with socket.socket(fileno=os.dup(connection.descriptor)) as accepted:
                assert buffers_of(accepted) == accepted_after(prepare)

    run(scenario())


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (SYSTEMS_OWN_BUFFERS._replace(send_buffer_bytes=0), "socket.send.buffer.bytes"),
        (SYSTEMS_OWN_BUFFERS._replace(receive_buffer_bytes=-2), "socket.receive.buffer.bytes"),
    ],
)
def test_a_buffer_of_no_size_is_said_by_its_key(settings: SocketSettings, key: str) -> None:
    async def scenario() -> None:
        server = Server(Limits(FRAME_BYTES_MAX, 1, 1, 0), settings)
        with pytest.raises(ListenError, match=rf"{key} is (0|-2), which is neither a size nor -1"):
            server.bind("PLAINTEXT", "127.0.0.1", 0)

    run(scenario())


def test_a_port_in_use_is_said_by_name() -> None:
    async def scenario() -> None:
        async with serving() as setup:
            with pytest.raises(
                ListenError, match=rf"127\.0\.0\.1:{setup.port} \(listener PLAINTEXT\): Address already"
            ):
                setup.server.bind("PLAINTEXT", "127.0.0.1", setup.port)

    run(scenario())


@pytest.mark.parametrize("turns", range(8))
def test_a_stop_in_the_middle_of_a_connect_ends_it_like_any_other(turns: int) -> None:
    """Whatever the loop had done of the connect by then."""

    async def main() -> bytes:
        async with serving() as setup:
            client = socket.create_connection(("127.0.0.1", setup.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        client.settimeout(5)
        with client:
            return client.recv(1)

    with contextlib.suppress(ConnectionResetError):  # nobody had taken it yet
        assert asyncio.run(main()) == b""
