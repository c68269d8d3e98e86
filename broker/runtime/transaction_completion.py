"""Ends one prepared transaction: a marker in each of its partitions, then the record that says that all have it.

Each step begins when the one before is committed. Many partitions are marked a few at a time, so that others get
their turn. A partition that cannot be written now is tried again; one that is gone needs no marker. A marker that is
refused for its epoch ends the attempt: somebody else has decided on that producer meanwhile.
Kafka: `TransactionMarkerChannelManager`, `TransactionMarkerRequestCompletionHandler`.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from ...protocol.errors import ErrorCode
from ..coordinators.transaction_state import TransactionState
from .transaction_markers import Marker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coordinators.transaction_metadata import TopicPartition
    from ..coordinators.transaction_records import TransactionRecord
    from ..coordinators.transaction_shard import Completion
    from .partitions import Partition, Partitions
    from .transaction_coordinators import HostedTransactions
    from .transaction_markers import TransactionMarkers

logger = logging.getLogger(__name__)

MARKERS_PER_TURN: Final = 50
RETRY_BACKOFF_MS: Final = 1000
_NONE: Final = ErrorCode.NONE
_PREPARE_COMMIT: Final = TransactionState.PREPARE_COMMIT
# What a NamedTuple's own constructor ends in.
_new_tuple = tuple.__new__
_FENCED: Final = (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED)


class Finisher(Protocol):
    """What a completion needs of the coordinators."""

    def finish(self, hosted: HostedTransactions, record: TransactionRecord) -> None:
        """Write that all markers are written."""
        ...

    def later(self, hosted: HostedTransactions, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back unless the coordinator has been given up meanwhile."""
        ...


class TransactionCompletion:
    """One transaction on its way from Prepare to Complete."""

    __slots__ = (
        "_coordinators",
        "_failed",
        "_hosted",
        "_is_running",
        "_left",
        "_marker",
        "_markers",
        "_name",
        "_partitions",
        "_record",
        "_uncommitted",
    )

    def __init__(
        self,
        hosted: HostedTransactions,
        completion: Completion,
        partitions: Partitions,
        markers: TransactionMarkers,
        coordinators: Finisher,
    ) -> None:
        prepared, self._record = completion
        self._hosted = hosted
        self._name = prepared.transactional_id
        producer = prepared.producer_id, prepared.producer_epoch
        ending = hosted.log.coordinator_epoch, prepared.state is _PREPARE_COMMIT, prepared.client_transaction_version
        self._marker = _new_tuple(Marker, producer + ending)
        self._left = sorted(prepared.partitions, reverse=True)
        self._failed: list[TopicPartition] = []
        self._uncommitted = 0
        self._is_running = False
        self._partitions = partitions
        self._markers = markers
        self._coordinators = coordinators

    def run(self) -> None:
        """Write the next markers, and go on when they are committed."""
        self._is_running = True
        may_go_on = self._write_some()
        self._is_running = False
        if may_go_on:
            self._go_on()

    def _write_some(self) -> bool:
        left = self._left
        for _ in range(min(MARKERS_PER_TURN, len(left))):
            place = left.pop()
            if not self._mark(place):
                return False
        return True

    def _go_on(self) -> None:
        if self._left:
            self._coordinators.later(self._hosted, 0, self.run)
        elif self._uncommitted:
            return
        elif self._failed:
            self._left, self._failed = self._failed, []
            self._coordinators.later(self._hosted, RETRY_BACKOFF_MS, self.run)
        else:
            self._coordinators.finish(self._hosted, self._record)

    def _mark(self, place: TopicPartition) -> bool:
        """Whether to go on after this partition."""
        partition = self._partitions.get(*place)
        if partition is None:
            logger.info("%s: %s-%d is gone and needs no marker", self._name, *place)
            self._hosted.shard.marker_written(self._name, place)
            return True
        code = self._markers.write(self._marker, partition)
        if code is not _NONE:
            return self._refused(code, place, partition)
        if partition.is_committed:
            self._hosted.shard.marker_written(self._name, place)
        else:
            self._uncommitted += 1
            partition.when_committed(partition.log.log_end_offset, partial(self._committed, place, partition))
        return True

    def _refused(self, code: ErrorCode, place: TopicPartition, partition: Partition) -> bool:
        """Whether to go on with others, and with this one later."""
        if code in _FENCED:
            logger.error("%s: its marker for %s is refused: %s", self._name, partition.name, code.name)
            return False
        logger.warning("%s: its marker for %s is tried again: %s", self._name, partition.name, code.name)
        self._failed.append(place)
        return True

    def _committed(self, place: TopicPartition, partition: Partition, error: OSError | None) -> None:
        self._uncommitted -= 1
        if error is None:
            self._hosted.shard.marker_written(self._name, place)
        else:
            logger.error("%s: its marker for %s did not reach the disk: %s", self._name, partition.name, error)
            self._failed.append(place)
        if not self._is_running and not self._left:
            self._go_on()
