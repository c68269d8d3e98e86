"""Which leader epoch began at which offset: the answer to OffsetForLeaderEpoch, and what truncation relies on.

Epochs and start offsets both ascend strictly. The file `leader-epoch-checkpoint` has every epoch that wrote records.
Two things it may lack, since opening a log finds them again: an epoch without records, which the metadata knows,
and the loss of epochs below the log's start. So ten thousand partitions that get a new leader write no file.
Kafka: `LeaderEpochFileCache`.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from .checkpoints import CorruptFile, read_epochs, write_epochs

if TYPE_CHECKING:
    from .files import Files

LEADER_EPOCH_FILE = "leader-epoch-checkpoint"
UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1


class EpochEntry(NamedTuple):
    """`epoch` holds from `start_offset` to the start of the next epoch."""

    epoch: int
    start_offset: int


class LeaderEpochs:
    """The epochs of one partition's log, in memory and in its checkpoint file."""

    __slots__ = ("_entries", "_files", "latest_epoch", "path", "saved_epoch", "saves")

    def __init__(self, path: str, files: Files, entries: list[EpochEntry] | None = None) -> None:
        self.path = path
        self._files = files
        self._entries = entries or []
        # Read on each append, so it is kept rather than computed; -1 when there is none.
        self.latest_epoch = self._entries[-1].epoch if self._entries else UNDEFINED_EPOCH
        # The latest that the file has; records of a later one must not be written before it is there.
        self.saved_epoch = self.latest_epoch
        # How often the file was written, which whoever brings it to the disk must know.
        self.saves = 0

    @classmethod
    def load(cls, path: str, files: Files) -> LeaderEpochs:
        """Read the checkpoint file; none is an empty history. Raises CorruptFile."""
        entries = [EpochEntry(epoch, start) for epoch, start in read_epochs(path)]
        for earlier, later in itertools.pairwise(entries):
            if later.epoch <= earlier.epoch or later.start_offset < earlier.start_offset:
                raise CorruptFile(path, f"epoch {later.epoch} does not follow epoch {earlier.epoch}")
        return cls(path, files, entries)

    def entries(self) -> list[EpochEntry]:
        """All epochs, oldest first."""
        return list(self._entries)

    def announce(self, epoch: int, start_offset: int) -> None:
        """Begin `epoch` at `start_offset` without records; an epoch that is known, or older, changes nothing.

        Entries at or after `start_offset` go: an epoch that wrote nothing before the next began has no range.
        """
        if epoch <= self.latest_epoch or epoch < 0 or start_offset < 0:
            return
        kept = [entry for entry in self._entries if entry.start_offset < start_offset]
        self._replace([*kept, EpochEntry(epoch, start_offset)])

    def assign(self, epoch: int, start_offset: int) -> None:
        """Begin `epoch` as `announce` does, and see that the file has it. Raises OSError."""
        self.announce(epoch, start_offset)
        if self.saved_epoch != self.latest_epoch:
            self._save()

    def epoch_for_offset(self, offset: int) -> int:
        """The epoch that an offset was, or would be, written in; -1 when it is older than all that is known."""
        found = bisect_right(self._entries, offset, key=_start_offset)
        return self._entries[found - 1].epoch if found else UNDEFINED_EPOCH

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """The largest known epoch not above `epoch` and the offset where it ends, exclusive.

        (-1, -1) for an undefined epoch, one above the latest, or none known; an epoch older than the first answers
        with itself and the first epoch's start (KIP-101, KIP-279).
        """
        if epoch == UNDEFINED_EPOCH or not self._entries or epoch > self.latest_epoch:
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if epoch == self.latest_epoch:
            return epoch, log_end_offset
        found = bisect_right(self._entries, epoch, key=_epoch)
        end_offset = self._entries[found].start_offset
        return (self._entries[found - 1].epoch, end_offset) if found else (epoch, end_offset)

    def truncate_from_end(self, end_offset: int) -> None:
        """Forget epochs that begin at or after `end_offset`."""
        if self._entries and self._entries[-1].start_offset >= end_offset:
            self._replace([entry for entry in self._entries if entry.start_offset < end_offset])
            self._save()

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget epochs that ended at or before `start_offset`; the one that reaches over it begins there."""
        covering = bisect_right(self._entries, start_offset, key=_start_offset) - 1
        if covering < 0 or (covering == 0 and self._entries[0].start_offset == start_offset):
            return
        first = EpochEntry(self._entries[covering].epoch, start_offset)
        self._replace([first, *self._entries[covering + 1 :]])

    def clear(self) -> None:
        """Forget everything."""
        if self._entries:
            self._replace([])
            self._save()

    def _save(self) -> None:
        write_epochs(self._files, self.path, self._entries)
        self.saved_epoch = self.latest_epoch
        self.saves += 1

    def _replace(self, entries: list[EpochEntry]) -> None:
        self._entries = entries
        self.latest_epoch = entries[-1].epoch if entries else UNDEFINED_EPOCH


def _start_offset(entry: EpochEntry) -> int:
    return entry.start_offset


def _epoch(entry: EpochEntry) -> int:
    return entry.epoch
