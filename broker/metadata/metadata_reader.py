"""Reading `__cluster_metadata-0`: the newest snapshot, then the log behind it. Nothing is written.

What is not understood is refused with its file, its offset and its name, so that nobody replays half a history.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ProtocolError
from ...protocol.record_batch import CorruptBatch, check_crc
from ...protocol.records import read_records
from ...storage.checkpoints import CorruptFile
from .kraft_state import KRaftState
from .metadata_records import decode_record
from .snapshots import SnapshotId, newest_snapshot, snapshot_batches, snapshots_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...protocol.record_batch import BatchHeader
    from ...protocol.schema import Message
    from ...storage.log import Log

BOOTSTRAP_FILE: Final = "bootstrap.checkpoint"
_WAY_OUT = "whoever wrote it is newer than this broker: open the directory with that version"


class UnreadableMetadata(Exception):
    """A metadata log with something that this broker does not understand; the message names it and its offset."""


class MetadataReader:
    """One reading of the log; what it learnt beside the records stands in its attributes afterwards."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._directory = log.directory
        self.kraft = KRaftState()
        self.snapshot: SnapshotId | None = None
        """The one that the records began with."""
        self.logged_bytes = 0
        """Of the batches that were read behind the snapshot."""
        self.last_timestamp_ms = 0
        """When the last batch was appended."""

    def read(self) -> Iterator[tuple[int, Message]]:
        """Every record with its offset. UnreadableMetadata at the first strange one, CorruptFile, OSError."""
        start_offset = self._log.log_start_offset
        self.snapshot = newest_snapshot(self._directory)
        if self.snapshot is not None and self.snapshot.end_offset >= start_offset:
            yield from self._snapshot_records(self.snapshot)
            start_offset = self.snapshot.end_offset
        elif start_offset > 0:
            raise UnreadableMetadata(
                f"{self._directory} begins at offset {start_offset} without a snapshot of what was before; "
                "restore the newest .checkpoint file from a copy of the directory"
            )
        try:
            for batch, header in self._log.batches(start_offset):
                if header.base_offset >= start_offset:
                    check_crc(batch, 0, header)
                    self.logged_bytes += header.size_bytes
                    self.last_timestamp_ms = header.max_timestamp
                    yield from self._records_of(batch, header, self._directory, is_logged=True)
        except CorruptBatch as error:
            raise UnreadableMetadata(
                f"{self._directory}: {error}; restore the directory from a copy that is whole"
            ) from error

    def bootstrap_records(self) -> list[Message]:
        """What `kafka-storage format` left for the first start: `bootstrap.checkpoint` beside the log's directory."""
        path = os.path.join(os.path.dirname(self._directory), BOOTSTRAP_FILE)
        try:
            batches = list(snapshot_batches(path))
        except FileNotFoundError:
            return []
        except CorruptFile as error:
            raise UnreadableMetadata(
                f"{error}; restore it, or remove it: the cluster then begins with this broker's features"
            ) from error
        found = (self._records_of(batch, header, path, is_logged=False) for batch, header in batches)
        return [record for records in found for _, record in records]

    def _snapshot_records(self, snapshot: SnapshotId) -> Iterator[tuple[int, Message]]:
        path = os.path.join(self._directory, snapshot.file_name)
        # What formatting leaves stands for no record of the log: its voters are still to be written there.
        is_logged = snapshot.end_offset > 0
        try:
            for batch, header in snapshot_batches(path):
                for _, record in self._records_of(batch, header, path, is_logged=is_logged):
                    yield snapshot.end_offset - 1, record
        except CorruptFile as error:
            raise UnreadableMetadata(
                f"{error}; restore this file from a copy of the directory{self._or_remove()}"
            ) from error

    def _or_remove(self) -> str:
        """A broken snapshot is not needed when the log still holds all that it stands for."""
        older = snapshots_in(self._directory)[:-1]
        reached_back = max((snapshot.end_offset for snapshot in older), default=0)
        return (
            ", or remove it: the log still holds what it stands for"
            if reached_back >= self._log.log_start_offset
            else ""
        )

    def _records_of(
        self, batch: memoryview, header: BatchHeader, source: str, *, is_logged: bool
    ) -> Iterator[tuple[int, Message]]:
        for record in read_records(batch, 0, header):
            try:
                if header.is_control:
                    self.kraft.replay(record, is_logged=is_logged)
                else:
                    yield record.offset, decode_record(record.value or b"")
            except ProtocolError as error:
                raise UnreadableMetadata(f"{source} at offset {record.offset}: {error}; {_WAY_OUT}") from error
