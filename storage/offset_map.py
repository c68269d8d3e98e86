"""The newest offset of each key in the part of a log that is being cleaned.

A hash table of 24 bytes an entry (16 bytes of the key's digest, 8 of the offset) by open addressing, so what it may
hold follows from `log.cleaner.dedupe.buffer.size` alone and never from the log. Two keys whose digests are equal would
count as one; with 128 bits that does not happen. A dict of digests finds a key in half the time, but takes some 120
bytes an entry: within the same bytes it holds a fifth of the keys, and the log is then read five times.
The table is mapped memory: a page that no entry falls on costs nothing, and `close` gives all of it back. It is also
never larger than twice what the records to be entered can fill.
Kafka: `SkimpyOffsetMap`.
"""

from __future__ import annotations

import mmap
import struct
from hashlib import blake2b
from math import isqrt
from typing import Final

ENTRY_BYTES: Final = 24
_WORDS = ENTRY_BYTES // 8
_DIGEST = struct.Struct("=QQ")
_EMPTY_HASH = blake2b(digest_size=_DIGEST.size, usedforsecurity=False)
# Kafka takes an array as the table, which cannot be larger.
_MEMORY_BYTES_MAX = (1 << 31) - 1


class OffsetMap:
    """Key to offset, for one cleaning. `latest_offset` says how far the log has been entered; -1 is not at all."""

    __slots__ = ("_buffer", "_entries_max", "_slots", "_table", "latest_offset", "size")

    def __init__(self, memory_bytes: int, load_factor: float, records_max: int) -> None:
        """Take at most `memory_bytes`, fill at most `load_factor` of them, for at most `records_max` records.

        Raises ValueError when not even one key fits.
        """
        slots = min(memory_bytes, _MEMORY_BYTES_MAX) // ENTRY_BYTES
        # One place stays free, where the search for a key that is not there ends.
        self._entries_max = min(int(slots * load_factor), slots - 1)
        if self._entries_max < 1:
            raise ValueError(
                f"an offset map of {memory_bytes} bytes holds no key: raise log.cleaner.dedupe.buffer.size or lower "
                "log.cleaner.threads"
            )
        self._slots = _largest_prime(min(slots, 2 * records_max + _WORDS))
        self._entries_max = min(self._entries_max, self._slots - 1)
        self._buffer = mmap.mmap(-1, self._slots * ENTRY_BYTES)
        self._table: memoryview[int] = memoryview(self._buffer).cast("Q")
        self.latest_offset = -1
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether no further key may be entered."""
        return self.size >= self._entries_max

    @property
    def utilization(self) -> float:
        """Which part of what it may hold is taken."""
        return self.size / self._entries_max

    def put(self, key: bytes, offset: int) -> None:
        """Enter a key's newest offset; the caller looks at `is_full` first."""
        table = self._table
        at, first, second = self._place_of(key)
        if not table[at + 2]:
            table[at], table[at + 1] = first, second
            self.size += 1
        table[at + 2] = offset + 1

    def get(self, key: bytes) -> int:
        """The newest offset of a key; -1 when it was not entered."""
        return int(self._table[self._place_of(key)[0] + 2]) - 1

    def _place_of(self, key: bytes) -> tuple[int, int, int]:
        """Where in the table a key stands, or would, and its digest's two words.

        An entry is its digest and its offset plus one; so a place whose last word is 0 is free.
        """
        digest = _EMPTY_HASH.copy()
        digest.update(key)
        first, second = _DIGEST.unpack(digest.digest())
        table, slots = self._table, self._slots
        slot = first % slots
        while table[3 * slot + 2] and (table[3 * slot] != first or table[3 * slot + 1] != second):
            slot = (slot + 1 + second % (slots - 1)) % slots
        return 3 * slot, first, second

    def close(self) -> None:
        """Give the memory back."""
        self._table.release()
        self._buffer.close()


def _largest_prime(limit: int) -> int:
    """The largest prime up to `limit`: with a prime number of places, every step length visits all of them."""
    for number in range(limit, 1, -1):
        if all(number % divisor for divisor in range(2, isqrt(number) + 1)):
            return number
    return 2
