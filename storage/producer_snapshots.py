"""`OFFSET.snapshot`: a partition's producers as they were when the log ended at OFFSET.

One is written when a segment rolls and when the log closes, so that opening replays only what came after. Only the
last batch of each producer is in it, which is Kafka's format: after a restart from a snapshot a duplicate of an older
batch is OUT_OF_ORDER_SEQUENCE_NUMBER there as well.
Kafka: `ProducerStateManager.writeSnapshot`, `ProducerSnapshot.json` version 1.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from crc32c import crc32c

from .checkpoints import CorruptFile, read_file
from .files import Files, remove_if_present, write_file
from .producer_state import BatchMetadata, ProducerEntry, ProducerState

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIX = ".snapshot"
VERSION = 1
_HEADER = struct.Struct(">hI")
_COUNT = struct.Struct(">i")
_ENTRY = struct.Struct(">qhiqiqiq")


class Snapshot(NamedTuple):
    """A snapshot that is to be written."""

    offset: int
    path: str
    content: bytes


def snapshot_path(directory: str, offset: int) -> str:
    """Where the snapshot of a log that ends at `offset` lies."""
    return f"{directory}/{offset:020d}{SUFFIX}"


def encode_snapshot(entries: Iterable[ProducerEntry]) -> bytes:
    """The file's bytes."""
    packed = [_pack(entry) for entry in entries]
    body = _COUNT.pack(len(packed)) + b"".join(packed)
    return _HEADER.pack(VERSION, crc32c(body)) + body


def _pack(entry: ProducerEntry) -> bytes:
    last = entry.batches[-1] if entry.batches else BatchMetadata(-1, -1, 0, -1)
    return _ENTRY.pack(
        entry.producer_id,
        entry.epoch,
        last.last_sequence,
        last.last_offset,
        last.offset_delta,
        entry.last_timestamp,
        entry.coordinator_epoch,
        entry.txn_first_offset,
    )


def read_snapshot(path: str) -> list[ProducerEntry]:
    """Read a snapshot file. Raises CorruptFile."""
    content = read_file(path)
    if len(content) < _HEADER.size + _COUNT.size:
        raise CorruptFile(path, f"is {len(content)} bytes short")
    version, crc = _HEADER.unpack_from(content)
    body = memoryview(content)[_HEADER.size :]
    if version != VERSION:
        raise CorruptFile(path, f"has version {version}, only {VERSION} is known")
    if crc != crc32c(body):
        raise CorruptFile(path, "does not match its CRC")
    (count,) = _COUNT.unpack_from(body)
    if count * _ENTRY.size != len(body) - _COUNT.size:
        raise CorruptFile(path, f"announces {count} producers in {len(body)} bytes")
    return [_unpack(fields) for fields in _ENTRY.iter_unpack(body[_COUNT.size :])]


def _unpack(fields: tuple[int, ...]) -> ProducerEntry:
    producer_id, epoch, last_sequence, last_offset, offset_delta, timestamp, coordinator_epoch, txn_first = fields
    batches = [BatchMetadata(last_sequence, last_offset, offset_delta, timestamp)] if last_offset >= 0 else []
    return ProducerEntry(producer_id, epoch, coordinator_epoch, timestamp, max(txn_first, -1), batches)


class ProducerSnapshots:
    """The snapshot files of one partition's folder, by offset ascending."""

    __slots__ = ("_directory", "_files", "last_offset", "offsets")

    def __init__(self, directory: str, files: Files, offsets: Iterable[int] = (), last_offset: int = 0) -> None:
        self._directory = directory
        self._files = files
        self.offsets = sorted(offsets)
        # The end of the log when the latest snapshot was written; an older state is not written again.
        self.last_offset = last_offset

    def take(self, state: ProducerState) -> None:
        """Write a snapshot, unless the log has not grown since the last one. Raises OSError."""
        snapshot = self.due(state)
        if snapshot is not None:
            write_file(self._files, snapshot.path, snapshot.content, sync=False)
            self.written(snapshot)

    def due(self, state: ProducerState) -> Snapshot | None:
        """What is to be written now, by this caller; None when the log has not grown since the last one."""
        offset = state.map_end_offset
        if offset <= self.last_offset:
            return None
        return Snapshot(offset, self.path(offset), encode_snapshot(state.entries.values()))

    def written(self, snapshot: Snapshot) -> None:
        """Take note of a file that is there now."""
        if snapshot.offset not in self.offsets:
            self.offsets = sorted([*self.offsets, snapshot.offset])
        self.last_offset = max(self.last_offset, snapshot.offset)

    def load_latest(self, state: ProducerState, log_start_offset: int, now_ms: int, expiration_ms: int) -> str | None:
        """Fill `state` from the latest snapshot that can be read; broken ones are removed.

        Returns a sentence about the broken ones for the log, or None. Without a snapshot the state is empty and ends
        at the log start offset.
        """
        problems = []
        while self.offsets:
            offset = self.offsets[-1]
            try:
                entries = read_snapshot(self.path(offset))
            except (CorruptFile, FileNotFoundError) as error:
                problems.append(str(error))
                self.remove(offset)
                continue
            state.load(entries, offset)
            state.expire(now_ms, expiration_ms)
            self.last_offset = offset
            break
        else:
            state.clear(log_start_offset)
            self.last_offset = log_start_offset
        return "; ".join(problems) or None

    def remove(self, offset: int) -> None:
        """Remove the snapshot at `offset`."""
        self.offsets.remove(offset)
        remove_if_present(self._files, self.path(offset))

    def remove_outside(self, log_start_offset: int, log_end_offset: int) -> None:
        """Remove snapshots of what the log no longer holds."""
        for offset in list(self.offsets):
            if offset > log_end_offset or offset <= log_start_offset:
                self.remove(offset)

    def remove_strays(self, base_offsets: Iterable[int]) -> None:
        """Keep those at a segment's base offset, and the latest one when it is beyond all segments' bases."""
        bases = set(base_offsets)
        newest = self.offsets[-1] if self.offsets and self.offsets[-1] > max(bases, default=-1) else None
        for offset in list(self.offsets):
            if offset not in bases and offset != newest:
                self.remove(offset)

    def release(self, offset: int) -> str | None:
        """Give up the snapshot at `offset` without removing the file; its path, when there is one."""
        if offset not in self.offsets:
            return None
        self.offsets.remove(offset)
        return self.path(offset)

    def path(self, offset: int) -> str:
        """The file of the snapshot at `offset`."""
        return snapshot_path(self._directory, offset)
