"""What answers requests that repeat an earlier one in all but a part, without reading them again.

A client asks the same time after time: only the correlation id differs, and a batch or an offset. What was understood
once is kept by the bytes around that part, of any connection; the answer is kept too, as bytes with a place for what
changes in it. Who answers so must say and do exactly what the handler would, and leave to it whatever is not certain.
Kept is only what was written as our own encoder writes it: then it is known where the part begins.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from ...protocol.compiler import encode
from ...protocol.headers import response_header_version

if TYPE_CHECKING:
    from ...protocol.schema import Message
    from ..request import ConnectionInfo, RequestContext

K = TypeVar("K")

LENGTH: Final = struct.Struct(">i")
read_head: Final = struct.Struct(">ii").unpack_from
"""The API's key and the version as one number, and the correlation id."""

HEAD_BYTES: Final = 8
"""The API's key, the version and the correlation id, which stand before all that is compared."""

KNOWN_MAX: Final = 8192
"""How many requests of an API are known at most; then all are forgotten, and learned again when they come."""
KNOWN_BYTES_MAX: Final = 1024
"""How long a request may be, without the part that varies, to be kept."""


class Repeated(Protocol):
    """Answers repeated requests of one API."""

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Do what a request asks and return the frame of the answer; None: nothing was done, it must be read.

        `frame` has at least `HEAD_BYTES` and is of the API. Raises ProtocolError when it cannot be read.
        """
        ...

    def learn(self, frame: memoryview, body_at: int, request: Any, context: RequestContext) -> None:
        """Know this request, whose body begins at `body_at`, when it comes again; if it may be answered so."""
        ...


def keep(known: dict[bytes, K], key: bytes, value: K) -> None:
    """Keep what was learned, within bounds."""
    if len(known) >= KNOWN_MAX:
        known.clear()
    known[key] = value


def behind_correlation_id(request: type[Message], response: Message, version: int) -> bytes:
    """What stands in the frame of an answer behind the correlation id."""
    header_tags = b"\0" if response_header_version(request, version) == 1 else b""
    return header_tags + encode(response, version)


class FixedAnswer:
    """The frame of an answer in which nothing varies but the correlation id."""

    __slots__ = ("_size", "_struct", "_tail")

    def __init__(self, request: type[Message], response: Message, version: int) -> None:
        self._tail = behind_correlation_id(request, response, version)
        self._struct = struct.Struct(f">ii{len(self._tail)}s")
        self._size = self._struct.size - LENGTH.size

    def frame(self, correlation_id: int) -> bytes:
        """The whole answer to one request."""
        return self._struct.pack(self._size, correlation_id, self._tail)


def head_of(context: RequestContext) -> int:
    """The API's key and the version as `read_head` reads them."""
    return context.api_key << 16 | context.api_version
