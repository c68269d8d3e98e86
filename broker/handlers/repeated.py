"""What answers requests that repeat an earlier one in all but a part, without reading them again.

A client asks the same time after time: only the correlation id differs, and a batch or an offset. What was understood
once is kept by the bytes around that part, of any connection; the answer is kept too, as bytes with a place for what
changes in it. Who answers so must say and do exactly what the handler would, and leave to it whatever is not certain.
Kept is only what was written as our own encoder writes it: then it is known where the part begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from ..request import ConnectionInfo, RequestContext

K = TypeVar("K")

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
