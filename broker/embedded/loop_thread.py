"""An event loop in a daemon thread, and the ways onto it from other threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import EmbeddedBrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """A thread that runs one event loop until `end`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for what it returns or raises."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def call(self, act: Callable[[], T]) -> T:
        """Call a function on the loop and wait for what it returns or raises."""

        def answer(future: Future[T]) -> None:
            future.set_result(act())

        return self.ask(answer)

    def ask(self, ask: Callable[[Future[T]], None]) -> T:
        """Hand a future to a function on the loop, and wait until somebody completes it or the function raises."""
        if threading.current_thread() is self._thread:
            raise EmbeddedBrokerError("the broker's own thread cannot wait for the broker")
        future: Future[T] = Future()

        def run() -> None:
            try:
                ask(future)
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result()

    def end(self) -> None:
        """Stop the loop and close it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
