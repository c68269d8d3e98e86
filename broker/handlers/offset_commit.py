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
from ...protocol.schema import constructor_of
from ..coordinators.offset_commits import OffsetToCommit, is_metadata_too_large

if TYPE_CHECKING:
    from ...protocol.messages.offset_commit import (
        OffsetCommitRequest,
        OffsetCommitRequestTopic,
    )
    from ..metadata.partition_image import TopicImage
    from ..request import RequestContext
    from ..services import Services

FIRST_VERSION_WITH_TOPIC_IDS = 10
_topic_answer = constructor_of(OffsetCommitResponseTopic)
_partition_answer = constructor_of(OffsetCommitResponsePartition)


def handle(request: OffsetCommitRequest, context: RequestContext, services: Services) -> OffsetCommitResponse:
    """Commit what can be committed; what the group says holds for all partitions that exist."""
    units_max = services.config.offset_metadata_max_bytes
    commits: list[OffsetToCommit] = []
    accepted: list[OffsetCommitResponsePartition] = []
    too_large: list[OffsetCommitResponsePartition] = []
    answer = OffsetCommitResponse()
    for topic in request.topics:
        image, code = _image(topic, context.api_version, services)
        answered = _topic_answer(name=topic.name, topic_id=topic.topic_id)
        answer.topics.append(answered)
        for partition in topic.partitions:
            partition_answer = _partition_answer(partition_index=partition.partition_index)
            answered.partitions.append(partition_answer)
            if image is None:
                partition_answer.error_code = code
            elif not 0 <= partition.partition_index < len(image.partitions):
                partition_answer.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            elif partition.committed_metadata and is_metadata_too_large(partition.committed_metadata, units_max):
                too_large.append(partition_answer)
            else:
                accepted.append(partition_answer)
                commits.append(
                    OffsetToCommit(
                        image.name,
                        image.topic_id,
                        partition.partition_index,
                        partition.committed_offset,
                        partition.committed_leader_epoch,
                        partition.committed_metadata,
                    )
                )
    if accepted or too_large:
        group_code = _ask_group(request, commits, context, services)
        if group_code:
            for partition_answer in accepted:
                partition_answer.error_code = group_code
        for partition_answer in too_large:
            partition_answer.error_code = group_code or ErrorCode.OFFSET_METADATA_TOO_LARGE
    return answer


def _ask_group(
    request: OffsetCommitRequest, commits: list[OffsetToCommit], context: RequestContext, services: Services
) -> ErrorCode:
    hosted = services.groups.hosting(request.group_id)
    if hosted is None:
        return ErrorCode.NOT_COORDINATOR
    return services.groups.commit(hosted, request, commits, context.api_version)


def _image(topic: OffsetCommitRequestTopic, version: int, services: Services) -> tuple[TopicImage | None, ErrorCode]:
    """The topic, and what to answer where there is none."""
    image = services.metadata.image
    if version >= FIRST_VERSION_WITH_TOPIC_IDS:
        return image.topics_by_id.get(topic.topic_id), ErrorCode.UNKNOWN_TOPIC_ID
    return image.topics_by_name.get(topic.name), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
