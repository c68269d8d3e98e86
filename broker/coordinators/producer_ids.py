"""Producer ids for idempotent producers: handed out one by one from blocks that the metadata log reserved.

An id is never given twice: a block is on record before its first id leaves, and what is left of a block is lost at a
restart. Kafka: `RPCProducerIdManager`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ProducerIds:
    """Gives ids; `reserve_block` records the next block before it returns it."""

    def __init__(self, reserve_block: Callable[[], range]) -> None:
        self._reserve_block = reserve_block
        self._block = iter(range(0))

    def next_id(self) -> int:
        """An id that no producer of this cluster has had."""
        producer_id = next(self._block, None)
        if producer_id is None:
            self._block = iter(self._reserve_block())
            producer_id = next(self._block)
        return producer_id
