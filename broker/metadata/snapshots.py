"""Snapshots of `__cluster_metadata`: `OFFSET-EPOCH.checkpoint` files that hold the state instead of its history.

A snapshot is record batches, as the log: a SnapshotHeader control batch first, a SnapshotFooter last. It stands for all
records below its end offset. Kafka: `RecordsSnapshotReader`, `Snapshots`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.record_batch import BatchHeader, CorruptBatch, check_crc, read_headers
from ...storage.checkpoints import CorruptFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"(\d{20})-(\d{10})\.checkpoint")


class SnapshotId(NamedTuple):
    """The end offset, exclusive, of what a snapshot stands for, and the epoch of the last record in it."""

    end_offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        """The snapshot's name in the log's directory."""
        return f"{self.end_offset:020d}-{self.epoch:010d}.checkpoint"


def newest_snapshot(directory: str) -> SnapshotId | None:
    """The snapshot with the highest end offset, None where there is none. An unfinished one has another suffix."""
    found = (_NAME.fullmatch(name) for name in os.listdir(directory))
    ids = [SnapshotId(int(match[1]), int(match[2])) for match in found if match is not None]
    return max(ids, default=None)


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
