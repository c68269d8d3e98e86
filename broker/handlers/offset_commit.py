"""OffsetCommit 2-10: keep how far a group has read, as records of `__consumer_offsets`.

- A member commits with its generation; without one (-1) only an empty group takes offsets, or one that is made so.
- A partition that does not exist, or metadata beyond `offset.metadata.max.bytes`, fails alone.

Version notes: 2-4 may ask for a retention of their own, 6 carries the leader epoch (KIP-320), 7 knows static members
(KIP-345), 8 is flexible, 9 serves consumer groups (KIP-848), 10 names topics by id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_commit import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..coordinators.offset_commits import OffsetToCommit, is_metadata_too_large

if TYPE_CHECKING:
    from ...protocol.messages.offset_commit import (
        OffsetCommitRequest,
        OffsetCommitRequestPartition,
        OffsetCommitRequestTopic,
    )
    from ..metadata.partition_image import TopicImage
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_TOPIC_IDS = 10


def handle(request: OffsetCommitRequest, context: RequestContext, services: Services) -> OffsetCommitResponse:
    """Commit what can be committed."""
    topics = [(topic, _image(topic, context.api_version, services)) for topic in request.topics]
    by_id = context.api_version >= _FIRST_VERSION_WITH_TOPIC_IDS
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    commits = [
        OffsetToCommit(
            image.name,
            image.topic_id,
            partition.partition_index,
            partition.committed_offset,
            partition.committed_leader_epoch,
            partition.committed_metadata,
        )
        for topic, image in topics
        if image is not None
        for partition in topic.partitions
        if _exists(image, partition) and not _is_too_large(partition, services)
    ]
    exists = any(image is not None and any(_exists(image, p) for p in topic.partitions) for topic, image in topics)
    code = _commit(request, commits, context, services) if exists else ErrorCode.NONE
    answers = []
    for topic, image in topics:
        partitions = [
            OffsetCommitResponsePartition(
                partition_index=partition.partition_index,
                error_code=unknown if image is None else _code(image, partition, code, services),
            )
            for partition in topic.partitions
        ]
        answers.append(OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=partitions))
    return OffsetCommitResponse(topics=answers)


def _commit(
    request: OffsetCommitRequest, commits: list[OffsetToCommit], context: RequestContext, services: Services
) -> ErrorCode:
    groups = services.groups
    hosted = groups.hosting(request.group_id)
    if hosted is None:
        return ErrorCode.NOT_COORDINATOR
    decision = hosted.shard.commit(request, commits, context.api_version, groups.now())
    if decision.code is not ErrorCode.NONE:
        return decision.code
    code = groups.write(hosted, decision.records)
    too_large = (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE)
    return ErrorCode.INVALID_COMMIT_OFFSET_SIZE if code in too_large else code


def _image(topic: OffsetCommitRequestTopic, version: int, services: Services) -> TopicImage | None:
    image = services.metadata.image
    if version >= _FIRST_VERSION_WITH_TOPIC_IDS:
        return image.topics_by_id.get(topic.topic_id)
    return image.topics_by_name.get(topic.name)


def _exists(image: TopicImage, partition: OffsetCommitRequestPartition) -> bool:
    return 0 <= partition.partition_index < len(image.partitions)


def _is_too_large(partition: OffsetCommitRequestPartition, services: Services) -> bool:
    return is_metadata_too_large(partition.committed_metadata, services.config.offset_metadata_max_bytes)


def _code(image: TopicImage, partition: OffsetCommitRequestPartition, code: ErrorCode, services: Services) -> ErrorCode:
    if not _exists(image, partition):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if code is ErrorCode.NONE and _is_too_large(partition, services):
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    return code
