"""A whole broker in a world that can be run again: its loop, its clock, its disk and its network are simulated.

Handlers, coordinators, logs and files are the real ones. The broker can be stopped, killed, or lose the power of its
machine together with all that was not synced; its threads take a while; connections break.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ottla.broker.app import Broker
from ottla.broker.config import load_config
from ottla.broker.runtime.timers import Timers
from ottla.storage.background import INLINE

from ..harness.faulty_files import Fault, FaultyFiles, PartlyLost
from .network import ConnectionLostError, Link
from .simulated_loop import LoopClock, NoEndError, NothingLeftToDoError, SimulatedLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ottla.broker.clock import Clock
    from ottla.broker.config import BrokerConfig

    from ..harness.faulty_files import _File

THREAD_S_MAX = 0.03

# Kept in memory where there is such a place: what is lost is decided here, not by the machine.
_MEMORY = Path("/dev/shm")


class MortalFiles(FaultyFiles):
    """Files of a process that may be dead: what still runs of it changes nothing any more."""

    is_dead = False
    _calls_left: int | None = None
    _written_part = 0.0

    def die_after(self, calls: int, written_part: float, died: Callable[[], None]) -> None:
        """Let the process die at a call that changes the disk, so many calls from now.

        Of a write, that part is done.
        """
        self._calls_left, self._written_part, self._died = calls, written_part, died

    def _admit(self, operation: str, name: str) -> Fault | None:
        if self.is_dead:
            raise OSError(f"{operation} {name} by a process that was killed")
        if self._calls_left is None:
            return super()._admit(operation, name)
        self._calls_left -= 1
        if self._calls_left >= 0:
            return super()._admit(operation, name)
        self.is_dead = True
        self._died()
        if operation == "pwrite":
            return Fault(errno.EIO, self._written_part)
        raise OSError(f"{operation} {name} by a process that is being killed")


class TornByPower(PartlyLost):
    """Many writes are torn, and a file may have its new length before its bytes: zeros stand for those."""

    def content(self, file: _File) -> bytes:
        content = super().content(file)
        if self._chance.random() < 0.8:
            content += bytes(max(0, len(file.content) - len(content)))
        return content

    def _arrives_whole(self) -> bool:
        return self._chance.random() < 0.25


class SimulatedThreads:
    """Threads whose work takes effect at some later moment of the loop's time, one piece after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chance: random.Random) -> None:
        self._loop = loop
        self._chance = chance
        self._free_at_s = 0.0
        self._under_way = 0
        self._is_closed = False
        self.is_dead = False

    def start_all(self) -> None:
        """They always run."""

    def run(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        if self._is_closed:
            INLINE.run(work, done, failed)
            return
        self._under_way += 1
        self._free_at_s = max(self._free_at_s, self._loop.time()) + self._chance.random() * THREAD_S_MAX
        self._loop.call_at(self._free_at_s, self._do, work, done, failed)

    def _do(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        if not self.is_dead:
            self._under_way -= 1
            INLINE.run(work, done, failed)

    async def close(self) -> None:
        while self._under_way and not self.is_dead:  # noqa: ASYNC110 - somebody who is dead sets no event
            await asyncio.sleep(THREAD_S_MAX)
        self._is_closed = True


@cache
def config_of(options: tuple[tuple[str, str], ...]) -> BrokerConfig:
    """Read once for a thousand lives."""
    return load_config(overrides=[f"{key}={value}" for key, value in options], port=0)


class SimulatedBroker(Broker):
    """A broker with simulated threads and connections."""

    def __init__(self, world: World, options: Mapping[str, str]) -> None:
        data_dir = os.fspath(world.data_dir)
        config = replace(config_of(tuple(options.items())), log_dirs=(data_dir,), metadata_log_dir=data_dir)
        self.files = MortalFiles(world.data_dir)
        self._world = world
        self._threads: list[SimulatedThreads] = []
        self.links: list[Link] = []
        super().__init__(config, world.clock, self.files)

    def _new_disk_threads(self, count: int, name: str) -> Any:
        self._threads.append(SimulatedThreads(self._world.loop, self._world.chance))
        return self._threads[-1]

    def connect(self) -> Link:
        """A new connection, taken in as from a socket."""
        assert self._server is not None
        link = Link(self._world.loop, self._world.chance, port=40_000 + len(self.links))
        self.links.append(link)
        connection = self._server.admit("10.0.0.1", "PLAINTEXT")
        assert connection is not None
        link.attach(connection)
        return link

    def kill(self) -> None:
        """End it as kill -9 does: nothing of it runs any more, its descriptors and locks are given back."""
        self.files.is_dead = True
        for threads in self._threads:
            threads.is_dead = True
        for link in self.links:
            link.die()
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._timers = Timers()
        self._end_server()
        if self._directories is not None:
            for directory in self._directories.directories:
                for log in directory.logs.values():
                    for segment in log.segments:
                        segment.log.close()
            self._directories.unlock()

    def _end_server(self) -> None:
        if self._server is not None:
            for task in self._server._tasks:
                task.cancel()
            for listener in self._server._listeners:
                listener.socket.close()


class World:
    """One run, given by its seed."""

    def __init__(self, seed: int, options: Mapping[str, str]) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.loop = SimulatedLoop()
        self.clock: Clock = LoopClock(self.loop)
        self._home = Path(tempfile.mkdtemp(prefix="ottla-simulation-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self._generation = 0
        self.data_dir = self._home / "data-0"
        self.data_dir.mkdir()
        self._options = options
        self.broker: SimulatedBroker | None = None
        self._good_moment = asyncio.Event()
        self.is_calm = False
        """Members have no accidents of their own any more."""

    def run(self, story: Callable[[World], Awaitable[None]]) -> None:
        """Run the story to its end."""
        try:
            asyncio.set_event_loop(None)
            telling = self.loop.create_task(self._tell(story))
            try:
                self.loop.run_until_complete(telling)
            except (NoEndError, NothingLeftToDoError):
                self.loop.give_time()
                telling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    self.loop.run_until_complete(telling)
                raise
        finally:
            self.loop.close()
            shutil.rmtree(self._home)

    async def _tell(self, story: Callable[[World], Awaitable[None]]) -> None:
        await self.start()
        try:
            await story(self)
        finally:
            if self.broker is not None:
                self.kill()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def connect(self) -> Link:
        """A connection to the broker. Raises ConnectionLostError while there is none."""
        if self.broker is None:
            raise ConnectionLostError
        return self.broker.connect()

    # What befalls the broker

    async def start(self) -> None:
        broker = SimulatedBroker(self, self._options)
        await broker.start()
        self.broker = broker

    async def stop(self) -> None:
        broker, self.broker = self.broker, None
        await broker.stop()

    def kill(self) -> SimulatedBroker:
        """What the process asked the machine to do is done."""
        broker, self.broker = self.broker, None
        broker.kill()
        return broker

    def lose_power(self) -> None:
        """What was not synced is there, is gone, or is there in part."""
        broker = self.kill()
        self._generation += 1
        self.data_dir = self._home / f"data-{self._generation}"
        self.data_dir.mkdir()
        broker.files.after_power_loss(self.data_dir, loss=TornByPower(random.Random(self.chance.random())))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def good_moment(self) -> None:
        """To be called when an actor was told that something is kept, or asks for what takes several writes."""
        self._good_moment.set()

    async def next_good_moment(self) -> None:
        """Wait for a good moment for a mishap, but not for ever."""
        self._good_moment.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._good_moment.wait(), 5.0)

    def accident(self, probability: float) -> bool:
        """Whether something happens to a member now."""
        return not self.is_calm and self.chance.random() < probability

    async def die_within(self, calls: int) -> None:
        """Wait until the broker changes its disk for the last time, that many calls from now, but not for ever.

        Nothing of it reaches disk or network afterwards; it is still to be buried.
        """
        assert self.broker is not None
        died = asyncio.Event()
        self.broker.files.die_after(calls, self.chance.random(), self._silenced(self.broker, died))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(died.wait(), 5.0)

    @staticmethod
    def _silenced(broker: SimulatedBroker, died: asyncio.Event) -> Callable[[], None]:
        def silence() -> None:
            for link in broker.links:
                link.die()
            died.set()

        return silence

    def soon(self, seconds_max: float) -> Awaitable[None]:
        """Wait for some time."""
        return asyncio.sleep(self.chance.random() * seconds_max)


def run_seed(seed: int, options: Mapping[str, str], story: Callable[[World], Awaitable[None]]) -> None:
    """One run; what goes wrong names the seed."""
    try:
        World(seed, options).run(story)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
