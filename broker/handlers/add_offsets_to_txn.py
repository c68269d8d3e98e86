"""AddOffsetsToTxn 0-4: make a group's offsets part of a transaction, that is its partition of `__consumer_offsets`.

Clients of transaction version 2 do not send it: TxnOffsetCommit does it for them.
Version notes: 2 may answer PRODUCER_FENCED (KIP-588), 3 is flexible, 4 knows TRANSACTION_ABORTABLE (KIP-890).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.add_offsets_to_txn import AddOffsetsToTxnResponse
from ..coordinators.transaction_init import ProducerIdAndEpoch
from ..metadata.topic_names import GROUP_METADATA_TOPIC

if TYPE_CHECKING:
    from ...protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_PRODUCER_FENCED = 2


def handle(request: AddOffsetsToTxnRequest, context: RequestContext, services: Services) -> AddOffsetsToTxnResponse:
    """Let the group's partition join."""
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return AddOffsetsToTxnResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    code = services.transactions.add_partitions(
        request.transactional_id,
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        frozenset(((GROUP_METADATA_TOPIC, hosted.log.partition.index),)),
        0,
    )
    if code is ErrorCode.PRODUCER_FENCED and context.api_version < _FIRST_VERSION_WITH_PRODUCER_FENCED:
        code = ErrorCode.INVALID_PRODUCER_EPOCH
    return AddOffsetsToTxnResponse(error_code=code)
