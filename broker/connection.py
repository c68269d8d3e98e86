"""One client's connection: bytes in, requests handled one after the other, responses out in the same order.

As in Kafka, a connection has at most one request under way. While one is parked, what arrives behind it waits in
a small backlog; when that is full, or the client does not read its responses, the connection is not read from.
So a connection never holds more than one response, the transport's limit and its backlog.

All connections receive into one shared buffer, since each chunk is handled before the next is received; only a
large frame that has begun gets a buffer of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from ..protocol.errors import ProtocolError
from ..protocol.frames import FrameSplitter, FrameTooLargeError
from .direct_send import DIRECT_FROM_BYTES, DirectSend
from .dispatch import response_parts
from .request import ConnectionInfo, Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.primitives import Buffer
    from ..protocol.schema import Message
    from ..storage.file_records import FileRecords
    from .dispatch import Dispatcher, Exchange
    from .request import RequestContext

logger = logging.getLogger(__name__)

_WRITE_BUFFER_BYTES = 1024 * 1024
_BACKLOG_FRAMES = 64
_BACKLOG_BYTES = 1024 * 1024
_TAIL_FROM_BYTES = 64 * 1024


class Connection(asyncio.BufferedProtocol):
    """The shell between a transport and the dispatcher."""

    def __init__(
        self,
        *,
        connection_id: int,
        listener_name: str,
        dispatcher: Dispatcher,
        receive_buffer: memoryview,
        frame_bytes_max: int,
        on_lost: Callable[[Connection], None],
    ) -> None:
        self.connection_id = connection_id
        self._listener_name = listener_name
        self._dispatcher = dispatcher
        self._receive_buffer = receive_buffer
        self._splitter = FrameSplitter(frame_bytes_max)
        self._on_lost = on_lost
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._receiving_into_tail = False
        self._parked: Deferred[Any] | None = None
        self._parked_request: RequestContext | None = None
        self._backlog: deque[memoryview] = deque()
        self._backlog_bytes = 0
        self._writing_paused = False
        self._reading_paused = False
        self._closing = False
        self._outgoing: list[Buffer | FileRecords] = []
        self._outgoing_bytes = 0
        self._sending: DirectSend | None = None
        self._received_s = self._loop.time()
        self.info: ConnectionInfo = None  # type: ignore[assignment] # until the connection is made

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn both ends' addresses."""
        # uvloop's transports are not asyncio's by class, only by what they do.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        peer = transport.get_extra_info("peername") or ("unknown", 0)
        local = transport.get_extra_info("sockname") or ("unknown", 0)
        self.info = ConnectionInfo(
            connection_id=self.connection_id,
            listener_name=self._listener_name,
            peer_host=peer[0],
            peer_port=peer[1],
            local_host=local[0],
            local_port=local[1],
            close=self.close,
        )
        logger.debug("connection %s opened", self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: the shared buffer, or the rest of a large frame."""
        self._receiving_into_tail = self._splitter.missing_bytes >= _TAIL_FROM_BYTES
        return self._splitter.tail() if self._receiving_into_tail else self._receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Handle every request that is complete now, and send what they were answered together."""
        self._received_s = self._loop.time()
        try:
            if self._receiving_into_tail:
                frame = self._splitter.filled(nbytes)
                if frame is not None:
                    self._take(frame)
            else:
                for frame in self._splitter.frames(self._receive_buffer[:nbytes]):
                    self._take(frame)
        except FrameTooLargeError as error:
            self.close(f"{error} (socket.request.max.bytes){_what_it_may_be(self._receive_buffer)}")
        self._flush()

    def eof_received(self) -> bool:
        """The client will send no more; what is under way for it is of no use."""
        return False

    def pause_writing(self) -> None:
        """The client reads slower than it asks: ask nothing more of it until it has caught up."""
        self._writing_paused = True
        self._pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writing_paused = False
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._flush()
        if self._closing and self._sending is None:
            # Not now: the transport is in the middle of its own work when it calls.
            self._loop.call_soon(self._transport.close)
        self._loop.call_soon(self._drain_backlog)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was parked."""
        self._closing = True
        self._backlog.clear()
        if self._sending is not None:
            self._sending.abandon()
            self._sending = None
        parked, self._parked = self._parked, None
        if parked is not None:
            parked.abandon()
        logger.debug("connection %s closed%s", self, f": {exc}" if exc else "")
        self._on_lost(self)

    # Requests

    def _take(self, frame: memoryview) -> None:
        """Handle a request now, or keep a copy until the one before it is answered."""
        if self._closing:
            return
        if self._parked is None and not self._writing_paused and not self._backlog:
            self._handle(frame)
            return
        self._backlog.append(memoryview(bytearray(frame)))
        self._backlog_bytes += len(frame)
        if len(self._backlog) >= _BACKLOG_FRAMES or self._backlog_bytes >= _BACKLOG_BYTES:
            self._pause_reading()

    def _handle(self, frame: memoryview) -> None:
        try:
            exchange = self._dispatcher.dispatch(frame, self.info)
            answer = exchange.answer
            if isinstance(answer, Deferred):
                self._park(exchange, answer)
            elif answer is not None:
                self._send(exchange, answer)
        except ProtocolError as error:
            self.close(str(error))
        except Exception:  # the one door for bugs: they end this connection, not the broker
            logger.exception("a request from %s failed within the broker; the connection is closed", self)
            self._closing = True
            self._transport.abort()

    def _park(self, exchange: Exchange, deferred: Deferred[Any]) -> None:
        if deferred.response is not None:
            self._send(exchange, deferred.response)
            return
        self._parked = deferred
        self._parked_request = exchange.context
        deferred.when_complete(lambda response: self._answer_parked(exchange, response))

    def _answer_parked(self, exchange: Exchange, response: Message) -> None:
        """Send a response that came late.

        What waits behind it is handled in a later turn of the loop: this call may come from the middle of
        another connection's request.
        """
        self._parked = None
        try:
            self._send(exchange, response)
        except ProtocolError as error:
            self.close(str(error))
        self._flush()
        if self._backlog or self._reading_paused:
            self._loop.call_soon(self._drain_backlog)

    def _drain_backlog(self) -> None:
        while self._backlog and self._parked is None and not self._writing_paused and not self._closing:
            frame = self._backlog.popleft()
            self._backlog_bytes -= len(frame)
            self._handle(frame)
        self._flush()
        if not self._backlog and not self._writing_paused:
            self._resume_reading()

    def _send(self, exchange: Exchange, response: Message) -> None:
        """Queue a response; small ones leave together, large ones at once so that back-pressure is felt at once."""
        parts, size_bytes = response_parts(exchange, response)
        self._outgoing += parts
        self._outgoing_bytes += size_bytes
        if self._outgoing_bytes >= DIRECT_FROM_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Send everything that was answered: a little through the transport in one call, much directly."""
        outgoing = self._outgoing
        if not outgoing or self._writing_paused:
            return
        if self._outgoing_bytes >= DIRECT_FROM_BYTES and self._transport.get_write_buffer_size():
            # It must leave before. This pauses writing until it has; `resume_writing` comes back here.
            self._transport.set_write_buffer_limits(high=0)
            return
        is_large = self._outgoing_bytes >= DIRECT_FROM_BYTES
        self._outgoing = []
        self._outgoing_bytes = 0
        if self._transport.is_closing():
            return
        if is_large:
            self._send_directly(outgoing)
        else:
            self._transport.writelines(outgoing)  # type: ignore[arg-type] # what lies in a file is never little

    def _send_directly(self, parts: list[Buffer | FileRecords]) -> None:
        try:
            self._sending = DirectSend(self.descriptor, parts, self._loop, self._sent_directly, self._sending_failed)
        except OSError as error:
            self._sending_failed(error)
            return
        self._writing_paused = True
        self._sending.go_on()

    def _sent_directly(self) -> None:
        self._sending = None
        self._writing_paused = False
        self._received_s = self._loop.time()
        if self._closing:
            self._transport.close()
        elif self._backlog or self._reading_paused:
            self._loop.call_soon(self._drain_backlog)

    def _sending_failed(self, error: OSError) -> None:
        self._sending = None
        level = logging.DEBUG if isinstance(error, ConnectionError) else logging.WARNING
        logger.log(level, "the connection %s ends: a response could not be sent: %s", self, error)
        self.abort()

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

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
        return None if self._parked is None else self._parked_request

    @property
    def descriptor(self) -> int:
        """Of its socket; -1 while there is none, or no more."""
        socket = None if self._transport is None else self._transport.get_extra_info("socket")
        return -1 if socket is None else int(socket.fileno())

    def close_idle(self) -> None:
        """End the connection of a client that neither asks nor reads."""
        if self._writing_paused:
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
        if not self._writing_paused:  # else when everything is sent
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once, as at the broker's stop."""
        self._closing = True
        self._transport.abort()

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
