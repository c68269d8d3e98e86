"""Snapshots of `__cluster_metadata`: `OFFSET-EPOCH.checkpoint` files that hold the state instead of its history.

A snapshot is record batches, as the log: a SnapshotHeader control batch first, a SnapshotFooter last. It stands for all
records below its end offset. One that is being written has the suffix `.part`, one that was given up `.deleted`.
Kafka: `RecordsSnapshotReader`, `RecordsSnapshotWriter`, `Snapshots`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.compiler import decode
from ...protocol.control_records import (
    ControlRecordType,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    control_batch,
    control_record_type,
)
from ...protocol.errors import ProtocolError
from ...protocol.record_batch import BatchHeader, CorruptBatch, check_crc, read_header, read_headers
from ...protocol.records import Record, build_batch, read_records
from ...storage.checkpoints import CorruptFile
from ...storage.files import create_file, remove_if_present, sync_directory, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...protocol.schema import Message
    from ...storage.files import Files

PART_SUFFIX: Final = ".part"
DELETED_SUFFIX: Final = ".deleted"
_NAME = re.compile(r"(\d{20})-(\d{10})\.checkpoint")
# Kafka's own unfinished files have random digits before their suffix.
_LEFTOVER = re.compile(r"\d{20}-\d{10}(-\d+)?\.checkpoint\.(part|deleted)")
_RECORDS_PER_BATCH = 1024
_BYTES_PER_BATCH = 1 << 20
_HEADER_BYTES_MAX = 1 << 16


class SnapshotId(NamedTuple):
    """The end offset, exclusive, of what a snapshot stands for, and the epoch of the last record in it."""

    end_offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        """The snapshot's name in the log's directory."""
        return f"{self.end_offset:020d}-{self.epoch:010d}.checkpoint"


def snapshots_in(directory: str) -> list[SnapshotId]:
    """Every snapshot that is there, the oldest first; none where there is no directory.

    An unfinished one has another suffix.
    """
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = (_NAME.fullmatch(name) for name in names)
    return sorted(SnapshotId(int(match[1]), int(match[2])) for match in found if match is not None)


def newest_snapshot(directory: str) -> SnapshotId | None:
    """The snapshot with the highest end offset, None where there is none."""
    return max(snapshots_in(directory), default=None)


def leftovers_in(directory: str) -> list[str]:
    """Paths of snapshots that were never finished, or that were given up."""
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if _LEFTOVER.fullmatch(name)]


# Reading


def snapshot_batches(path: str) -> Iterator[tuple[memoryview, BatchHeader]]:
    """The batches of a snapshot, checked. CorruptFile when one is not whole; FileNotFoundError."""
    with open(path, "rb") as file:
        content = memoryview(file.read())
    try:
        for position, header in read_headers(content):
            check_crc(content, position, header)
            yield content[position : position + header.size_bytes], header
    except CorruptBatch as error:
        raise CorruptFile(path, str(error)) from error


def last_contained_timestamp(path: str) -> int:
    """When the last record that a snapshot stands for was appended, in milliseconds. OSError, CorruptFile."""
    with open(path, "rb") as file:
        content = memoryview(file.read(_HEADER_BYTES_MAX))
    try:
        first = next(read_records(content, 0, read_header(content)))
        if control_record_type(first) is not ControlRecordType.SNAPSHOT_HEADER:
            raise CorruptFile(path, "does not begin with a SnapshotHeader")
        return decode(SnapshotHeaderRecord, first.value or b"", 0).last_contained_log_timestamp
    except (ProtocolError, StopIteration) as error:
        raise CorruptFile(path, f"has no header that can be read: {error}") from error


# Writing


def snapshot_content(
    records: Iterable[bytes], kraft: Sequence[Message], *, epoch: int, last_timestamp_ms: int, now_ms: int
) -> Iterator[bytearray]:
    """The batches of a snapshot: header with what the quorum is (`kraft`), the encoded records, footer."""
    header = SnapshotHeaderRecord(last_contained_log_timestamp=last_timestamp_ms)
    yield control_batch([header, *kraft], base_offset=0, partition_leader_epoch=epoch, timestamp_ms=now_ms)
    offset = 1 + len(kraft)
    for values in _grouped(records):
        yield build_batch(
            [Record(offset + i, now_ms, None, value) for i, value in enumerate(values)],
            base_offset=offset,
            partition_leader_epoch=epoch,
        )
        offset += len(values)
    yield control_batch([SnapshotFooterRecord()], base_offset=offset, partition_leader_epoch=epoch, timestamp_ms=now_ms)


def _grouped(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """At most as many records a batch as Kafka's SnapshotEmitter puts into one, and not too many bytes."""
    group: list[bytes] = []
    size_bytes = 0
    for value in records:
        group.append(value)
        size_bytes += len(value)
        if len(group) == _RECORDS_PER_BATCH or size_bytes >= _BYTES_PER_BATCH:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


def write_snapshot(files: Files, directory: str, snapshot: SnapshotId, batches: Iterable[bytearray]) -> int:
    """Put a snapshot in place, whole and on the disk, or not at all; return its bytes. Raises OSError."""
    path = os.path.join(directory, snapshot.file_name)
    part = path + PART_SUFFIX
    try:
        size_bytes = _write_part(files, part, batches)
    except OSError:
        remove_if_present(files, part)
        raise
    files.rename(part, path)
    sync_directory(files, directory)
    return size_bytes


def _write_part(files: Files, part: str, batches: Iterable[bytearray]) -> int:
    descriptor = create_file(files, part)
    position = 0
    try:
        for batch in batches:
            write_whole(files, descriptor, batch, position)
            position += len(batch)
        files.fsync(descriptor)
        # Readable by all and writable by none: nobody changes a snapshot.
        os.fchmod(descriptor, 0o444)
    finally:
        os.close(descriptor)
    return position
