"""What was sent to a partition, what was acknowledged, and whether a reading of the partition agrees.

A record's value says who wrote it and as its how-manieth, so that each record that is read can be judged by itself.
"""

from __future__ import annotations

import random
import threading
from array import array
from typing import NamedTuple

_NOISE = random.Random(20).randbytes(1 << 16)  # filler that does not compress
_FILLER_BYTES_MAX = 600


def value_of(writer: str, number: int) -> bytes:
    """The value of a writer's record: half of all records compress well, half do not."""
    at = number * 7919 % (len(_NOISE) - _FILLER_BYTES_MAX)
    size = number * 31 % _FILLER_BYTES_MAX
    filler = _NOISE[at : at + size] if number % 2 else b"." * size
    return f"{writer} {number} ".encode() + filler


class Origin(NamedTuple):
    """Who wrote a record, and as its how-manieth."""

    writer: str
    number: int


def origin_of(value: bytes) -> Origin:
    """What a value says of itself; an AssertionError when that is not all it says."""
    writer, number, _ = value.split(b" ", 2)
    origin = Origin(writer.decode(), int(number))
    assert value == value_of(*origin), f"a value that was never written begins with {value[:40]!r}"
    return origin


class Acknowledgement(NamedTuple):
    """Records `first` to `first + count - 1` of a writer lie at `base_offset` and after it."""

    writer: str
    first: int
    count: int
    base_offset: int


class Ledger:
    """One partition's writers and their acknowledgements, told by several threads."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.exact_writers: set[str] = set()
        """Those whose records are there once at most, in order: idempotent producers."""
        self.gappy_writers: set[str] = set()
        """Those who may give up what was not acknowledged, and go on behind it."""
        self._sent: dict[str, int] = {}
        self._acknowledged: list[Acknowledgement] = []
        self._lock = threading.Lock()

    @property
    def writers(self) -> list[str]:
        """Everybody who writes here."""
        return list(self._sent)

    def add_writer(self, writer: str, *, exact: bool, gappy: bool = False) -> None:
        """Expect records of a writer."""
        self._sent[writer] = 0
        if exact:
            self.exact_writers.add(writer)
        if gappy:
            self.gappy_writers.add(writer)

    def will_send(self, writer: str, end: int) -> None:
        """Say that records below `end` may come to be there from now on."""
        self._sent[writer] = max(end, self._sent[writer])

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Say that a writer was told that its records are there."""
        with self._lock:
            self._acknowledged.append(acknowledgement)

    def acknowledged(self) -> list[Acknowledgement]:
        """All so far."""
        with self._lock:
            return list(self._acknowledged)

    def was_sent(self, origin: Origin) -> bool:
        """Whether such a record may be there."""
        return origin.number < self._sent.get(origin.writer, 0)


class Reading:
    """A partition as somebody reads it, from the first offset on, a piece at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.name = f"{ledger.topic}-{ledger.partition}"
        self.next_offset = 0
        self._writers = sorted(ledger.writers)
        # What stands at each offset, in arrays: there may be millions.
        self._writer_at = array("B")
        self._number_at = array("I")
        self._last: dict[str, int] = {}
        self._checked = 0

    def see(self, offset: int, value: bytes) -> None:
        """Take in the next record; an AssertionError when it cannot be there."""
        where = f"{self.name} at offset {offset}"
        assert offset == self.next_offset, f"{where}: offset {self.next_offset} was to come"
        origin = origin_of(value)
        assert self.ledger.was_sent(origin), f"{where}: {origin} was never sent"
        last = self._last.get(origin.writer, -1)
        if origin.number <= last:
            assert origin.writer not in self.ledger.exact_writers, f"{where}: {origin} comes after number {last}"
        elif origin.writer not in self.ledger.gappy_writers:
            assert origin.number == last + 1, f"{where}: {origin} comes after number {last}"
        self._last[origin.writer] = max(last, origin.number)
        self._writer_at.append(self._writers.index(origin.writer))
        self._number_at.append(origin.number)
        self.next_offset += 1

    def check(self, acknowledged: list[Acknowledgement]) -> None:
        """Each acknowledged record is where its writer was told; `acknowledged` goes on from the last call's."""
        for acknowledgement in acknowledged[self._checked :]:
            writer, first, count, base_offset = acknowledgement
            found = self.origins(base_offset, count)
            expected = [Origin(writer, number) for number in range(first, first + count)]
            assert found == expected, (
                f"{self.name} ends at {self.next_offset}: {acknowledgement} is lost, there is {found}"
            )
        self._checked = len(acknowledged)

    def origins(self, offset: int, count: int) -> list[Origin]:
        """Whose records lie at an offset and after it."""
        writers, numbers = self._writer_at[offset : offset + count], self._number_at[offset : offset + count]
        return [Origin(self._writers[writer], number) for writer, number in zip(writers, numbers, strict=True)]
