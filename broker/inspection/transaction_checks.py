"""`.txnindex` files against the abort markers of their logs, while the logs are walked.

A missing entry is the worst that can happen here: consumers that read only what was committed would be given records
of an aborted transaction. Kafka: `TransactionIndex`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...storage.producer_replay import end_txn_marker
from ...storage.txn_index import ENTRY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...protocol.record_batch import BatchHeader
    from ...storage.txn_index import AbortedTxn

    Report = Callable[[int | None, str], None]


class OpenTransactions:
    """Where each producer's transaction began, as far as the log that was walked so far can tell."""

    def __init__(self) -> None:
        self._first_offsets: dict[int, int] = {}

    def forget(self) -> None:
        """Something is missing in the log: beginnings and ends may be."""
        self._first_offsets.clear()

    def see(self, data: memoryview, header: BatchHeader) -> tuple[int, int | None] | None:
        """An abort marker as (producer id, where its transaction began or None); None for any other batch."""
        if not header.has_producer_id or not header.is_transactional:
            return None
        if not header.is_control:
            self._first_offsets.setdefault(header.producer_id, header.base_offset)
            return None
        marker = end_txn_marker(data, header)
        if marker is None:
            return None
        first_offset = self._first_offsets.pop(header.producer_id, None)
        return (header.producer_id, first_offset) if marker.is_abort else None


class TxnIndexCheck:
    """The entries of one segment; each marker takes the entry that is its own."""

    def __init__(self, entries: Sequence[AbortedTxn], report: Report) -> None:
        self._by_marker = {entry.last_offset: (number, entry) for number, entry in enumerate(entries)}
        self._report = report
        previous = -1
        for number, entry in enumerate(entries):
            if entry.last_offset <= previous:
                report(number * ENTRY_BYTES, f"marker {entry.last_offset} does not follow {previous}")
            if not entry.first_offset <= entry.last_offset or entry.last_stable_offset > entry.last_offset + 1:
                report(number * ENTRY_BYTES, f"{entry} has offsets that cannot be")
            previous = entry.last_offset

    def see_abort(self, marker_offset: int, producer_id: int, first_offset: int | None) -> None:
        """An abort marker in the log."""
        found = self._by_marker.pop(marker_offset, None)
        if found is None:
            if first_offset is not None:
                self._report(
                    None,
                    f"has no entry for the transaction of producer {producer_id} from offset {first_offset}, "
                    f"aborted at {marker_offset}: its records would be read as committed",
                )
            return
        number, entry = found
        if entry.producer_id != producer_id:
            self._report(
                number * ENTRY_BYTES,
                f"names producer {entry.producer_id}, the marker at offset {marker_offset} is of {producer_id}",
            )
        elif first_offset is not None and entry.first_offset > first_offset:
            self._report(
                number * ENTRY_BYTES,
                f"says that the transaction began at {entry.first_offset}, it began at {first_offset}",
            )

    def finish(self) -> None:
        """The log ends: entries that are left have no marker."""
        for number, entry in self._by_marker.values():
            self._report(number * ENTRY_BYTES, f"names an abort marker at offset {entry.last_offset}, there is none")
