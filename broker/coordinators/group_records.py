"""The records of `__consumer_offsets` that groups write and read, as messages and as bytes.

A key begins with its record type as 16 bits, a value with its version (KIP-848 kept Kafka's old numbering: 0 and 1
are offsets, 2 is a classic group, 3 to 8 and 16 are a consumer group's). Records of a type that is not read here stay
in the log untouched.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ...protocol.compiler import decode, encode
from ...protocol.errors import ProtocolError
from ...protocol.primitives import ZERO_UUID, uvarint
from ...protocol.schema import constructor_of
from ...protocol.stored import consumer_groups as stored
from ...protocol.stored.classic_groups import (
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    LegacyOffsetCommitValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from .consumer_kinds import ConsumerGroupKey, ConsumerGroupValue

if TYPE_CHECKING:
    from ...protocol.primitives import Buffer
    from ...protocol.schema import Message

# What a NamedTuple's own constructor ends in: 0.2 µs less for each commit.
_new_tuple = tuple.__new__
_new_offset_key = constructor_of(OffsetCommitKey)
_PREFIX = struct.Struct(">h")
_KEY_VERSION = 0
CACHED_CHARS_MAX = 249
"""Longer names are not kept in caches: clients choose them, up to 32 KB each. No topic has one."""

# Of a committed offset what stands before and behind its metadata; a topic id is the one tagged field.
_OFFSET_HEAD = struct.Struct(">hqi")
_OFFSET_TAIL = struct.Struct(">qB")
_OFFSET_TAIL_WITH_TOPIC = struct.Struct(">qBBB16s")
_OFFSET_WITHOUT_METADATA = struct.Struct(">hqiBqBBB16s")

GROUP_METADATA_VERSION = 3
"""Group metadata is written in the highest version without tagged fields, as Kafka writes it."""
OFFSET_COMMIT_VERSION = 4
OFFSET_COMMIT_EXPIRING_VERSION = 1
"""The only version with a time of expiry of its own; OffsetCommit 2-4 can ask for one."""

GroupKey: TypeAlias = OffsetCommitKey | GroupMetadataKey | ConsumerGroupKey
GroupValue: TypeAlias = OffsetCommitValue | GroupMetadataValue | ConsumerGroupValue

_CONSUMER_GROUP_RECORDS: dict[int, tuple[type[Message], type[Message]]] = {
    key.api_key: (key, value)
    for key, value in (
        (stored.ConsumerGroupMetadataKey, stored.ConsumerGroupMetadataValue),
        (stored.ConsumerGroupPartitionMetadataKey, stored.ConsumerGroupPartitionMetadataValue),
        (stored.ConsumerGroupMemberMetadataKey, stored.ConsumerGroupMemberMetadataValue),
        (stored.ConsumerGroupTargetAssignmentMetadataKey, stored.ConsumerGroupTargetAssignmentMetadataValue),
        (stored.ConsumerGroupTargetAssignmentMemberKey, stored.ConsumerGroupTargetAssignmentMemberValue),
        (stored.ConsumerGroupCurrentMemberAssignmentKey, stored.ConsumerGroupCurrentMemberAssignmentValue),
        (stored.ConsumerGroupRegularExpressionKey, stored.ConsumerGroupRegularExpressionValue),
    )
}


class GroupRecord(NamedTuple):
    """One record; without a value it is a tombstone."""

    key: GroupKey
    value: GroupValue | None
    value_version: int = 0


def group_metadata_record(group_id: str, value: GroupMetadataValue) -> GroupRecord:
    """A group's generation, members and assignments."""
    return GroupRecord(GroupMetadataKey(group=group_id), value, GROUP_METADATA_VERSION)


def new_group_record(group_id: str, created_ms: int) -> GroupRecord:
    """The first record of a group: nobody in it, no protocol yet."""
    value = GroupMetadataValue(protocol=None, leader=None, current_state_timestamp=created_ms)
    return group_metadata_record(group_id, value)


def group_tombstone(group_id: str) -> GroupRecord:
    """The record that ends a group."""
    return GroupRecord(GroupMetadataKey(group=group_id), None)


def offset_commit_record(group_id: str, topic: str, partition: int, value: OffsetCommitValue) -> GroupRecord:
    """A committed offset; one with a time of expiry of its own has the version that can carry it."""
    version = OFFSET_COMMIT_VERSION if value.expire_timestamp < 0 else OFFSET_COMMIT_EXPIRING_VERSION
    return _new_tuple(GroupRecord, (_new_offset_key(group=group_id, topic=topic, partition=partition), value, version))


def offset_tombstone(group_id: str, topic: str, partition: int) -> GroupRecord:
    """The record that ends a committed offset."""
    return GroupRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), None)


def encode_record(record: GroupRecord) -> tuple[bytes, bytes | None]:
    """Return key and value as they stand in the log."""
    key, value, value_version = record
    if type(key) is OffsetCommitKey:
        encoded_key = _encoded_offset_key(key.group, key.topic, key.partition)
        if value_version == OFFSET_COMMIT_VERSION and type(value) is OffsetCommitValue:
            return encoded_key, _encoded_offset(value)
    else:
        encoded_key = _encoded_key(key)
    if value is None:
        return encoded_key, None
    return encoded_key, _PREFIX.pack(value_version) + encode(value, value_version)


def _encoded_key(key: GroupKey) -> bytes:
    return _PREFIX.pack(type(key).api_key) + encode(key, _KEY_VERSION)


def _encoded_offset_key(group: str, topic: str, partition: int) -> bytes:
    if len(group) > CACHED_CHARS_MAX or len(topic) > CACHED_CHARS_MAX:
        return _encoded_key(OffsetCommitKey(group=group, topic=topic, partition=partition))
    return cached_offset_key(group, topic, partition)


# Groups commit the same partitions again and again: 0.2 µs to look up, 1.0 to encode.
@lru_cache(maxsize=4096)
def cached_offset_key(group: str, topic: str, partition: int) -> bytes:
    """The key of a committed offset as it stands in the log; for names that are not long."""
    return _encoded_key(OffsetCommitKey(group=group, topic=topic, partition=partition))


def _encoded_offset(value: OffsetCommitValue) -> bytes:
    """A committed offset in the version that nearly all have, written by hand: 0.5 µs against 0.9 by its codec."""
    if not value.metadata and value.topic_id != ZERO_UUID:
        return _OFFSET_WITHOUT_METADATA.pack(
            OFFSET_COMMIT_VERSION,
            value.offset,
            value.leader_epoch,
            1,
            value.commit_timestamp,
            1,
            0,
            len(ZERO_UUID),
            value.topic_id,
        )
    metadata = value.metadata.encode()
    head = _OFFSET_HEAD.pack(OFFSET_COMMIT_VERSION, value.offset, value.leader_epoch)
    if value.topic_id == ZERO_UUID:
        tail = _OFFSET_TAIL.pack(value.commit_timestamp, 0)
    else:
        tail = _OFFSET_TAIL_WITH_TOPIC.pack(value.commit_timestamp, 1, 0, len(ZERO_UUID), value.topic_id)
    return b"".join((head, uvarint(len(metadata) + 1), metadata, tail))


def decode_record(key: Buffer, value: Buffer | None) -> GroupRecord | None:
    """Read a record back; None for a type that is not known here. Raises ProtocolError."""
    key_type = _prefix(key)
    if key_type == OffsetCommitKey.api_key:
        return _typed(decode(OffsetCommitKey, key, _KEY_VERSION, _PREFIX.size), OffsetCommitValue, value)
    if key_type == GroupMetadataKey.api_key:
        return _typed(decode(GroupMetadataKey, key, _KEY_VERSION, _PREFIX.size), GroupMetadataValue, value)
    if key_type == LegacyOffsetCommitKey.api_key:
        return _legacy_offset(key, value)
    kinds = _CONSUMER_GROUP_RECORDS.get(key_type)
    if kinds is None:
        return None
    key_kind, value_kind = kinds
    return _typed(decode(key_kind, key, _KEY_VERSION, _PREFIX.size), value_kind, value)  # type: ignore[arg-type]


def _typed(key: GroupKey, kind: type[Message], value: Buffer | None) -> GroupRecord:
    if value is None:
        return GroupRecord(key, None)
    version = _prefix(value)
    return GroupRecord(key, decode(kind, value, version, _PREFIX.size), version)  # type: ignore[arg-type]


def _legacy_offset(key: Buffer, value: Buffer | None) -> GroupRecord:
    """Read an offset that a Kafka before 0.8.2 wrote; in memory it is like any other."""
    old = decode(LegacyOffsetCommitKey, key, _KEY_VERSION, _PREFIX.size)
    new_key = OffsetCommitKey(group=old.group, topic=old.topic, partition=old.partition)
    if value is None:
        return GroupRecord(new_key, None)
    if _prefix(value) != 0:
        return _typed(new_key, OffsetCommitValue, value)
    kept = decode(LegacyOffsetCommitValue, value, 0, _PREFIX.size)
    new_value = OffsetCommitValue(offset=kept.offset, metadata=kept.metadata, commit_timestamp=kept.commit_timestamp)
    return GroupRecord(new_key, new_value, 0)


def _prefix(buffer: Buffer) -> int:
    if len(buffer) < _PREFIX.size:
        raise ProtocolError("a group record is shorter than its type")
    return int(_PREFIX.unpack_from(buffer)[0])
