"""The container's health check: whether the broker answers ApiVersions on its first listener. Exit status 0 or 1."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from ...protocol.compiler import decode, encode
from ...protocol.errors import ErrorCode
from ...protocol.headers import RequestHeader
from ...protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ..config import ConfigError, load_config
from .paths import FINAL_PROPERTIES

if TYPE_CHECKING:
    from ..config.listeners import Listener

_TIMEOUT_S: Final = 5
_VERSION: Final = 0
_HEADER_VERSION: Final = 1
_RESPONSE_BYTES_MAX: Final = 1 << 20
_ANY_ADDRESS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is bound, not bound to


def main() -> int:
    """Ask, and say what is wrong if something is."""
    try:
        answer = ask(load_config(FINAL_PROPERTIES).listeners[0])
    except (ConfigError, OSError, ValueError) as error:
        print(f"the broker does not answer: {error}", file=sys.stderr)  # noqa: T201 - docker inspect shows it
        return 1
    return 0 if answer.error_code == ErrorCode.NONE else 1


def ask(listener: Listener) -> ApiVersionsResponse:
    """The answer to ApiVersions. Raises OSError, and ValueError for an answer that is none."""
    host = _ANY_ADDRESS.get(listener.host, listener.host)
    header = RequestHeader(
        request_api_key=ApiVersionsRequest.api_key,
        request_api_version=_VERSION,
        correlation_id=1,
        client_id="ottla-health",
    )
    frame = encode(header, _HEADER_VERSION) + encode(ApiVersionsRequest(), _VERSION)
    with socket.create_connection((host, listener.port), _TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        size, correlation_id = struct.unpack(">ii", _read(connection, 8))
        if correlation_id != 1 or not 4 <= size <= _RESPONSE_BYTES_MAX:
            raise ValueError("what listens there does not speak Kafka's protocol")
        return decode(ApiVersionsResponse, memoryview(_read(connection, size - 4)), _VERSION)


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionError("the connection was closed")
        found += part
    return found


if __name__ == "__main__":
    sys.exit(main())
