"""The threads that wait for the disk while the event loop goes on.

Work goes in on the loop's thread and its outcome comes back there, each in a turn of the loop of its own. After
`close` everything is done within the call, so that what a stop still asks for is not lost.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, TypeVar

from ...storage.background import INLINE

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class DiskThreads:
    """Some threads beside one event loop. Implements `storage.background.Background`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int, name: str) -> None:
        self._loop = loop
        self._count = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._under_way = 0
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def start_all(self) -> None:
        """Start the threads now.

        Else the executor starts one when there is more to do, in the middle of a request, and waits until it runs.
        """
        all_run = Barrier(self._count + 1)
        for _ in range(self._count):
            self._executor.submit(all_run.wait)
        all_run.wait()

    def run(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]) -> None:
        """Run `work` in a thread, then call one of the other two on the loop."""
        if self._is_closed:
            INLINE.run(work, done, failed)
            return
        try:
            future = self._executor.submit(work)
        except RuntimeError:  # the interpreter ends, and begins with its threads
            INLINE.run(work, done, failed)
            return
        self._under_way += 1
        self._idle.clear()
        future.add_done_callback(lambda ended: self._loop.call_soon_threadsafe(self._bring_back, ended, done, failed))

    def _bring_back(self, ended: Future[Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        error = ended.exception()
        if error is None:
            done(ended.result())
        elif isinstance(error, Exception):
            failed(error)
        else:
            raise error

    async def close(self) -> None:
        """Wait until everything that was handed out is back, and what came of it as well."""
        while self._under_way:
            await self._idle.wait()
        self._is_closed = True
        self._executor.shutdown(wait=False)
