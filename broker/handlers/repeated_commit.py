"""Answers an offset commit that repeats an earlier one in all but its offset, without reading it again.

A consumer commits the same partition time after time: only the correlation id and the offset differ. The first such
request is read as every other; what stands around its offset is then known by its bytes, and so is its record. Whether
the member may commit is decided each time (`GroupCoordinators.commit_again`). What is not exactly like this is left to
`offset_commit.handle`: several partitions, metadata, a retention, topics that are gone, waiting for the disk.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ...protocol.api_keys import ApiKey
from ...protocol.compiler import encode
from ...protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..coordinators.offset_commits import NO_RETENTION
from ..coordinators.repeated_offset import RepeatedOffset
from .offset_commit import FIRST_VERSION_WITH_TOPIC_IDS
from .repeated import HEAD_BYTES, KNOWN_BYTES_MAX, FixedAnswer, Repeated, head_of, keep, read_head

if TYPE_CHECKING:
    from ...protocol.errors import ErrorCode
    from ..metadata.partition_image import TopicImage
    from ..request import ConnectionInfo, RequestContext
    from ..services import Services

_LEADER_EPOCH_FROM: Final = 6
_OFFSET: Final = struct.Struct(">q")


def _bytes_behind(version: int) -> int:
    """What stands behind the offset: the leader epoch, metadata that are empty or null, and no tagged fields."""
    leader_epoch = 4 if version >= _LEADER_EPOCH_FROM else 0
    return leader_epoch + (1 + len(b"\0\0\0") if version in OffsetCommitRequest.flexible else 2)


_BYTES_FROM_OFFSET: Final = {
    int(ApiKey.OFFSET_COMMIT) << 16 | version: _OFFSET.size + _bytes_behind(version)
    for version in range(OffsetCommitRequest.versions.lowest, OffsetCommitRequest.versions.highest + 1)
}


def _is_plain(request: OffsetCommitRequest) -> bool:
    """Whether it is of one partition, without metadata, and asks for no retention of its own."""
    if request.retention_time_ms != NO_RETENTION or len(request.topics) != 1:
        return False
    partitions = request.topics[0].partitions
    return len(partitions) == 1 and partitions[0].partition_index >= 0 and not partitions[0].committed_metadata


class KnownCommit:
    """A commit as it was read, which stays as it is, and the frame of the answer when it is accepted."""

    __slots__ = (
        "accepted",
        "behind",
        "client_id",
        "group_id",
        "head",
        "leader_epoch",
        "partition",
        "repeated",
        "request",
        "topic",
        "topic_id",
        "version",
    )

    def __init__(self, request: OffsetCommitRequest, context: RequestContext, behind: bytes) -> None:
        [topic] = request.topics
        [partition] = topic.partitions
        self.request = request
        self.group_id = request.group_id
        self.version = context.api_version
        self.head = head_of(context)
        self.client_id = context.client_id
        self.behind = behind
        self.topic = topic.name
        self.topic_id = topic.topic_id if self.version >= FIRST_VERSION_WITH_TOPIC_IDS else None
        self.partition = partition.partition_index
        self.leader_epoch = partition.committed_leader_epoch
        self.accepted = self.answer(0)
        self.repeated: RepeatedOffset | None = None

    def offset_of(self, topic: TopicImage) -> RepeatedOffset:
        """What is committed, of the topic that has the name or the id now."""
        repeated = RepeatedOffset(self.group_id, topic.name, topic.topic_id, self.partition, self.leader_epoch)
        self.repeated = repeated
        return repeated

    def answer(self, code: ErrorCode | int) -> FixedAnswer:
        """What is answered with this code."""
        [topic] = self.request.topics
        partition = OffsetCommitResponsePartition(partition_index=self.partition, error_code=code)
        answered = OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=[partition])
        return FixedAnswer(OffsetCommitRequest, OffsetCommitResponse(topics=[answered]), self.version)


class RepeatedCommits(Repeated):
    """Every request that may be repeated, by its bytes between the correlation id and the offset."""

    def __init__(self, services: Services) -> None:
        self._metadata = services.metadata
        self._groups = services.groups
        self._known: dict[bytes, KnownCommit] = {}

    def answer(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """Commit the offset of a request that is known and return the frame of the answer; None: it must be read."""
        head, correlation_id = read_head(frame)
        size = len(frame)
        offset_at = size - _BYTES_FROM_OFFSET.get(head, size)
        if not HEAD_BYTES < offset_at <= KNOWN_BYTES_MAX:
            return None
        said = frame.tobytes()  # small: a copy costs less than views of its parts
        known = self._known.get(said[HEAD_BYTES:offset_at])
        if known is None or known.head != head or known.behind != said[offset_at + _OFFSET.size :]:
            return None
        topics = self._metadata.image
        image = topics.topics_by_id.get(known.topic_id) if known.topic_id else topics.topics_by_name.get(known.topic)
        if image is None or known.partition >= len(image.partitions):
            return None
        groups = self._groups
        hosted = groups.hosting(known.group_id)
        if hosted is None or not hosted.log.partition.commits_at_once:
            return None
        repeated = known.repeated
        if repeated is None or repeated.topic_id != image.topic_id:
            repeated = known.offset_of(image)
        connection.client_id = known.client_id
        (offset,) = _OFFSET.unpack_from(said, offset_at)
        code = groups.commit_again(hosted, known.request, repeated, offset, known.version)
        return (known.answer(code) if code else known.accepted).frame(correlation_id)

    def learn(self, frame: memoryview, body_at: int, request: OffsetCommitRequest, context: RequestContext) -> None:
        """Know this request, whose body begins at `body_at`, when it comes again; if it may be answered so."""
        if not _is_plain(request):
            return
        offset_at = len(frame) - _BYTES_FROM_OFFSET[head_of(context)]
        if not HEAD_BYTES < offset_at <= KNOWN_BYTES_MAX:
            return
        key = frame[HEAD_BYTES:offset_at].tobytes()
        behind = frame[offset_at + _OFFSET.size :].tobytes()
        known = self._known.get(key)
        if known is not None and known.version == context.api_version and known.behind == behind:
            return
        # What was understood must be all that was said, or what stands where is not known.
        if frame[body_at:] == encode(request, context.api_version):
            keep(self._known, key, KnownCommit(request, context, behind))
