"""Fetches that wait: for enough bytes across their partitions, for the end of their patience, or for a change.

A parked fetch is an entry in each of its partitions and one deadline; no task, no polling. The append itself counts
its bytes into the fetches that wait, each bounded by what the reader takes from that partition, and answers those
that have enough. What one append wakes is read once: readers at the same place share the bytes.
Kafka: `DelayedFetch` in the fetch purgatory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..clock import Clock
    from .partitions import Partition
    from .timers import TimerHandle, Timers


class WaitingRead:
    """One partition of a parked fetch: where its reader is, and how much it could have now."""

    __slots__ = ("available_bytes", "fetch_offset", "max_bytes", "partition", "reads_committed", "segment_base_offset")

    def __init__(
        self, partition: Partition, fetch_offset: int, max_bytes: int, available_bytes: int, *, reads_committed: bool
    ) -> None:
        self.partition = partition
        self.fetch_offset = fetch_offset
        self.max_bytes = max_bytes
        self.available_bytes = available_bytes
        self.reads_committed = reads_committed
        self.segment_base_offset = partition.log.active_base_offset

    def grow(self, appended_bytes: int) -> int:
        """Count an append; return by how much the reader could have more."""
        log = self.partition.log
        before = self.available_bytes
        if self.reads_committed and log.last_stable_offset < log.high_watermark:
            available = len(
                log.read(self.fetch_offset, self.max_bytes, up_to_offset=log.last_stable_offset, min_one_batch=False)
            )
        else:
            available = before + appended_bytes
        self.available_bytes = min(available, self.max_bytes)
        return self.available_bytes - before


class ParkedFetch:
    """A fetch that waits; `respond` is called once, unless nobody wants its answer any more."""

    __slots__ = ("_missing_bytes", "_purgatory", "_reads", "_respond", "_timer", "number")

    def __init__(
        self,
        purgatory: FetchPurgatory,
        number: int,
        reads: Sequence[WaitingRead],
        missing_bytes: int,
        respond: Callable[[], None],
    ) -> None:
        self._purgatory = purgatory
        self.number = number
        self._reads = {id(read.partition): read for read in reads}
        self._missing_bytes = missing_bytes
        self._respond = respond
        self._timer: TimerHandle | None = None

    def wait(self, timer: TimerHandle) -> None:
        """Begin to wait until the timer at the latest."""
        self._timer = timer
        for read in self._reads.values():
            read.partition.waiters[self.number] = self

    def appended(self, partition: Partition, appended_bytes: int) -> None:
        """Count what was appended; enough ends the wait."""
        read = self._reads[id(partition)]
        self._missing_bytes -= read.grow(appended_bytes)
        # A reader left behind in a segment that is no longer written has all of it to read (DelayedFetch, case F).
        if self._missing_bytes <= 0 or read.segment_base_offset != partition.log.active_base_offset:
            self.changed()

    def changed(self) -> None:
        """End the wait and answer."""
        if self.forget():
            self._respond()

    def forget_quietly(self) -> None:
        """End the wait without an answer, whether or not it is over."""
        self.forget()

    def forget(self) -> bool:
        """End the wait without an answer; False when it was over before."""
        timer, self._timer = self._timer, None
        if timer is None:
            return False
        timer.cancel()
        for read in self._reads.values():
            read.partition.waiters.pop(self.number, None)
        self._purgatory.parked_count -= 1
        return True


class FetchPurgatory:
    """All fetches that wait."""

    def __init__(self, timers: Timers, clock: Clock) -> None:
        self._timers = timers
        self._clock = clock
        self._numbers = 0
        self.parked_count = 0

    def park(
        self, reads: Sequence[WaitingRead], missing_bytes: int, max_wait_ms: int, respond: Callable[[], None]
    ) -> ParkedFetch:
        """Wait until `missing_bytes` more can be read, a partition changes, or `max_wait_ms` are over."""
        self._numbers += 1
        fetch = ParkedFetch(self, self._numbers, reads, missing_bytes, respond)
        deadline_ms = self._clock.monotonic_ms() + max_wait_ms
        fetch.wait(self._timers.schedule(deadline_ms, fetch.changed))
        self.parked_count += 1
        return fetch
