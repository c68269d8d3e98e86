"""Which transactions a cleaning meets on its way through a log, and which of their markers may go.

The records of an aborted transaction go at once. A marker stays until no batch of its transaction is left, and an
aborted one keeps its entry in the transaction index that long.
Kafka: `CleanedTransactionMetadata`.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .producer_replay import end_txn_marker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..protocol.record_batch import BatchHeader
    from .txn_index import AbortedTxn


class CleanedTransactions:
    """The transactions under way at the batch that was met last; batches are met in the order of their offsets."""

    __slots__ = ("_aborted", "_ahead", "_committed", "_with_batches", "kept")

    def __init__(self) -> None:
        self._ahead: list[tuple[int, AbortedTxn]] = []  # by first offset
        self._aborted: dict[int, AbortedTxn] = {}  # by producer id
        self._with_batches: set[int] = set()  # producer ids of aborted ones of which a batch was met
        self._committed: set[int] = set()  # producer ids of others of which a batch was met
        self.kept: list[AbortedTxn] = []
        """What belongs into the transaction index of the segment that is being written."""

    def add_aborted(self, aborted: Iterable[AbortedTxn]) -> None:
        """Take in what the transaction index says of the batches that come next; repeating is harmless."""
        for txn in aborted:
            heapq.heappush(self._ahead, (txn.first_offset, txn))

    def is_aborted(self, header: BatchHeader) -> bool:
        """Meet a batch of records; says whether its transaction was aborted."""
        self._begin_up_to(header.last_offset)
        if not header.is_transactional:
            return False
        if header.producer_id in self._aborted:
            self._with_batches.add(header.producer_id)
            return True
        self._committed.add(header.producer_id)
        return False

    def is_obsolete_marker(self, data: memoryview, header: BatchHeader) -> bool:
        """Meet a control batch; says whether no batch of its transaction was met any more. Raises CorruptBatch."""
        self._begin_up_to(header.last_offset)
        if not header.record_count:
            return True
        marker = end_txn_marker(data, header)
        if marker is None:
            return False
        producer_id = header.producer_id
        if not marker.is_abort:
            has_batches = producer_id in self._committed
            self._committed.discard(producer_id)
            return not has_batches
        aborted = self._aborted.pop(producer_id, None)
        if aborted is None or producer_id not in self._with_batches:
            return True
        self._with_batches.discard(producer_id)
        self.kept.append(aborted)
        return False

    def _begin_up_to(self, offset: int) -> None:
        ahead = self._ahead
        while ahead and ahead[0][0] <= offset:
            txn = heapq.heappop(ahead)[1]
            self._aborted.setdefault(txn.producer_id, txn)
