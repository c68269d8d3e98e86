"""The broker of `ottla serve`, with what a process needs that has it inside: a wake-up for those who watch it.

Whatever changes in a broker changes in a request, in something that was due, or in what a disk thread brings back.
After each of these the watchers are told. While nobody watches, that costs one comparison.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from .. import app
from ..dispatch import Dispatcher
from ..runtime.disk_threads import DiskThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from concurrent.futures import Future

    from ...storage.files import Files
    from ..api_table import Api
    from ..clock import Clock
    from ..config import BrokerConfig
    from ..connection import Connection
    from ..dispatch import Exchange
    from ..request import ConnectionInfo
    from ..runtime.log_directories import LogDirectories
    from ..services import Services
    from .moving_clock import MovingClock

# What is due may make other things due at once; what goes on like that for ever is left to the loop.
_ROUNDS_MAX: Final = 1000


class ChangeSignal:
    """Threads wait here until something may have changed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._watchers = 0
        self._changes = 0

    def tell(self) -> None:
        """Something may have changed."""
        if self._watchers:
            with self._condition:
                self._changes += 1
                self._condition.notify_all()

    def watch(self, longest_s: float) -> Generator[None, None, None]:
        """Yield at once, and then after each change, but not less often than every `longest_s`."""
        with self._condition:
            self._watchers += 1
        try:
            while True:
                seen = self._changes
                yield
                with self._condition:
                    if self._changes == seen:
                        self._condition.wait(longest_s)
        finally:
            with self._condition:
                self._watchers -= 1


class ObservedBroker(app.Broker):
    """A broker that tells when something may have changed."""

    def __init__(self, config: BrokerConfig, clock: Clock, files: Files) -> None:
        super().__init__(config, clock, files)
        self.changes = ChangeSignal()
        self.dispatcher: Dispatcher | None = None

    def _new_dispatcher(self, apis: Mapping[int, Api], services: Services) -> Dispatcher:
        self.dispatcher = _ObservedDispatcher(apis, services, self._commits)
        self.dispatcher.tell = self.changes.tell
        return self.dispatcher

    def _new_disk_threads(self, count: int, name: str) -> DiskThreads:
        threads = _ObservedThreads(asyncio.get_running_loop(), count, name)
        threads.tell = self.changes.tell
        return threads

    def _run_due(self) -> None:
        super()._run_due()
        self.changes.tell()

    @property
    def services(self) -> Services:
        """The parts of a broker that has started."""
        assert self._services is not None
        return self._services

    @property
    def directories(self) -> LogDirectories:
        """The log directories of a broker that has started."""
        assert self._directories is not None
        return self._directories

    @property
    def connections(self) -> list[Connection]:
        """Every open connection."""
        return [] if self._server is None else self._server.connections

    def move_clock(self, clock: MovingClock, elapsed_ms: int) -> None:
        """Let time pass, and do what has become due until nothing is, or too much comes of it."""
        clock.move(elapsed_ms)
        for _ in range(_ROUNDS_MAX):
            self.clock_was_moved()
            deadline_ms = self._timers.next_deadline_ms()
            if deadline_ms is None or deadline_ms > clock.monotonic_ms():
                return

    def leave_sockets_to_parent(self) -> None:
        """In a forked child: hold none of the parent's sockets open.

        The numbers stay taken, by /dev/null, since objects that know them are here as well. The event loop is not
        touched: its epoll is the parent's own.
        """
        if self._server is None:
            return
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in self._server.descriptors():
            os.dup2(null, descriptor, inheritable=False)
        os.close(null)


class _ObservedDispatcher(Dispatcher):
    tell: Callable[[], None]

    def dispatch(self, frame: memoryview, connection: ConnectionInfo) -> Exchange:
        exchange = super().dispatch(frame, connection)
        self.tell()
        return exchange


class _ObservedThreads(DiskThreads):
    tell: Callable[[], None]

    def start_all(self) -> None:
        """Start none: most brokers are gone before there is work for them."""

    def _bring_back(self, ended: Future[Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        super()._bring_back(ended, done, failed)
        self.tell()
