"""Transaction markers as batches whose place in a log is known."""

from __future__ import annotations

from ottla.protocol.control_records import build_end_txn_batch
from ottla.protocol.record_batch import stamp


def end_txn_batch(*, base_offset: int, partition_leader_epoch: int = -1, **fields: int) -> bytearray:
    """What `build_end_txn_batch` makes of the other fields, as a log would stamp it."""
    batch, _ = build_end_txn_batch(commit=bool(fields.pop("commit")), **fields)
    stamp(batch, 0, base_offset, partition_leader_epoch)
    return batch
