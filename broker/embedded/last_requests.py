"""The newest requests of clients, for people who look at a test that failed. Belongs to the broker's loop."""

from __future__ import annotations

import struct
from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ..api_table import APIS
from .faults.names import api_name

if TYPE_CHECKING:
    from ..request import ConnectionInfo

_KEPT: Final = 100
_SHOWN: Final = 10
_KEY_AND_VERSION: Final = struct.Struct(">hh")


class LastRequests:
    """What was asked, as it came: those that could not be read are there too, if they were long enough."""

    def __init__(self) -> None:
        self._requests: deque[tuple[bytes, ConnectionInfo]] = deque(maxlen=_KEPT)

    def note(self, frame: memoryview, connection: ConnectionInfo) -> None:
        """A client asks; costs next to nothing, since every request comes by here."""
        self._requests.append((bytes(frame[: _KEY_AND_VERSION.size]), connection))

    def clear(self) -> None:
        """Forget them."""
        self._requests.clear()

    def lines(self) -> list[str]:
        """The newest, oldest first; what a client repeats is one line."""
        texts = [_text(head, connection) for head, connection in self._requests if len(head) == _KEY_AND_VERSION.size]
        runs = [(text, len(list(same))) for text, same in groupby(texts)]
        return [text if count == 1 else f"{text}, {count} times" for text, count in runs[-_SHOWN:]]


def _text(head: bytes, connection: ConnectionInfo) -> str:
    key, version = _KEY_AND_VERSION.unpack(head)
    name = api_name(key) if key in APIS else f"API {key}"
    return f"{name} {version} of {connection.client_id}"
