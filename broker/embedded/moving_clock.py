"""A clock that goes with real time, and can be moved forward."""

from __future__ import annotations

from ..clock import SystemClock


class MovingClock:
    """The machine's clocks, ahead by what was added to them. Implements `clock.Clock`."""

    __slots__ = ("_monotonic_ahead_ms", "_system", "_wall_ahead_ms")

    def __init__(self) -> None:
        self._system = SystemClock()
        self._wall_ahead_ms = 0
        self._monotonic_ahead_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._system.now_ms() + self._wall_ahead_ms

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary moment, never decreasing."""
        return self._system.monotonic_ms() + self._monotonic_ahead_ms

    def both_ms(self) -> tuple[int, int]:
        """`monotonic_ms` and `now_ms` of one instant, in one call."""
        return self.monotonic_ms(), self.now_ms()

    def move(self, ms: int) -> None:
        """Go forward by `ms`."""
        self._wall_ahead_ms += ms
        self._monotonic_ahead_ms += ms

    def return_to_real_time(self) -> None:
        """Let the wall clock jump back; monotonic time never does."""
        self._wall_ahead_ms = 0
