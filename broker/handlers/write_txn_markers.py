"""WriteTxnMarkers 1-2: write the markers that end transactions.

Brokers send it to each other, and an admin to abort a transaction that hangs in a partition. Each partition answers
for itself; the answers are gathered by producer.
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
    from ...protocol.messages.write_txn_markers import WritableTxnMarker, WriteTxnMarkersRequest
    from ..request import RequestContext
    from ..services import Services

_Codes = dict[str, dict[int, ErrorCode]]


def handle(request: WriteTxnMarkersRequest, context: RequestContext, services: Services) -> WriteTxnMarkersResponse:
    """Write every marker into every partition that is there."""
    codes: dict[int, _Codes] = {}
    for wanted in request.markers:
        marker = Marker(
            wanted.producer_id,
            wanted.producer_epoch,
            wanted.coordinator_epoch,
            wanted.transaction_result,
            wanted.transaction_version,
        )
        _write(wanted, marker, codes.setdefault(wanted.producer_id, {}), services)
    return WriteTxnMarkersResponse(
        markers=[
            WritableTxnMarkerResult(producer_id=producer_id, topics=_topics(by_topic))
            for producer_id, by_topic in codes.items()
        ]
    )


def _write(wanted: WritableTxnMarker, marker: Marker, codes: _Codes, services: Services) -> None:
    for topic in wanted.topics:
        for index in topic.partition_indexes:
            partition = services.partitions.get(topic.name, index)
            if partition is None or partition.offline_reason is not None:
                code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                code = services.markers.write(marker, partition)
                if not partition.is_committed:
                    services.commits.pending.append(partial(partition.when_committed, partition.log.log_end_offset))
            codes.setdefault(topic.name, {})[index] = code


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
