"""An event loop in a daemon thread, and the ways onto it from other threads."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..event_loop import new_event_loop
from .errors import EmbeddedBrokerError, NotRunning

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """A thread that runs one event loop until `end`."""

    def __init__(self, name: str) -> None:
        self.loop = new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._lock = threading.Lock()
        self._unanswered: set[Future[Any]] = set()
        self._is_over = False
        self._frozen: queue.SimpleQueue[Callable[[], None] | None] | None = None
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
            if self._frozen is not None:
                self._frozen.put(partial(_ask, ask, future))
            else:
                self.loop.call_soon_threadsafe(partial(_ask, ask, future))
        try:
            return future.result()
        finally:
            self._unanswered.discard(future)

    @property
    def is_frozen(self) -> bool:
        """Whether the loop stands still."""
        return self._frozen is not None

    def check_awake(self) -> None:
        """Raise EmbeddedBrokerError while the loop stands still."""
        if self.is_frozen:
            raise EmbeddedBrokerError("the broker is frozen and can only be looked at; remove the fault first")

    def freeze(self, seconds: float | None, thawed: Callable[[], None]) -> None:
        """Let the loop stand still from its next turn on, until `thaw` or for so long; to be called on the loop.

        What other threads ask meanwhile is answered all the same, by the thread that stands still. `thawed` is called
        on the loop at the end.
        """
        with self._lock:
            asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
            self._frozen = asked
        self.loop.call_soon(self._stand_still, asked, seconds, thawed)

    def _stand_still(
        self,
        asked: queue.SimpleQueue[Callable[[], None] | None],
        seconds: float | None,
        thawed: Callable[[], None],
    ) -> None:
        end_s = None if seconds is None else self.loop.time() + seconds
        try:
            while (act := asked.get(timeout=None if end_s is None else max(end_s - self.loop.time(), 0))) is not None:
                act()
        except queue.Empty:
            pass  # the time is over
        with self._lock:
            self._frozen = None
        while not asked.empty():
            if (act := asked.get()) is not None:
                act()
        thawed()

    def thaw(self) -> None:
        """Let the loop go on, if it stands still."""
        with self._lock:
            if self._frozen is not None:
                self._frozen.put(None)

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
