"""The hands of an embedded broker's clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from .moving_clock import MovingClock


class ClockControl:
    """Goes with real time, and ahead of it by what it was advanced."""

    def __init__(self, clock: MovingClock, advance_ms: Callable[[int], None]) -> None:
        self._clock = clock
        self._advance_ms = advance_ms

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
    ) -> None:
        """Let that much time pass now: all that became due is decided when this returns, each duty once.

        Sessions end, transactions abort, retention deletes, offsets expire, and later records carry the new time. It
        is as if the machine had slept: clients know nothing of it, and idle connections stay. Raises InvalidOption
        for a time that goes back.
        """
        elapsed = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
        if elapsed < timedelta():
            raise InvalidOption(f"a clock cannot go back by {-elapsed}")
        self._advance_ms(elapsed // timedelta(milliseconds=1))

    def now_ms(self) -> int:
        """The broker's wall clock, in milliseconds since the epoch."""
        return self._clock.now_ms()
