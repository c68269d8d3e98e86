"""Brings producer state up to the end of a log: from a snapshot, then batch by batch.

The same for opening, recovery and truncation, so that all three end in the state that appending had.
Kafka: `UnifiedLog.rebuildProducerState`, `LogSegment.updateProducerState`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ..protocol.record_batch import CorruptBatch
from ..protocol.records import read_records
from .producer_state import EndTxnMarker
from .txn_index import AbortedTxn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..protocol.record_batch import BatchHeader
    from .files import Files
    from .producer_state import CompletedTxn, ProducerState
    from .segment import Segment

_CONTROL_KEY = struct.Struct(">hh")
_COORDINATOR_EPOCH = struct.Struct(">2xi")
_ABORT, _COMMIT = 0, 1


def end_txn_marker(data: memoryview, header: BatchHeader) -> EndTxnMarker | None:
    """The marker in a control batch; None when the batch is empty or holds something else.

    Raises CorruptBatch.
    """
    for record in read_records(data, 0, header):
        if record.key is None or len(record.key) < _CONTROL_KEY.size:
            return None
        _, control_type = _CONTROL_KEY.unpack_from(record.key)
        if control_type not in (_ABORT, _COMMIT) or record.value is None:
            return None
        if len(record.value) < _COORDINATOR_EPOCH.size:
            raise CorruptBatch(f"the marker at offset {record.offset} has a value of {len(record.value)} bytes")
        (coordinator_epoch,) = _COORDINATOR_EPOCH.unpack_from(record.value)
        return EndTxnMarker(control_type == _ABORT, coordinator_epoch)
    return None


def replay_batch(producers: ProducerState, data: memoryview, header: BatchHeader) -> CompletedTxn | None:
    """Count one batch that is in the log; return the transaction that it ends."""
    completed = None
    if header.producer_id >= 0:
        marker = end_txn_marker(data, header) if header.is_control else None
        completed = producers.record(header, header.base_offset, marker)
    producers.map_end_offset = header.next_offset
    return completed


def index_completed(producers: ProducerState, segment: Segment, completed: CompletedTxn, files: Files) -> None:
    """Note an aborted transaction beside the segment that holds its marker."""
    if completed.is_aborted:
        stable_offset = producers.stable_offset_after(completed)
        segment.txn_index.append(
            files, AbortedTxn(completed.producer_id, completed.first_offset, completed.last_offset, stable_offset)
        )


def replay_producers(producers: ProducerState, segments: Iterable[Segment], end_offset: int) -> None:
    """Count all batches from the state's end up to `end_offset`; transaction indexes are left as they are."""
    start_offset = producers.map_end_offset
    if start_offset >= end_offset:
        return
    ordered = list(segments)
    for segment, following in zip(ordered, [*ordered[1:], None], strict=True):
        if segment.base_offset >= end_offset or (following is not None and following.base_offset <= start_offset):
            continue
        position = segment.position_of(start_offset)
        if position is None:
            continue
        for _, data, header in segment.batches(position):
            if header.base_offset >= end_offset:
                break
            if header.base_offset >= start_offset:
                replay_batch(producers, data, header)
    producers.map_end_offset = end_offset
