"""The loop that a broker runs on, and how a connection's socket is watched on whatever loop it runs.

On Linux it is asyncio's own with a shorter way from the poll to `Connection.receive` (`epoll_loop`); elsewhere it is
asyncio's as it is. A broker runs on any other loop as well, uvloop's for one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop that nothing runs on yet."""
    if sys.platform == "linux":
        from .epoll_loop import EpollLoop

        return EpollLoop()
    return asyncio.new_event_loop()


def add_receiver(loop: asyncio.AbstractEventLoop, accepted: socket.socket, receive: Callable[[], None]) -> None:
    """As `loop.add_reader`, the shorter way where there is one; `loop.remove_reader` ends it.

    `receive` may be called from within the poll, so whatever it does to the loop holds from the next turn on.
    """
    add: Callable[[socket.socket, Callable[[], None]], None] = getattr(loop, "add_receiver", loop.add_reader)
    add(accepted, receive)
