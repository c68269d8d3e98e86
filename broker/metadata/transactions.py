"""Metadata transactions (KIP-868): records that count only when their END has been written.

Kafka's controller writes what is too much for one batch between BEGIN_TRANSACTION and END_TRANSACTION. Whoever reads
the log holds such records back, lets them go at the END, and forgets them at an ABORT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.stored.metadata import AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord
from .image import ReplayError

if TYPE_CHECKING:
    from ...protocol.schema import Message


class TransactionFilter:
    """Passes records on when they are decided. `is_open` after the last one: somebody must abort."""

    def __init__(self) -> None:
        self._held: list[tuple[int, Message]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a transaction has begun that has neither ended nor been aborted."""
        return self._held is not None

    def offer(self, offset: int, record: Message) -> list[tuple[int, Message]]:
        """The records that are decided now that `record` is there. ReplayError when transactions are nested wrongly."""
        if isinstance(record, BeginTransactionRecord):
            if self._held is not None:
                raise ReplayError("a transaction begins within another")
            self._held = []
            return []
        if isinstance(record, EndTransactionRecord | AbortTransactionRecord):
            return self._finish(keep=isinstance(record, EndTransactionRecord))
        if self._held is None:
            return [(offset, record)]
        self._held.append((offset, record))
        return []

    def _finish(self, *, keep: bool) -> list[tuple[int, Message]]:
        held, self._held = self._held, None
        if held is None:
            raise ReplayError("a transaction ends that has not begun")
        return held if keep else []
