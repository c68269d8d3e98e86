"""An event loop in a daemon thread, and the ways onto it from other threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import EmbeddedBrokerError, NotRunning

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """A thread that runs one event loop until `end`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._lock = threading.Lock()
        self._unanswered: set[Future[Any]] = set()
        self._is_over = False
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for what it returns or raises."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def call(self, act: Callable[[], T]) -> T:
        """Call a function on the loop and wait for what it returns or raises. Raises NotRunning."""

        def answer(future: Future[T]) -> None:
            future.set_result(act())

        return self.ask(answer)

    def ask(self, ask: Callable[[Future[T]], None]) -> T:
        """Hand a future to a function on the loop, and wait until somebody completes it or the function raises.

        Raises NotRunning when the thread ends before that.
        """
        if threading.current_thread() is self._thread:
            raise EmbeddedBrokerError("the broker's own thread cannot wait for the broker")
        future: Future[T] = Future()
        with self._lock:
            if self._is_over:
                raise NotRunning("the broker is stopped")
            self._unanswered.add(future)
            self.loop.call_soon_threadsafe(partial(_ask, ask, future))
        try:
            return future.result()
        finally:
            self._unanswered.discard(future)

    def end(self) -> None:
        """Stop the loop and close it; who still waits for an answer is told that there is none."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        with self._lock:
            self._is_over = True
            unanswered = [future for future in self._unanswered if not future.done()]
        self.loop.close()
        for future in unanswered:
            future.set_exception(NotRunning("the broker was stopped meanwhile"))


def _ask(ask: Callable[[Future[T]], None], future: Future[T]) -> None:
    try:
        ask(future)
    except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
        future.set_exception(error)
