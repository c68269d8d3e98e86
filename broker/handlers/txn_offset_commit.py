"""TxnOffsetCommit 0-5: how far a group has read, as part of a transaction.

- The offsets are pending until the transaction ends; nobody reads them before.
- A member may name itself (KIP-447); a producer that names nobody is trusted for its epoch.
- The group's partition must be part of the transaction; in version 5 it becomes so here.

Version notes: 2 carries the leader epoch, 3 is flexible and carries member, generation and instance (KIP-447),
4 knows TRANSACTION_ABORTABLE, 5 belongs to transaction version 2 (KIP-890).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.txn_offset_commit import (
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from ...protocol.record_batch import TRANSACTIONAL_BIT, BatchHeader
from ..coordinators.group_effects import append_error
from ..coordinators.offset_commits import OffsetToCommit, is_metadata_too_large
from ..runtime.transaction_verification import txn_offset_commit_support, verify

if TYPE_CHECKING:
    from ...protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
    from ..metadata.partition_image import TopicImage
    from ..request import Deferred, RequestContext
    from ..runtime.group_coordinators import HostedShard
    from ..services import Services

_FIRST_VERSION_WITH_LOAD_IN_PROGRESS = 2


def handle(
    request: TxnOffsetCommitRequest, context: RequestContext, services: Services
) -> TxnOffsetCommitResponse | Deferred[TxnOffsetCommitResponse]:
    """Commit what can be committed; what the group says holds for all partitions that exist."""
    commits: list[OffsetToCommit] = []
    accepted: list[TxnOffsetCommitResponsePartition] = []
    answer = TxnOffsetCommitResponse()
    for topic in request.topics:
        image = services.metadata.image.topics_by_name.get(topic.name)
        answered = TxnOffsetCommitResponseTopic(name=topic.name)
        answer.topics.append(answered)
        for partition in topic.partitions:
            partition_answer = TxnOffsetCommitResponsePartition(partition_index=partition.partition_index)
            answered.partitions.append(partition_answer)
            if image is None or not _has(image, partition.partition_index):
                partition_answer.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                continue
            accepted.append(partition_answer)
            commits.append(
                OffsetToCommit(
                    topic.name,
                    image.topic_id,
                    partition.partition_index,
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    partition.committed_metadata,
                )
            )
    if not accepted:
        return answer
    code = _ask_coordinators(request, context.api_version, services)

    def act() -> TxnOffsetCommitResponse:
        _commit(request, commits, accepted, code, services)
        return answer

    # Pending offsets must not outlive the record that makes the group part of the transaction.
    held: TxnOffsetCommitResponse | Deferred[TxnOffsetCommitResponse] = services.commits.then(act, context.connection)
    return held


def _has(image: TopicImage, index: int) -> bool:
    return 0 <= index < len(image.partitions)


def _commit(
    request: TxnOffsetCommitRequest,
    commits: list[OffsetToCommit],
    answers: list[TxnOffsetCommitResponsePartition],
    code: ErrorCode,
    services: Services,
) -> None:
    """Commit unless `code` says no, and set the answer for every partition; `commits` and `answers` go in step."""
    units_max = services.config.offset_metadata_max_bytes
    hosted = services.groups.hosting(request.group_id)
    if code is ErrorCode.NONE and hosted is None:
        code = ErrorCode.NOT_COORDINATOR
    if code is ErrorCode.NONE and hosted is not None:
        fitting = [commit for commit in commits if not is_metadata_too_large(commit.metadata, units_max)]
        code = services.groups.commit_in_transaction(hosted, request, fitting)
    for commit, answer in zip(commits, answers, strict=True):
        answer.error_code = code
        if code is ErrorCode.NONE and is_metadata_too_large(commit.metadata, units_max):
            answer.error_code = ErrorCode.OFFSET_METADATA_TOO_LARGE


def _ask_coordinators(request: TxnOffsetCommitRequest, version: int, services: Services) -> ErrorCode:
    """Whether the producer may write to the group's log, of which it becomes part where the version says so."""
    if not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return ErrorCode.NOT_COORDINATOR
    code = append_error(_verify(request, hosted, version, services))
    if code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and version < _FIRST_VERSION_WITH_LOAD_IN_PROGRESS:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return code


def _verify(request: TxnOffsetCommitRequest, hosted: HostedShard, version: int, services: Services) -> ErrorCode:
    """Whether the producer may write to the group's partition: what a batch of its would be asked."""
    header = BatchHeader(0, 0, 0, 2, 0, TRANSACTIONAL_BIT, 0, 0, 0, request.producer_id, request.producer_epoch, -1, 0)
    partition = hosted.log.partition
    codes = verify([(partition, header)], request.transactional_id, txn_offset_commit_support(version), services)
    return codes.get((partition.topic, partition.index), ErrorCode.NONE)
