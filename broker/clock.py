"""The broker's two clocks.

Wall time stamps records and commits and decides retention; it may jump. Monotonic time drives sessions,
rebalances and long polls; it never goes back. Only this module reads either.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the broker learns the time; tests move it by hand."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment, never decreasing."""
        ...

    def both_ms(self) -> tuple[int, int]:
        """`monotonic_ms` and `now_ms` of one instant, in one call."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment, never decreasing."""
        return time.monotonic_ns() // 1_000_000

    def both_ms(self) -> tuple[int, int]:
        """`monotonic_ms` and `now_ms` of one instant, in one call."""
        return time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands still until it is advanced."""

    __slots__ = ("_monotonic_ms", "_now_ms")

    def __init__(self, now_ms: int = 1_700_000_000_000, monotonic_ms: int = 0) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = monotonic_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment, never decreasing."""
        return self._monotonic_ms

    def both_ms(self) -> tuple[int, int]:
        """`monotonic_ms` and `now_ms` of one instant, in one call."""
        return self._monotonic_ms, self._now_ms

    def advance(self, elapsed_ms: int) -> None:
        """Let `elapsed_ms` pass on both clocks; time does not go back."""
        if elapsed_ms < 0:
            raise ValueError(f"a clock cannot go back by {-elapsed_ms} ms")
        self._now_ms += elapsed_ms
        self._monotonic_ms += elapsed_ms
