"""An event loop whose time jumps: when nothing is left to do now, it is the time of whatever is due next.

Minutes of sessions and rebalances pass in milliseconds, and the same seed gives the same run, since nothing comes
from outside: no socket, no thread, no clock.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START_MS = 1_700_000_000_000
END_S = 1200.0


class NothingLeftToDoError(AssertionError):
    """Everybody waits for somebody else, and no time is set."""


class NoEndError(AssertionError):
    """Somebody tries again and again what never succeeds."""


class _JumpingSelector(selectors.SelectSelector):
    """Waits by letting the loop's time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.end_s = END_S

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingLeftToDoError("everybody waits, and nothing is due")
        if timeout > 0:
            self.now_s += timeout
            if self.now_s > self.end_s:
                raise NoEndError(f"not over after {self.end_s:.0f} s")
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """`time()` is in seconds from 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def give_time(self) -> None:
        """Let a run that did not end clear up."""
        self._jumping.end_s = math.inf

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *arguments: Any) -> Any:
        """What would run in a thread is done at once."""
        future = self.create_future()
        try:
            future.set_result(func(*arguments))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future

    def add_reader(self, fd: Any, callback: Callable[..., Any], *arguments: Any) -> None:
        """Only links are read, and they know themselves when they can be."""
        if hasattr(fd, "watch"):
            fd.watch(callback)
        else:
            super().add_reader(fd, callback, *arguments)

    def remove_reader(self, fd: Any) -> bool:
        if hasattr(fd, "watch"):
            fd.watch(None)
            return True
        return super().remove_reader(fd)

    def _process_events(self, event_list: Sequence[Any]) -> None:
        """There are none."""


class LoopClock:
    """The broker's clock, by the loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return START_MS + int(self._loop.time() * 1000)

    def monotonic_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def both_ms(self) -> tuple[int, int]:
        return self.monotonic_ms(), self.now_ms()
