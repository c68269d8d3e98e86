"""Sends what a socket does not take at once: bytes in memory without a copy, and files without reading them.

Handing a megabyte of a file to the socket takes 0.1 ms of CPU, where joining and copying it took 1.3. What waits for a
client that does not read costs no memory either then: it stays in its file.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from ..storage.file_records import FileRecords

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from ..protocol.primitives import Buffer

DIRECT_FROM_BYTES: Final = 64 * 1024

# What one turn of the loop sends at most for one client, so that a long response does not keep others waiting.
_TURN_BYTES: Final = 2 * 1024 * 1024
_CALL_BYTES: Final = 1024 * 1024
_MORE_FOLLOWS: Final = getattr(socket, "MSG_MORE", 0)  # Linux: no packet of its own for a head


class DirectSend:
    """One response on its way. It ends by calling `on_done`, by calling `on_lost`, or with `abandon`."""

    def __init__(
        self,
        destination: socket.socket,
        parts: list[Buffer | FileRecords],
        loop: asyncio.AbstractEventLoop,
        on_done: Callable[[], None],
        on_lost: Callable[[OSError], None],
    ) -> None:
        """`destination` does not block; nobody else writes to it meanwhile."""
        self._socket = destination
        # The next part is last, so that a part that is sent is dropped at once.
        self._parts = [*_joined(parts)][::-1]
        self._sent_of_part = 0
        self._loop = loop
        self._on_done = on_done
        self._on_lost = on_lost
        self._is_waiting = False
        self.last_active_s = loop.time()
        """When the client last took something, or at least was ready to."""

    def go_on(self) -> None:
        """Send what the socket takes, and see that the rest follows."""
        if not self._parts:  # abandoned between two turns
            return
        self.last_active_s = self._loop.time()
        left = _TURN_BYTES
        try:
            while self._parts and left > 0:
                left -= self._send_some()
        except (BlockingIOError, InterruptedError):
            self._wait()
            return
        except OSError as error:
            self._fail(error)
            return
        if self._parts:
            self._loop.call_soon(self.go_on)
        else:
            self.abandon()
            self._on_done()

    def abandon(self) -> None:
        """Send no more."""
        self._parts = []
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self._socket)

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._loop.add_writer(self._socket, self.go_on)

    def _fail(self, error: OSError) -> None:
        part = self._parts[-1]
        self.abandon()
        if isinstance(part, FileRecords) and not isinstance(error, ConnectionError | TimeoutError):
            part.failed(error)
        self._on_lost(error)

    def _send_some(self) -> int:
        """One call for what comes next; how many bytes went."""
        part = self._parts[-1]
        if isinstance(part, FileRecords):
            sent = part.send_to(self._socket.fileno(), self._sent_of_part, _CALL_BYTES)
        else:
            flags = _MORE_FOLLOWS if len(self._parts) > 1 else 0
            sent = self._socket.send(memoryview(part)[self._sent_of_part :], flags)
        self._sent_of_part += sent
        if self._sent_of_part == len(part):
            self._parts.pop()
            self._sent_of_part = 0
        return sent


def _joined(parts: list[Buffer | FileRecords]) -> Iterator[Buffer | FileRecords]:
    """The same bytes, with the small pieces between two large ones in one."""
    small: list[Buffer] = []
    for part in parts:
        if not isinstance(part, FileRecords) and len(part) < DIRECT_FROM_BYTES:
            small.append(part)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield part
    if small:
        yield b"".join(small)
