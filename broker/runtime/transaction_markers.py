"""Writes the markers that end transactions into partitions; in `__consumer_offsets` they end pending offsets as well.

Kafka: `KafkaApis.handleWriteTxnMarkersRequest`, `CoordinatorRuntime.scheduleTransactionCompletion`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...protocol.control_records import build_end_txn_batch
from ...protocol.errors import ErrorCode
from ...storage.append import AppendError
from ...storage.producer_state import EndTxnMarker
from ..metadata.topic_names import GROUP_METADATA_TOPIC

if TYPE_CHECKING:
    from ..clock import Clock
    from .group_coordinators import GroupCoordinators
    from .partitions import Partition

# To look a member up in its enum takes 0.1 µs.
_NONE: Final = ErrorCode.NONE
# What a NamedTuple's own constructor ends in.
_new_tuple = tuple.__new__


class Marker(NamedTuple):
    """How a producer's transaction ends, and which coordinator says so."""

    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    is_commit: bool
    transaction_version: int


class TransactionMarkers:
    """Writes markers on this broker, which leads every partition."""

    def __init__(self, groups: GroupCoordinators, clock: Clock) -> None:
        self._groups = groups
        self._clock = clock

    def write(self, marker: Marker, partition: Partition) -> ErrorCode:
        """Write one marker; NONE, or why it cannot be written."""
        now_ms = self._clock.now_ms()
        log = partition.log
        batch, header = build_end_txn_batch(
            commit=marker.is_commit,
            producer_id=marker.producer_id,
            producer_epoch=marker.producer_epoch,
            coordinator_epoch=marker.coordinator_epoch,
            timestamp_ms=now_ms,
        )
        written = _new_tuple(EndTxnMarker, (not marker.is_commit, marker.coordinator_epoch))
        try:
            log.producers.check_marker_epoch(
                marker.producer_id, marker.producer_epoch, log.log_end_offset, marker.transaction_version
            )
            partition.append_built(batch, header, now_ms, written)
        except AppendError as error:
            return error.code
        if partition.topic == GROUP_METADATA_TOPIC:
            self._groups.end_transaction(partition.index, marker.producer_id, is_commit=marker.is_commit)
        return _NONE
