"""WriteTxnMarkers 1-2: write the markers that end transactions.

Brokers send it to each other, and an admin to abort a transaction that hangs in a partition. Each partition answers
for itself; the answers are gathered by producer. A marker of no producer fails the request: nothing is written.
Version notes: 1 is flexible, 2 carries the transaction version, which decides on the producer's epoch (KIP-1228).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.write_txn_markers import (
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersResponse,
)
from ..runtime.transaction_markers import Marker

if TYPE_CHECKING:
    from ...protocol.messages.write_txn_markers import WriteTxnMarkersRequest
    from ..request import RequestContext
    from ..services import Services

_Codes = dict[str, dict[int, ErrorCode]]


def handle(request: WriteTxnMarkersRequest, context: RequestContext, services: Services) -> WriteTxnMarkersResponse:
    """Write every marker into every partition that is there."""
    codes: dict[int, _Codes] = {}
    is_valid = all(wanted.producer_id >= 0 and wanted.producer_epoch >= 0 for wanted in request.markers)
    for wanted in request.markers:
        marker = Marker(
            wanted.producer_id,
            wanted.producer_epoch,
            wanted.coordinator_epoch,
            wanted.transaction_result,
            wanted.transaction_version,
        )
        write = partial(_write, marker, services) if is_valid else _refuse
        for topic in wanted.topics:
            for index in topic.partition_indexes:
                codes.setdefault(wanted.producer_id, {}).setdefault(topic.name, {})[index] = write(topic.name, index)
    return WriteTxnMarkersResponse(
        markers=[
            WritableTxnMarkerResult(producer_id=producer_id, topics=_topics(by_topic))
            for producer_id, by_topic in codes.items()
        ]
    )


def _write(marker: Marker, services: Services, topic: str, index: int) -> ErrorCode:
    partition = services.partitions.get(topic, index)
    if partition is None or partition.offline_reason is not None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    code = services.markers.write(marker, partition)
    services.commits.wait_for(partition)
    return code


def _refuse(topic: str, index: int) -> ErrorCode:
    return ErrorCode.UNKNOWN_SERVER_ERROR


def _topics(by_topic: _Codes) -> list[WritableTxnMarkerTopicResult]:
    return [
        WritableTxnMarkerTopicResult(
            name=topic,
            partitions=[
                WritableTxnMarkerPartitionResult(partition_index=index, error_code=code)
                for index, code in codes.items()
            ],
        )
        for topic, codes in by_topic.items()
    ]
