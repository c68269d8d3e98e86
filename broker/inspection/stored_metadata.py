"""The cluster as the metadata log of a directory tells it, as far as the log can be read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ProtocolError
from ...protocol.records import read_records
from ...storage.batch_reader import BatchReader
from ...storage.checkpoints import CorruptFile
from ...storage.segment import LOG_SUFFIX
from ..metadata.image import MetadataImage, ReplayError
from ..metadata.metadata_records import decode_record
from ..metadata.snapshots import newest_snapshot, snapshot_batches
from ..metadata.transactions import TransactionFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...protocol.record_batch import BatchHeader
    from ...protocol.schema import Message
    from .listing import PartitionFolder

PROBLEMS_MAX: Final = 20

VERSION_NAMES: Final = {
    7: "3.3-IV3",
    8: "3.4-IV0",
    9: "3.5-IV0",
    10: "3.5-IV1",
    11: "3.5-IV2",
    12: "3.6-IV0",
    13: "3.6-IV1",
    14: "3.6-IV2",
    15: "3.7-IV0",
    16: "3.7-IV1",
    17: "3.7-IV2",
    18: "3.7-IV3",
    19: "3.7-IV4",
    20: "3.8-IV0",
    21: "3.9-IV0",
    22: "4.0-IV0",
    23: "4.0-IV1",
    24: "4.0-IV2",
    25: "4.0-IV3",
    26: "4.1-IV0",
    27: "4.1-IV1",
    28: "4.2-IV0",
    29: "4.2-IV1",
    30: "4.3-IV0",
    31: "4.4-IV0",
}
"""Kafka's names for the levels of metadata.version (`MetadataVersion`)."""


@dataclass(slots=True)
class StoredMetadata:
    """The image, where the log ends, and what could not be read; a problem names its file."""

    image: MetadataImage
    end_offset: int = 0
    leader_epoch: int = -1
    snapshots: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    transaction_is_open: bool = False


def read_metadata(folder: PartitionFolder, cluster_id: str, node_id: int) -> StoredMetadata:
    """Replay the newest snapshot and what follows it; records that cannot be taken in are passed over and named."""
    stored = StoredMetadata(MetadataImage(cluster_id, node_id))
    stored.snapshots = sorted(name for name in folder.sizes if name.endswith(".checkpoint"))
    transactions = TransactionFilter()
    for place, offset, record in _records(folder, stored):
        try:
            for _, decided in transactions.offer(offset, record):
                stored.image.replay(decided)
            stored.image.last_offset = max(stored.image.last_offset, offset)
        except ReplayError as error:
            _note(stored, f"{place}: offset {offset}: {error}")
    stored.transaction_is_open = transactions.is_open
    return stored


def _records(folder: PartitionFolder, stored: StoredMetadata) -> Iterator[tuple[str, int, Message]]:
    """(file, offset, record) of all that can be read."""
    start_offset = 0
    snapshot = newest_snapshot(folder.path)
    if snapshot is not None:
        path = os.path.join(folder.path, snapshot.file_name)
        try:
            for batch, header in snapshot_batches(path):
                for _, record in _decoded(path, batch, header, stored):
                    yield path, snapshot.end_offset - 1, record
            start_offset = stored.end_offset = snapshot.end_offset
            stored.leader_epoch = snapshot.epoch
        except (CorruptFile, OSError, ProtocolError) as error:
            _note(stored, _in_words(path, error))
    for base_offset in folder.segment_base_offsets:
        path = folder.file(base_offset, LOG_SUFFIX)
        try:
            with BatchReader(path) as reader:
                for _, batch, header in reader.batches():
                    stored.end_offset = max(stored.end_offset, header.next_offset)
                    stored.leader_epoch = max(stored.leader_epoch, header.partition_leader_epoch)
                    if header.base_offset >= start_offset:
                        for offset, record in _decoded(path, batch, header, stored):
                            yield path, offset, record
        except (OSError, ProtocolError) as error:
            _note(stored, _in_words(path, error))


def _decoded(
    path: str, batch: memoryview, header: BatchHeader, stored: StoredMetadata
) -> Iterator[tuple[int, Message]]:
    if header.is_control:
        return
    for record in read_records(batch, 0, header):
        try:
            yield record.offset, decode_record(record.value or b"")
        except ProtocolError as error:
            _note(stored, f"{path}: offset {record.offset}: {error}")


def _in_words(path: str, error: Exception) -> str:
    if isinstance(error, CorruptFile):
        return str(error)
    return f"{path}: {error.strerror if isinstance(error, OSError) else error}"


def _note(stored: StoredMetadata, problem: str) -> None:
    if len(stored.problems) < PROBLEMS_MAX:
        stored.problems.append(problem)
