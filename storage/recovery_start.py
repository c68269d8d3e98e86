"""How far a segment can be believed after a crash, so that not all of it is read again.

The recovery point says what is on the disk, but not at which position, nor what the producers had written by then. Both
are known where a stop, or an earlier recovery, left a producer snapshot inside the segment: the last index entry below
it names a batch, and when that batch is there, whole and of the epoch that the epochs' file has for it, everything up
to its end may be believed. Whatever does not fit means that the segment is read from its start, which is always right;
so does every trace of a transaction, since nothing here could prove that the list of aborted ones is whole.
Kafka reads the whole segment (`LogLoader.recoverLog`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..protocol.errors import ProtocolError
from ..protocol.record_batch import check_crc
from .checkpoints import CorruptFile
from .offset_index import CorruptIndex
from .producer_snapshots import read_snapshot

if TYPE_CHECKING:
    from .leader_epochs import LeaderEpochs
    from .producer_snapshots import ProducerSnapshots
    from .segment import Segment


class TrustedStart(NamedTuple):
    """Where reading may begin: an offset, its position, and the offset of the snapshot that has the producers."""

    offset: int
    position: int
    producers_offset: int


def trusted_start(
    segment: Segment, recovery_point: int, snapshots: ProducerSnapshots, leader_epochs: LeaderEpochs
) -> TrustedStart | None:
    """The last place that can be proven, with the segment's indexes cut to it; None when there is none."""
    known = [offset for offset in snapshots.offsets if segment.base_offset < offset <= recovery_point]
    if not known:
        return None
    try:
        if segment.txn_index.entries() or _has_transactions(snapshots.path(known[-1])):
            return None
        return _last_indexed_batch(segment, known[-1], leader_epochs)
    except (FileNotFoundError, CorruptFile, CorruptIndex, ProtocolError):
        return None


def _has_transactions(snapshot_path: str) -> bool:
    return any(entry.coordinator_epoch >= 0 or entry.txn_first_offset >= 0 for entry in read_snapshot(snapshot_path))


def _last_indexed_batch(segment: Segment, end_offset: int, leader_epochs: LeaderEpochs) -> TrustedStart | None:
    segment.load_indexes()
    offsets, times = segment.offset_index, segment.time_index
    offsets.truncate_to(end_offset)
    if not len(offsets):
        return None
    last_offset = offsets.last_offset
    times.truncate_to(last_offset + 1)
    position, data, header = next(segment.batches(offsets.lookup(last_offset)))
    check_crc(data, 0, header)
    if (
        header.last_offset != last_offset
        or header.max_timestamp > times.last_entry[0]
        or header.partition_leader_epoch != leader_epochs.epoch_for_offset(header.base_offset)
    ):
        return None
    segment.resume_after(header)
    return TrustedStart(header.next_offset, position + header.size_bytes, end_offset)
