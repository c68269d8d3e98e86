"""`.txnindex`: the transactions that were aborted in a segment.

34 bytes an entry, big-endian: version 0, producer id, first offset, last offset (its abort marker), and the last
stable offset once the marker was written. A read_committed consumer is told the aborted ones in what it fetches.
Most segments have none, so the file appears with the first entry.
Kafka: `TransactionIndex`, `AbortedTxn`.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from .files import open_or_create, write_whole
from .offset_index import CorruptIndex

if TYPE_CHECKING:
    from .files import Files

VERSION = 0
_ENTRY = struct.Struct(">hqqqq")
ENTRY_BYTES = _ENTRY.size


class AbortedTxn(NamedTuple):
    """One aborted transaction; all offsets are absolute, `last_offset` is that of the abort marker."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TxnIndex:
    """Aborted transactions of one segment, in the order of their markers."""

    __slots__ = ("_entries", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._entries: list[AbortedTxn] | None = None

    def entries(self) -> list[AbortedTxn]:
        """All entries. Raises CorruptIndex."""
        if self._entries is None:
            self._entries = self._load()
        return self._entries

    def append(self, files: Files, aborted: AbortedTxn) -> None:
        """Add a transaction whose abort marker was appended just now."""
        entries = self.entries()
        if entries and aborted.last_offset <= entries[-1].last_offset:
            raise CorruptIndex(f"{self.path}: marker {aborted.last_offset} after {entries[-1].last_offset}")
        descriptor = open_or_create(files, self.path)
        try:
            write_whole(files, descriptor, _ENTRY.pack(VERSION, *aborted), len(entries) * ENTRY_BYTES)
        finally:
            os.close(descriptor)
        entries.append(aborted)

    def collect(self, fetch_offset: int, upper_bound_offset: int) -> tuple[list[AbortedTxn], bool]:
        """The transactions that overlap [fetch_offset, upper_bound_offset).

        The flag says that the search is complete: a later segment cannot hold another one, since an entry's last
        stable offset reaches the upper bound.
        """
        found = []
        for aborted in self.entries():
            if aborted.last_offset >= fetch_offset and aborted.first_offset < upper_bound_offset:
                found.append(aborted)
            if aborted.last_stable_offset >= upper_bound_offset:
                return found, True
        return found, False

    def truncate_to(self, files: Files, offset: int) -> None:
        """Forget transactions whose marker is at or above `offset`."""
        entries = self.entries()
        kept = [aborted for aborted in entries if aborted.last_offset < offset]
        if len(kept) == len(entries):
            return
        descriptor = open_or_create(files, self.path)
        try:
            files.ftruncate(descriptor, len(kept) * ENTRY_BYTES)
        finally:
            os.close(descriptor)
        self._entries = kept

    def clear(self, files: Files) -> None:
        """Forget everything, also a file that cannot be read, before a rebuild."""
        if os.path.exists(self.path):
            files.unlink(self.path)
        self._entries = []

    def _load(self) -> list[AbortedTxn]:
        try:
            with open(self.path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return []
        if len(content) % ENTRY_BYTES:
            raise CorruptIndex(f"{self.path}: {len(content)} bytes are not whole entries of {ENTRY_BYTES}")
        entries = []
        for version, *fields in _ENTRY.iter_unpack(content):
            if version > VERSION:
                raise CorruptIndex(f"{self.path}: an entry of version {version}, only {VERSION} is known")
            entries.append(AbortedTxn(*fields))
        return entries
