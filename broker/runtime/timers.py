"""Deadlines of the broker's parts, kept in one heap behind one wake-up.

A callback runs once, at or after its deadline, in the order of deadlines. Cancelling is free: a cancelled
handle stays in the heap until its time has come or until such handles outnumber the live ones.
Who owns the event loop gives `wake_at`, which is told the next deadline whenever it becomes an earlier one.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPACT_ABOVE = 1024


class TimerHandle:
    """One scheduled callback."""

    __slots__ = ("_timers", "callback", "deadline_ms")

    def __init__(self, timers: Timers, deadline_ms: int, callback: Callable[[], None]) -> None:
        self._timers = timers
        self.deadline_ms = deadline_ms
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; harmless when it has run or was cancelled before."""
        if self.callback is not None:
            self.callback = None
            self._timers._note_cancelled()


class Timers:
    """Callbacks ordered by deadline, in milliseconds of the monotonic clock."""

    __slots__ = ("_cancelled", "_heap", "_sequence", "_wake_at")

    def __init__(self, wake_at: Callable[[int], None] | None = None) -> None:
        self._heap: list[tuple[int, int, TimerHandle]] = []
        self._sequence = 0
        self._cancelled = 0
        self._wake_at = wake_at

    def schedule(self, deadline_ms: int, callback: Callable[[], None]) -> TimerHandle:
        """Run `callback` once when the monotonic clock has reached `deadline_ms`."""
        handle = TimerHandle(self, deadline_ms, callback)
        self._push(handle)
        if self._heap[0][2] is handle and self._wake_at is not None:
            self._wake_at(deadline_ms)
        return handle

    def next_deadline_ms(self) -> int | None:
        """The earliest live deadline, or None when nothing is scheduled."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def run_due(self, now_ms: int) -> int:
        """Run everything due at `now_ms`; return how many callbacks ran.

        What a callback schedules for now or earlier waits for the next call, so that one call always ends. When a
        callback raises, those behind it stay scheduled.
        """
        due: deque[TimerHandle] = deque()
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            handle = heapq.heappop(heap)[2]
            if handle.callback is None:
                self._cancelled -= 1
            else:
                due.append(handle)
        ran = 0
        try:
            while due:
                handle = due.popleft()
                callback = handle.callback
                if callback is None:  # cancelled by an earlier callback of this round
                    self._cancelled -= 1
                    continue
                handle.callback = None
                ran += 1
                callback()
        finally:
            for handle in due:
                self._push(handle)
        return ran

    def _push(self, handle: TimerHandle) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (handle.deadline_ms, self._sequence, handle))

    def _note_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _COMPACT_ABOVE and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0
