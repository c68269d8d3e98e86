"""One connection to a broker, for the small programs of the image: asks, and waits for the answer."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...protocol.compiler import decode, decode_with_end, encode
from ...protocol.headers import RequestHeader, ResponseHeader, request_header_version, response_header_version

if TYPE_CHECKING:
    from typing import Self

    from ...protocol.schema import Message

R = TypeVar("R", bound="Message")

_CORRELATION_ID: Final = 1
_RESPONSE_BYTES_MAX: Final = 64 << 20


class Client:
    """Connected from the start. Raises OSError, and ValueError where what listens does not speak Kafka's protocol."""

    def __init__(self, host: str, port: int, client_id: str, timeout_s: float) -> None:
        self._client_id = client_id
        self._socket = socket.create_connection((host, port), timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: Any, response: type[R], version: int) -> R:
        """The answer to a request, a message of the protocol."""
        header = RequestHeader(
            request_api_key=request.api_key,
            request_api_version=version,
            correlation_id=_CORRELATION_ID,
            client_id=self._client_id,
        )
        frame = encode(header, request_header_version(type(request), version)) + encode(request, version)
        self._socket.sendall(struct.pack(">i", len(frame)) + frame)
        answer = memoryview(self._answer())
        _, end = decode_with_end(ResponseHeader, answer, response_header_version(type(request), version))
        return decode(response, answer, version, end)

    def _answer(self) -> bytes:
        """A frame without its length, which begins with the correlation id."""
        size = struct.unpack(">i", self._read(4))[0]
        if not 4 <= size <= _RESPONSE_BYTES_MAX:
            raise ValueError("what listens there does not speak Kafka's protocol")
        frame = self._read(4)
        if frame != struct.pack(">i", _CORRELATION_ID):
            raise ValueError("what listens there does not speak Kafka's protocol")
        return frame + self._read(size - 4)

    def _read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            part = self._socket.recv(size - len(found))
            if not part:
                raise ConnectionError("the connection was closed")
            found += part
        return bytes(found)
