"""OffsetFetch 1-10: how far groups have read.

A partition without an offset answers -1 and no error; topics null asks for all that is known of the group.

Version notes: 2 can ask for all and has an error of its own, 5 returns the leader epoch (KIP-320), 6 is flexible,
7 can insist on stable offsets (KIP-447): where an open transaction would commit one it answers UNSTABLE_OFFSET_COMMIT,
8 asks for several groups at once (KIP-709), 9 names the member (KIP-848), 10 names topics by id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_fetch import (
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from ...protocol.primitives import ZERO_UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...protocol.messages.offset_fetch import (
        OffsetFetchRequest,
        OffsetFetchRequestGroup,
        OffsetFetchRequestTopics,
    )
    from ..coordinators.group_offsets import CommittedOffset
    from ..coordinators.group_shard import GroupShard
    from ..request import RequestContext
    from ..services import Services

_FIRST_VERSION_WITH_GROUP_ERROR = 2
_FIRST_VERSION_WITH_LEADER_EPOCH = 5
_FIRST_VERSION_WITH_GROUPS = 8
_FIRST_VERSION_WITH_TOPIC_IDS = 10


class _Answer(NamedTuple):
    """One partition's answer, whatever the version's struct is called."""

    partition: int
    committed: CommittedOffset | None
    code: ErrorCode = ErrorCode.NONE


class _Offsets(NamedTuple):
    """The offsets of one group, as a request wants to see them."""

    shard: GroupShard
    group_id: str
    require_stable: bool

    def look_up(self, named: Iterable[tuple[str, Iterable[int]]] | None) -> list[tuple[str, list[_Answer]]]:
        """The answers for some partitions by topic, or for all of which an offset is known."""
        if named is None:
            named = self.shard.offsets.topics(self.group_id).items()
        return [(topic, [self._answer(topic, index) for index in indexes]) for topic, indexes in named]

    def _answer(self, topic: str, index: int) -> _Answer:
        offsets = self.shard.offsets
        if self.require_stable and offsets.is_pending(self.group_id, topic, index):
            return _Answer(index, None, ErrorCode.UNSTABLE_OFFSET_COMMIT)
        return _Answer(index, offsets.get(self.group_id, topic, index))


def handle(request: OffsetFetchRequest, context: RequestContext, services: Services) -> OffsetFetchResponse:
    """Look every group up."""
    if context.api_version >= _FIRST_VERSION_WITH_GROUPS:
        return OffsetFetchResponse(
            groups=[_group(group, request.require_stable, context.api_version, services) for group in request.groups]
        )
    return _single(request, context.api_version, services)


def _single(request: OffsetFetchRequest, version: int, services: Services) -> OffsetFetchResponse:
    shard = services.groups.shard_of(request.group_id)
    code = ErrorCode.NONE if shard is not None else ErrorCode.NOT_COORDINATOR
    named = None
    if request.topics is not None:
        named = [(topic.name, topic.partition_indexes) for topic in request.topics]
    with_epoch = version >= _FIRST_VERSION_WITH_LEADER_EPOCH
    if shard is not None:
        found = _Offsets(shard, request.group_id, request.require_stable).look_up(named)
    elif version < _FIRST_VERSION_WITH_GROUP_ERROR:
        found = [(name, [_Answer(index, None, code) for index in indexes]) for name, indexes in named or ()]
    else:
        found = []
    return OffsetFetchResponse(
        error_code=code if version >= _FIRST_VERSION_WITH_GROUP_ERROR else ErrorCode.NONE,
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=answer.partition,
                        committed_offset=-1 if answer.committed is None else answer.committed.offset,
                        committed_leader_epoch=answer.committed.leader_epoch if answer.committed and with_epoch else -1,
                        metadata="" if answer.committed is None else answer.committed.metadata,
                        error_code=answer.code,
                    )
                    for answer in answers
                ],
            )
            for name, answers in found
        ],
    )


def _group(
    group: OffsetFetchRequestGroup, require_stable: bool, version: int, services: Services
) -> OffsetFetchResponseGroup:
    group_id, topics = group.group_id, group.topics
    shard = services.groups.shard_of(group_id)
    if shard is None:
        return OffsetFetchResponseGroup(group_id=group_id, error_code=ErrorCode.NOT_COORDINATOR)
    code = shard.check_fetch(group_id, group.member_id, group.member_epoch)
    if code is not ErrorCode.NONE:
        return OffsetFetchResponseGroup(group_id=group_id, error_code=code)
    offsets = _Offsets(shard, group_id, require_stable)
    if version >= _FIRST_VERSION_WITH_TOPIC_IDS:
        return OffsetFetchResponseGroup(group_id=group_id, topics=_topics_by_id(offsets, topics, services))
    named = None if topics is None else [(topic.name, topic.partition_indexes) for topic in topics]
    return OffsetFetchResponseGroup(
        group_id=group_id,
        topics=[_topic(name, ZERO_UUID, answers) for name, answers in offsets.look_up(named)],
    )


def _topics_by_id(
    offsets: _Offsets, topics: list[OffsetFetchRequestTopics] | None, services: Services
) -> list[OffsetFetchResponseTopics]:
    image = services.metadata.image
    if topics is None:
        answers = []
        for name, found in offsets.look_up(None):
            known = image.topics_by_name.get(name)
            if known is not None:
                answers.append(_topic("", known.topic_id, _of_topic(found, known.topic_id)))
        return answers
    answers = []
    for topic in topics:
        known = image.topics_by_id.get(topic.topic_id)
        if known is None:
            found = [_Answer(index, None, ErrorCode.UNKNOWN_TOPIC_ID) for index in topic.partition_indexes]
        else:
            [(_, found)] = offsets.look_up([(known.name, topic.partition_indexes)])
            found = _of_topic(found, topic.topic_id)
        answers.append(_topic("", topic.topic_id, found))
    return answers


def _of_topic(answers: list[_Answer], topic_id: bytes) -> list[_Answer]:
    """Leave out offsets that were committed for an earlier topic of that name."""
    return [
        answer
        if answer.committed is None or answer.committed.is_of_topic(topic_id)
        else _Answer(answer.partition, None)
        for answer in answers
    ]


def _topic(name: str, topic_id: bytes, answers: list[_Answer]) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        name=name,
        topic_id=topic_id,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=answer.partition,
                committed_offset=-1 if answer.committed is None else answer.committed.offset,
                committed_leader_epoch=-1 if answer.committed is None else answer.committed.leader_epoch,
                metadata="" if answer.committed is None else answer.committed.metadata,
                error_code=answer.code,
            )
            for answer in answers
        ],
    )
