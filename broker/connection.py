"""One client's connection: bytes in, requests handled one after the other, responses out in the same order.

As in Kafka, a connection has at most one request under way. While one is parked, what arrives behind it waits in
a small backlog; when that is full, or the client does not read its responses, the connection is not read from.
So a connection never holds more than its backlog and what was answered when the client stopped reading.

The connection owns its socket. The loop says when it is ready, and what is answered is sent at once: a transport of
asyncio's in between would cost 2 µs of CPU for each request.
All connections receive into one shared buffer, since each chunk is handled before the next is received; only a
large frame that has begun gets a buffer of its own, until it was handled. So nothing that outlives the handling of a
frame may hold a view of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from ..protocol.errors import ProtocolError
from ..protocol.frames import FrameSplitter, FrameTooLargeError
from .direct_send import DIRECT_FROM_BYTES, DirectSend
from .dispatch import response_frame, response_parts
from .event_loop import add_receiver
from .request import ConnectionInfo, Deferred

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..protocol.primitives import Buffer
    from ..protocol.receive_buffers import ReceiveBuffers
    from ..protocol.schema import Message
    from ..storage.file_records import FileRecords
    from .dispatch import Dispatcher, Exchange
    from .request import RequestContext

logger = logging.getLogger(__name__)

_BACKLOG_FRAMES = 64
_BACKLOG_BYTES = 1024 * 1024


class Connection:
    """The shell between a socket and the dispatcher."""

    def __init__(
        self,
        *,
        connection_id: int,
        listener_name: str,
        dispatcher: Dispatcher,
        buffers: ReceiveBuffers,
        frame_bytes_max: int,
        on_lost: Callable[[Connection], None],
    ) -> None:
        self.connection_id = connection_id
        self._listener_name = listener_name
        self._dispatcher = dispatcher
        self._buffers = buffers
        self._splitter = FrameSplitter(frame_bytes_max, buffers)
        self._on_lost = on_lost
        self._socket: socket.socket = None  # type: ignore[assignment] # until `open`
        self._loop = asyncio.get_running_loop()
        self._now_s = self._loop.time
        self._parked: Deferred[Any] | None = None
        self._parked_exchange: Exchange | None = None
        self._backlog: deque[memoryview] = deque()
        self._backlog_bytes = 0
        self._reading_paused = False
        self._closing = False
        self._ended = False
        self._outgoing: list[Buffer | FileRecords] = []
        self._outgoing_bytes = 0
        # While the client has not taken what was answered, nothing more is asked of its requests.
        self._sending: DirectSend | None = None
        self._received_s = self._loop.time()
        self.info: ConnectionInfo = None  # type: ignore[assignment] # until `open`

    # What the socket has to say

    def open(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        """Take over a socket that does not block."""
        self._socket = accepted
        local_host, local_port = accepted.getsockname()[:2]
        self.info = ConnectionInfo(
            connection_id=self.connection_id,
            listener_name=self._listener_name,
            peer_host=peer[0],
            peer_port=peer[1],
            local_host=local_host,
            local_port=local_port,
            close=self.close,
        )
        add_receiver(self._loop, accepted, self.receive)
        logger.debug("connection %s opened", self)

    def receive(self) -> None:
        """Handle every request that is complete now, and send what they were answered together."""
        splitter = self._splitter
        try:
            count = self._socket.recv_into(splitter.room())
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if not count:
            self._hung_up()
            return
        self._received_s = self._now_s()
        whole = splitter.whole(count)
        try:
            for frame in splitter.frames(count) if whole is None else (whole,):
                if self._parked or self._sending or self._backlog or self._closing:
                    self._keep(frame)
                else:
                    self._handle(frame)
        except FrameTooLargeError as error:
            self.close(f"{error} (socket.request.max.bytes){_what_it_may_be(self._buffers.shared)}")
        if self._outgoing:
            self._flush()

    def _hung_up(self) -> None:
        """The client will send no more: what is under way for it is of no use, what is on its way may still arrive."""
        self._closing = True
        self._abandon_parked()
        if self._sending is None:
            self._end()
        else:
            self._pause_reading()

    def _end(self, error: OSError | None = None) -> None:
        """Have no more to do with the socket; in the next turn of the loop nobody knows of this connection."""
        self._closing = True
        if self._ended:
            return
        self._ended = True
        if not self._reading_paused:
            self._loop.remove_reader(self._socket)
        if self._sending is not None:
            self._sending.abandon()
            self._sending = None
        self._loop.call_soon(self._forget, error)

    def _forget(self, error: OSError | None) -> None:
        self._socket.close()
        # A connection is part of cycles: what it holds would wait for the garbage collector.
        self._splitter.drop()
        self._backlog.clear()
        self._outgoing = []
        self._abandon_parked()
        logger.debug("connection %s closed%s", self, f": {error}" if error else "")
        self._on_lost(self)

    def _abandon_parked(self) -> None:
        parked, self._parked = self._parked, None
        self._parked_exchange = None
        if parked is not None:
            parked.abandon()

    # Requests

    def _keep(self, frame: memoryview) -> None:
        """Keep a copy of a request until the one before it is answered."""
        if self._closing:
            return
        self._backlog.append(memoryview(bytearray(frame)))
        self._backlog_bytes += len(frame)
        if len(self._backlog) >= _BACKLOG_FRAMES or self._backlog_bytes >= _BACKLOG_BYTES:
            self._pause_reading()

    def _handle(self, frame: memoryview) -> None:
        try:
            repeated = self._dispatcher.answer_repeated(frame, self.info)
            if repeated is not None:
                self._outgoing.append(repeated)
                self._outgoing_bytes += len(repeated)
                return
            exchange = self._dispatcher.dispatch(frame, self.info)
            answer = exchange.answer
            if isinstance(answer, Deferred):
                self._park(exchange, answer)
            elif answer is not None:
                self._send(exchange, answer)
        except ProtocolError as error:
            self.close(str(error))
        except Exception:  # the one door for bugs: they end this connection, not the broker
            logger.exception("a request %s failed within the broker; the connection is closed", self)
            self._end()

    def _park(self, exchange: Exchange, deferred: Deferred[Any]) -> None:
        if deferred.response is not None:
            self._send(exchange, deferred.response)
            return
        self._parked = deferred
        self._parked_exchange = exchange
        deferred.when_complete(self._answer_parked, self._send_parked)

    def _answer_parked(self, response: Message) -> None:
        """Send a response that came late."""
        try:
            self._send(self._take_parked(), response)
        except ProtocolError as error:
            self.close(str(error))
        self._go_on()

    def _send_parked(self, body: bytes) -> None:
        """The same of one that comes encoded."""
        frame = response_frame(self._take_parked(), body)
        self._outgoing.append(frame)
        self._outgoing_bytes += len(frame)
        self._go_on()

    def _take_parked(self) -> Exchange:
        exchange = self._parked_exchange
        assert exchange is not None
        self._parked = self._parked_exchange = None
        return exchange

    def _go_on(self) -> None:
        """Send; what waits behind it is handled in a later turn of the loop.

        This call may come from the middle of another connection's request.
        """
        self._flush()
        if self._backlog or self._reading_paused:
            self._loop.call_soon(self._drain_backlog)

    def _drain_backlog(self) -> None:
        while self._backlog and self._parked is None and self._sending is None and not self._closing:
            frame = self._backlog.popleft()
            self._backlog_bytes -= len(frame)
            self._handle(frame)
        self._flush()
        if not self._backlog and self._sending is None:
            self._resume_reading()

    def _send(self, exchange: Exchange, response: Message) -> None:
        """Queue a response; small ones leave together, large ones at once so that back-pressure is felt at once."""
        parts, size_bytes = response_parts(exchange, response)
        self._outgoing += parts
        self._outgoing_bytes += size_bytes
        if self._outgoing_bytes >= DIRECT_FROM_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Send everything that was answered: a little in one call, much as the client takes it."""
        parts = self._outgoing
        if not parts or self._sending is not None or self._ended:
            return
        size_bytes = self._outgoing_bytes
        self._outgoing = []
        self._outgoing_bytes = 0
        if size_bytes < DIRECT_FROM_BYTES:
            data = b"".join(parts)  # type: ignore[arg-type] # what lies in a file is never little
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._end(error)
                return
            if sent == size_bytes:
                return
            parts = [memoryview(data)[sent:]]
        self._sending = DirectSend(self._socket, parts, self._loop, self._sent, self._sending_failed)
        self._sending.go_on()

    def _sent(self) -> None:
        self._sending = None
        self._received_s = self._now_s()
        self._flush()
        if self._sending is not None:
            return
        if self._closing:
            self._end()
        elif self._backlog or self._reading_paused:
            self._loop.call_soon(self._drain_backlog)

    def _sending_failed(self, error: OSError) -> None:
        self._sending = None
        level = logging.DEBUG if isinstance(error, ConnectionError) else logging.WARNING
        logger.log(level, "the connection %s ends: a response could not be sent: %s", self, error)
        self._end(error)

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self._ended:
            self._reading_paused = True
            self._loop.remove_reader(self._socket)

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            add_receiver(self._loop, self._socket, self.receive)

    # Ends

    @property
    def last_active_s(self) -> float:
        """When the client last sent or took something, on the loop's clock."""
        return self._received_s if self._sending is None else max(self._received_s, self._sending.last_active_s)

    @property
    def is_parked(self) -> bool:
        """Whether a request of this connection waits for its answer."""
        return self._parked is not None

    @property
    def waiting_request(self) -> RequestContext | None:
        """The request that waits for its answer, if one does."""
        return None if self._parked_exchange is None else self._parked_exchange.context

    @property
    def descriptor(self) -> int:
        """Of its socket; -1 while there is none, or no more."""
        return -1 if self._socket is None else self._socket.fileno()

    def close_idle(self) -> None:
        """End the connection of a client that neither asks nor reads."""
        if self._sending is not None:
            logger.info("closing the connection %s: it read nothing for connections.max.idle.ms", self)
            self.abort()
        else:
            self.close("it was idle for connections.max.idle.ms")

    def close(self, reason: str, level: int = logging.INFO) -> None:
        """End the connection after what is already answered has been sent; the reason goes into the log."""
        if self._closing:
            return
        self._closing = True
        logger.log(level, "closing the connection %s: %s", self, reason)
        self._flush()
        if self._sending is None:  # else when everything is sent
            self._end()

    def abort(self) -> None:
        """End the connection at once, as at the broker's stop."""
        self._end()

    def __str__(self) -> str:
        info = self.info
        client = "" if info.client_id is None else f" (client {info.client_id})"
        return f"from {info.peer_host}:{info.peer_port}{client}"


def _what_it_may_be(received: memoryview) -> str:
    """A hint for people who point something else at the port."""
    start = bytes(received[:8])
    if start.startswith((b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ")):
        return "; it looks like HTTP"
    if start.startswith(b"\x16\x03"):
        return "; it looks like TLS, which this listener does not speak"
    return ""
