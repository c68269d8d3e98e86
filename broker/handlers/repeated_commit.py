"""Answers an offset commit that repeats an earlier one in all but its offset, without reading it again.

A consumer commits the same partition time after time: only the correlation id and the offset differ. The first such
request is read as every other; what stands around its offset is then known by its bytes. The offset goes the way of all
others (`GroupCoordinators.commit`), which decides each time whether the member may commit. What is not exactly like
this is left to `offset_commit.handle`: several partitions, metadata, topics that are gone, waiting for the disk.
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
from ..coordinators.offset_commits import OffsetToCommit
from .offset_commit import FIRST_VERSION_WITH_TOPIC_IDS
from .repeated import HEAD_BYTES, KNOWN_BYTES_MAX, FixedAnswer, Repeated, head_of, keep, read_head

if TYPE_CHECKING:
    from ...protocol.errors import ErrorCode
    from ..metadata.partition_image import TopicImage
    from ..request import ConnectionInfo, RequestContext
    from ..services import Services

_LEADER_EPOCH_FROM: Final = 6
_OFFSET: Final = struct.Struct(">q")
# What a NamedTuple's own constructor ends in.
_new_tuple = tuple.__new__


def _bytes_behind(version: int) -> int:
    """What stands behind the offset: the leader epoch, metadata that are empty or null, and no tagged fields."""
    leader_epoch = 4 if version >= _LEADER_EPOCH_FROM else 0
    return leader_epoch + (1 + len(b"\0\0\0") if version in OffsetCommitRequest.flexible else 2)


_BYTES_FROM_OFFSET: Final = {
    int(ApiKey.OFFSET_COMMIT) << 16 | version: _OFFSET.size + _bytes_behind(version)
    for version in range(OffsetCommitRequest.versions.lowest, OffsetCommitRequest.versions.highest + 1)
}


class KnownCommit:
    """A commit as it was read, which stays as it is, and the frame of the answer when it is accepted."""

    __slots__ = (
        "accepted",
        "behind",
        "client_id",
        "group_id",
        "head",
        "leader_epoch",
        "metadata",
        "partition",
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
        self.metadata = partition.committed_metadata
        self.accepted = self.answer(0)

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
        known = self._known.get(frame[HEAD_BYTES:offset_at].tobytes())
        if known is None or known.head != head or known.behind != frame[offset_at + _OFFSET.size :].tobytes():
            return None
        image = self._image(known)
        if image is None or not 0 <= known.partition < len(image.partitions):
            return None
        groups = self._groups
        hosted = groups.hosting(known.group_id)
        if hosted is None or not hosted.log.partition.commits_at_once:
            return None
        connection.client_id = known.client_id
        (offset,) = _OFFSET.unpack_from(frame, offset_at)
        fields = image.name, image.topic_id, known.partition, offset, known.leader_epoch, known.metadata
        code = groups.commit(hosted, known.request, [_new_tuple(OffsetToCommit, fields)], known.version)
        return (known.answer(code) if code else known.accepted).frame(correlation_id)

    def learn(self, frame: memoryview, body_at: int, request: OffsetCommitRequest, context: RequestContext) -> None:
        """Know this request, whose body begins at `body_at`, when it comes again; if it may be answered so."""
        topics = request.topics
        if len(topics) != 1 or len(topics[0].partitions) != 1 or topics[0].partitions[0].committed_metadata:
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

    def _image(self, known: KnownCommit) -> TopicImage | None:
        image = self._metadata.image
        if known.topic_id is None:
            return image.topics_by_name.get(known.topic)
        return image.topics_by_id.get(known.topic_id)
