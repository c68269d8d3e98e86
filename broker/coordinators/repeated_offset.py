"""The offset of one partition that a group commits again and again: what stays the same is worked out once.

Only the offset and the time differ from one commit to the next. Its batch is the one that `commit_records` leads to,
and what `committed` tells is what replaying that batch gives, now and at the next start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.plain_batch import PlainBatchMould
from ...protocol.stored.classic_groups import OffsetCommitValue
from .group_offsets import CommittedOffset
from .group_records import encode_record, offset_commit_record

if TYPE_CHECKING:
    from ...protocol.record_batch import BatchHeader

# Where the offset and the time stand in the value of a record without metadata (`group_records`).
_OFFSET_AT, _TIME_AT = 2, 15
_LONG_BYTES = 8
_NO_EXPIRY = -1
# What a NamedTuple's own constructor ends in: 0.2 µs less for each commit.
_new_tuple = tuple.__new__


class RepeatedOffset:
    """A partition of a topic as one group commits it, without metadata and without an expiry of its own."""

    __slots__ = ("_mould", "_pieces", "leader_epoch", "partition", "place", "topic_id")

    def __init__(self, group_id: str, topic: str, topic_id: bytes, partition: int, leader_epoch: int) -> None:
        self.place = group_id, topic, partition
        self.topic_id = topic_id
        self.partition = partition
        self.leader_epoch = leader_epoch
        any_offset = OffsetCommitValue(leader_epoch=leader_epoch, topic_id=topic_id)
        key, value = encode_record(offset_commit_record(group_id, topic, partition, any_offset))
        assert value is not None
        version, epoch = value[:_OFFSET_AT], value[_OFFSET_AT + _LONG_BYTES : _TIME_AT]
        topic_tag = value[_TIME_AT + _LONG_BYTES :]
        self._pieces = version, epoch, topic_tag
        self._mould = PlainBatchMould(key, f"{len(version)}sq{len(epoch)}sq{len(topic_tag)}s")

    def batch(self, offset: int, now_ms: int) -> tuple[bytearray, BatchHeader]:
        """The batch of one record that commits this offset now, and its header."""
        version, epoch, topic_tag = self._pieces
        return self._mould.build(now_ms, version, offset, epoch, now_ms, topic_tag)

    def committed(self, offset: int, now_ms: int, record_offset: int) -> CommittedOffset:
        """What that batch says when it is read at `record_offset`."""
        fields = (offset, self.leader_epoch, "", now_ms, _NO_EXPIRY, self.topic_id, record_offset)
        return _new_tuple(CommittedOffset, fields)
