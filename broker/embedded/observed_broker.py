"""The broker of `ottla serve`, with what a process needs that has it inside: a wake-up for those who watch it.

Whatever changes in a broker changes in a request, in something that was due, or in what a disk thread brings back.
After each of these the watchers are told. While nobody watches, that costs one comparison.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .. import app
from ..dispatch import Dispatcher
from ..runtime.disk_threads import DiskThreads
from .errors import NotRunning
from .faults.refusing_server import RefusingServer
from .last_requests import LastRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from concurrent.futures import Future

    from ..api_table import Api
    from ..clock import Clock
    from ..config import BrokerConfig
    from ..connection import Connection
    from ..dispatch import Exchange
    from ..listening_sockets import SocketSettings
    from ..request import ConnectionInfo
    from ..runtime.commit_barrier import CommitBarrier
    from ..runtime.log_directories import LogDirectories
    from ..server import Limits, Server
    from ..services import Services
    from .faults.disk import FaultyFiles
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
    """A broker that tells when something may have changed, and to which something may happen."""

    def __init__(self, config: BrokerConfig, clock: Clock, files: FaultyFiles, changes: ChangeSignal) -> None:
        super().__init__(config, clock, files)
        self.changes = changes
        self.files = files
        self.dispatcher: ObservedDispatcher | None = None
        self._threads: list[_ObservedThreads] = []
        self._is_dead = False

    def _new_dispatcher(self, apis: Mapping[int, Api], services: Services) -> Dispatcher:
        self.dispatcher = ObservedDispatcher(apis, services, self._commits, self.changes.tell)
        return self.dispatcher

    def _new_server(self, limits: Limits, sockets: SocketSettings) -> Server:
        return RefusingServer(limits, sockets)

    def _new_disk_threads(self, count: int, name: str) -> DiskThreads:
        threads = _ObservedThreads(asyncio.get_running_loop(), count, name)
        threads.tell = self.changes.tell
        self._threads.append(threads)
        return threads

    def _wake_at(self, deadline_ms: int) -> None:
        if not self._is_dead:
            super()._wake_at(deadline_ms)

    def _run_due(self) -> None:
        super()._run_due()
        self.changes.tell()

    @property
    def services(self) -> Services:
        """The parts of a broker that has started. Raises NotRunning."""
        self.check_alive()
        assert self._services is not None
        return self._services

    @property
    def addresses(self) -> list[tuple[str, str, int]]:
        """(listener name, host, port) of every listener. Raises NotRunning when it did not come back."""
        if not self._addresses:
            raise NotRunning("the broker was killed and is not back yet")
        return self._addresses

    def check_alive(self) -> None:
        """Raise NotRunning between two lives."""
        if self._services is None or self._is_dead:
            raise NotRunning("the broker was killed and is not back yet")

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

    # What may happen to it

    def use_handlers(self, replaced: Callable[[Mapping[int, Api]], Mapping[int, Api]] | None) -> None:
        """Let clients be served by other handlers; None: by the ordinary ones."""
        assert self.dispatcher is not None
        self.dispatcher.replace_handlers(replaced)

    def refuse_connections(self, *, refused: bool) -> None:
        """Take no new connections, or take them again."""
        assert isinstance(self._server, RefusingServer)
        if refused and not self._server.is_refusing:
            self._server.refuse()
        elif not refused and self._server.is_refusing:
            self._server.listen_again()

    async def die(self) -> None:
        """End as by kill -9: nothing of it runs any more or reaches the disk, and what it held is given back."""
        self._is_dead = self.files.is_dead = True
        if self._wake_up is not None:
            self._wake_up.cancel()
        if self._cleaner is not None:
            self._cleaner.stop()
        assert self._server is not None
        for connection in self._server.connections:
            connection.abort()
        await self._server.stop()
        for threads in self._threads:
            await threads.die()
        for directory in self.directories.directories:
            for log in directory.logs.values():
                for segment in log.segments:
                    segment.log.close()
        if self._read_only_logs is not None:
            self._read_only_logs.close()
        self.directories.unlock()

    def next_life(self) -> ObservedBroker:
        """A broker like this one that was killed, on the same data and addresses."""
        listeners = tuple(
            listener._replace(port=port)
            for listener, (_, _, port) in zip(self._config.listeners, self._addresses, strict=True)
        )
        config = replace(self._config, listeners=listeners)
        return ObservedBroker(config, self._clock, self.files.of_next_life(), self.changes)


class ObservedDispatcher(Dispatcher):
    """Tells after each request; hands those of clients to whoever serves them now."""

    def __init__(
        self, apis: Mapping[int, Api], services: Services, commits: CommitBarrier, tell: Callable[[], None]
    ) -> None:
        # Who watches wants to see every request, so none is answered without being read.
        super().__init__({key: api._replace(repeated=None) for key, api in apis.items()}, services, commits)
        self._tell = tell
        self._serve = super().dispatch
        self.last_requests = LastRequests()

    def dispatch(self, frame: memoryview, connection: ConnectionInfo) -> Exchange:
        """Handle a client's request."""
        self.last_requests.note(frame, connection)
        exchange = self._serve(frame, connection)
        self._tell()
        return exchange

    def dispatch_as_ever(self, frame: memoryview, connection: ConnectionInfo) -> Exchange:
        """Handle a request with the ordinary handlers."""
        exchange = super().dispatch(frame, connection)
        self._tell()
        return exchange

    def replace_handlers(self, replaced: Callable[[Mapping[int, Api]], Mapping[int, Api]] | None) -> None:
        """Serve clients with other handlers than the ordinary ones; None: with those again."""
        if replaced is None:
            self._serve = super().dispatch
        else:
            self._serve = Dispatcher(replaced(self._apis), self._services, self._commits).dispatch


class _ObservedThreads(DiskThreads):
    tell: Callable[[], None]
    is_dead = False

    def start_all(self) -> None:
        """Start none: most brokers are gone before there is work for them."""

    def _bring_back(self, ended: Future[Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        if not self.is_dead:
            super()._bring_back(ended, done, failed)
            self.tell()

    async def die(self) -> None:
        """Bring nothing back any more, and wait until no thread does anything."""
        self.is_dead = True
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
