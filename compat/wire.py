"""A client of bytes: whatever a case wants is sent, and what comes back is decoded by version."""

from __future__ import annotations

import importlib
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from ottla.protocol.compiler import decode, decode_with_end, encode
from ottla.protocol.errors import ProtocolError
from ottla.protocol.headers import RequestHeader, ResponseHeader
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

if TYPE_CHECKING:
    from ottla.protocol.schema import Message

TIMEOUT_S = 10
CLIENT_ID = "client"


class Closed(Exception):
    """The broker closed the connection instead of answering."""


class Unreadable(Exception):
    """The answer is not what its version says; the message shows the bytes."""


class Frame(NamedTuple):
    """A request as bytes, with what its answer is read as."""

    api_key: int
    api_version: int
    body: bytes
    flexible: bool
    answer: type[Message] | None
    answer_version: int


def response_of(request: type[Message]) -> type[Message]:
    """The response class beside a request class, by Kafka's naming."""
    module = importlib.import_module(request.__module__)
    found: type[Message] = getattr(module, request.__name__.removesuffix("Request") + "Response")
    return found


def frame_of(request: Message, version: int) -> Frame:
    """The request in that version. Raises ProtocolError where the version cannot carry what is set."""
    kind = type(request)
    return Frame(kind.api_key, version, encode(request, version), version in kind.flexible, response_of(kind), version)


class Connection:
    """One connection; it opens with its first request, and anew when the broker has closed it."""

    def __init__(self, bootstrap_servers: str, client_id: str | None = CLIENT_ID) -> None:
        host, _, port = bootstrap_servers.rpartition(":")
        self._address = (host.strip("[]"), int(port))
        self._client_id = client_id
        self._socket: socket.socket | None = None
        self._correlation_id = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, request: Message, version: int) -> Message:
        """Send a request and wait for its answer. Raises Closed, Unreadable, TimeoutError."""
        return self.exchange(frame_of(request, version))

    def exchange(self, frame: Frame) -> Message:
        self.send(frame)
        return self.receive(frame)

    def send(self, frame: Frame) -> None:
        """Send without waiting: for what is not answered, or answered later."""
        self._correlation_id += 1
        header = RequestHeader(
            request_api_key=frame.api_key,
            request_api_version=frame.api_version,
            correlation_id=self._correlation_id,
            client_id=self._client_id,
        )
        data = encode(header, 2 if frame.flexible else 1) + frame.body
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, TIMEOUT_S)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(struct.pack(">i", len(data)) + data)
        except ConnectionError as error:
            self.close()
            raise Closed from error

    def receive(self, frame: Frame) -> Message:
        """The next answer, read as `frame` says."""
        try:
            size = struct.unpack(">i", self._read(4))[0]
            data = self._read(size)
        except ConnectionError as error:
            self.close()
            raise Closed from error
        assert frame.answer is not None, "nothing says how to read this answer"
        try:
            header_version = _answer_header_version(frame)
            header, position = decode_with_end(ResponseHeader, data, header_version)
            answer = decode(frame.answer, data, frame.answer_version, position)
        except ProtocolError as error:
            raise Unreadable(f"{error}: {data.hex()}") from error
        if header.correlation_id != self._correlation_id:
            raise Unreadable(f"correlation id {header.correlation_id} answers {self._correlation_id}")
        return answer

    def _read(self, size: int) -> bytes:
        assert self._socket is not None
        data = bytearray()
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionResetError
            data += piece
        return bytes(data)


def _answer_header_version(frame: Frame) -> int:
    if frame.api_key == ApiVersionsRequest.api_key:
        return 0
    return 1 if frame.flexible else 0


def advertised_versions(bootstrap_servers: str) -> dict[int, tuple[int, int]]:
    """What ApiVersions tells: {api key: (lowest, highest)}."""
    with Connection(bootstrap_servers) as connection:
        answer = connection.ask(ApiVersionsRequest(), 0)
    assert isinstance(answer, ApiVersionsResponse)
    return {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
