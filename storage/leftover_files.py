"""What a process that was killed left under way in a partition's folder: deletions, cleanings, replaced files.

A `.deleted` file goes. A `.cleaned` file was never complete. A `.swap` file is complete and takes the place of every
segment whose offsets it covers. A `.tmp` file did not get its name.
Kafka: `LogLoader.removeTempFilesAndCollectSwapFiles` and the passes after it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .cleaned_segment import CLEANED_SUFFIX, SWAP_SUFFIX
from .files import remove_if_present
from .leader_epochs import LEADER_EPOCH_FILE
from .producer_snapshots import SUFFIX as SNAPSHOT_SUFFIX
from .segment import DELETED_SUFFIX, LOG_SUFFIX, SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

    from .files import Files

_TEMPORARY_SUFFIX = ".tmp"
_LEFTOVERS = (DELETED_SUFFIX, _TEMPORARY_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX)
# A snapshot of the metadata that was given up keeps its file for a while, see `snapshot_generator`.
_KEPT = ".checkpoint" + DELETED_SUFFIX
_SEGMENT_FILE = re.compile(r"(\d{20})(\.[a-z]+)(\.[a-z]+)?")


class LeftoverFiles:
    """`sizes` is what the folder holds, by name; it is kept true. Each step raises OSError."""

    def __init__(self, directory: str, sizes: dict[str, int], files: Files) -> None:
        self._directory = directory
        self._sizes = sizes
        self._files = files
        self.notes: list[str] = []
        """What was done, for people."""

    def settle(self, end_of_swap: Callable[[str], int]) -> None:
        """Finish or undo everything; `end_of_swap` says where the offsets of a `.log.swap` file end, exclusive."""
        leftovers = [name for name in self._sizes if name.endswith(_LEFTOVERS)]
        if not leftovers:
            return
        for name in leftovers:
            is_deleted = name.endswith(DELETED_SUFFIX) and not name.endswith(_KEPT)
            if is_deleted or name == LEADER_EPOCH_FILE + _TEMPORARY_SUFFIX or self._is_temporary_snapshot(name):
                self._remove(name)
        self._undo_cleaning()
        self._finish_swap(end_of_swap)

    @staticmethod
    def _is_temporary_snapshot(name: str) -> bool:
        return name.endswith(SNAPSHOT_SUFFIX + _TEMPORARY_SUFFIX)

    def _undo_cleaning(self) -> None:
        """A `.swap` at or above the first `.cleaned` file belongs to a split that was not complete either."""
        cleaned = self._numbered(CLEANED_SUFFIX)
        if not cleaned:
            return
        first = min(base for _, base in cleaned)
        swapped = [(name, base) for name, base in self._numbered(SWAP_SUFFIX) if base >= first]
        for name, _ in [*cleaned, *swapped]:
            self._remove(name)
        self.notes.append("an unfinished compaction undone")

    def _finish_swap(self, end_of_swap: Callable[[str], int]) -> None:
        swapped = self._numbered(SWAP_SUFFIX)
        if not swapped:
            return
        logs = [(base, name) for name, base in swapped if name.endswith(LOG_SUFFIX + SWAP_SUFFIX)]
        if logs:
            first, end = min(logs)[0], end_of_swap(max(logs)[1])
            for name, base in self._numbered(""):
                if name[20:] in SUFFIXES and first <= base < end:
                    self._remove(name)
        for name, _ in swapped:
            target = name.removesuffix(SWAP_SUFFIX)
            self._files.rename(os.path.join(self._directory, name), os.path.join(self._directory, target))
            self._sizes[target] = self._sizes.pop(name)
        self.notes.append("a finished compaction put in place")

    def _numbered(self, suffix: str) -> list[tuple[str, int]]:
        """(name, base offset) of the files of segments that end so."""
        return [
            (name, int(name[:20])) for name in self._sizes if name.endswith(suffix) and _SEGMENT_FILE.fullmatch(name)
        ]

    def _remove(self, name: str) -> None:
        remove_if_present(self._files, os.path.join(self._directory, name))
        self._sizes.pop(name, None)
