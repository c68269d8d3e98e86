"""asyncio's loop on Linux, with a shorter way from the poll to those who receive from sockets.

asyncio makes a list of what is ready, queues a handle for each of it, runs the queue, looks at its timers, asks the
clock twice and polls again. Here the poll itself calls the receivers, and polls again until asyncio has something to
do: a callback, a timer that was set or is due, or a descriptor without a receiver. That leaves 0.84 of the broker CPU
of a heartbeat that wakes the broker, and 0.80 of a commit's.

For asyncio nothing changes but that its `select` takes longer: what it is given to run, it runs in the order in which
it was given, and no timer is later for it. Descriptors without a receiver, writers and signals go the usual way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import selectors
import time
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

if TYPE_CHECKING:
    import contextvars
    import socket
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_Ts = TypeVarTuple("_Ts")

_POLLED_AT_ONCE_MAX: Final = 256
_READABLE: Final = select.EPOLLIN
_LONGEST_WAIT_S: Final = 3600.0
_now_s: Final = time.monotonic


class EpollLoop(asyncio.SelectorEventLoop):
    """An event loop as every other, and `add_receiver`."""

    time = staticmethod(_now_s)
    """As asyncio's, without a function in Python around it: it is asked for every request."""

    def __init__(self) -> None:
        self._receiving = _ReceivingSelector()
        super().__init__(self._receiving)

    def add_receiver(self, accepted: socket.socket, receive: Callable[[], None]) -> None:
        """As `add_reader`, but for when `receive` is called: in the poll, not after it."""
        self.add_reader(accepted, receive)
        self._receiving.receivers[accepted.fileno()] = receive

    def remove_reader(self, fd: Any) -> bool:
        """As asyncio's, of a receiver too; `fd` is a descriptor, or has a `fileno`."""
        self._receiving.receivers.pop(fd if isinstance(fd, int) else fd.fileno(), None)
        return super().remove_reader(fd)

    # What asyncio wants to do next: the poll ends for it. From other threads it wakes the poll by a descriptor.

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's."""
        self._receiving.loop_has_work = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's."""
        self._receiving.loop_has_work = True
        return super().call_at(when, callback, *args, context=context)

    def stop(self) -> None:
        """As asyncio's."""
        self._receiving.loop_has_work = True
        super().stop()


class _ReceivingSelector(selectors.EpollSelector):
    """A selector that answers only when there is something for asyncio."""

    def __init__(self) -> None:
        super().__init__()
        self.receivers: dict[int, Callable[[], None]] = {}
        self.loop_has_work = False
        # The same epoll by a descriptor of its own, since each of the two objects closes the one that it has.
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))

    def close(self) -> None:
        """Give up both descriptors."""
        self._epoll.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready of what has no receiver; nothing when time is up or asyncio has other work.

        `timeout` is in seconds: None for no limit, 0 or less for one look.
        """
        left_s = _LONGEST_WAIT_S if timeout is None else max(timeout, 0)
        until_s = _now_s() + left_s
        self.loop_has_work = False
        while True:
            others = self._poll(left_s)
            left_s = until_s - _now_s()
            if others or self.loop_has_work or left_s <= 0:
                return others

    def _poll(self, wait_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        has_others = False
        for descriptor, event in self._epoll.poll(wait_s, _POLLED_AT_ONCE_MAX):
            receive = self.receivers.get(descriptor) if event == _READABLE else None
            if receive is None:
                has_others = True
                continue
            try:
                receive()
            except Exception:  # as asyncio has it: a callback that fails ends nothing but itself
                logger.exception("%r failed", receive)
        # The poll tells of what is ready as long as it is: nothing is lost, and what was given up is left out.
        return super().select(0) if has_others else []
