"""How fast cleaning may go, beside an event loop that has to answer.

All cleaning threads together read and write no more than `log.cleaner.io.max.bytes.per.second`. And since Python runs
one thread at a time, work that computes steps aside for a moment every half millisecond, so that the loop never waits
for a whole switch interval.
Kafka: `Throttler`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WORK_S = 0.0005
# Long enough for a thread that waits to wake up and take its turn; zero would be over before that.
_REST_S = 0.00005
# What an idle second leaves over is not made up for beyond this.
_BURST_S = 0.3
# After which a thread that waits looks whether the rate was changed.
_WAIT_S_MAX = 1.0


class CleaningAborted(Exception):
    """The cleaning was called off: its log is going away, or the broker stops."""


class IoThrottle:
    """A rate in bytes a second, shared by threads; it may be changed at any time."""

    def __init__(self, bytes_per_second: float, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.bytes_per_second = bytes_per_second
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._free_at_s = 0.0

    def change(self, bytes_per_second: float) -> None:
        """Go at another rate, and forget what was owed at the old one."""
        with self._lock:
            if bytes_per_second != self.bytes_per_second:
                self.bytes_per_second = bytes_per_second
                self._free_at_s = self._monotonic_s()

    def take(self, count: int) -> float:
        """Account for bytes that were read or written; for how many seconds to do nothing now."""
        with self._lock:
            now_s = self._monotonic_s()
            used_s = count / max(self.bytes_per_second, 1.0)
            self._free_at_s = max(self._free_at_s, now_s - _BURST_S) + used_s
            return max(self._free_at_s - now_s, 0.0)


class Pace:
    """What one cleaning asks at every step: may it go on, and how fast."""

    def __init__(self, throttle: IoThrottle) -> None:
        self._throttle = throttle
        self._aborted = threading.Event()
        self._rested_s = time.perf_counter()

    def abort(self) -> None:
        """End the cleaning at its next step; any thread may ask for it."""
        self._aborted.set()

    def took_bytes(self, count: int) -> None:
        """Account for bytes that were read or written. Raises CleaningAborted."""
        self.breathe()
        rate, wait_s = self._throttle.bytes_per_second, self._throttle.take(count)
        while wait_s > 0 and self._throttle.bytes_per_second == rate:
            if self._aborted.wait(min(wait_s, _WAIT_S_MAX)):
                raise CleaningAborted
            wait_s -= _WAIT_S_MAX

    def breathe(self) -> None:
        """Let another thread have its turn, if it is time. Raises CleaningAborted."""
        if self._aborted.is_set():
            raise CleaningAborted
        if time.perf_counter() - self._rested_s > _WORK_S:
            time.sleep(_REST_S)
            self._rested_s = time.perf_counter()
