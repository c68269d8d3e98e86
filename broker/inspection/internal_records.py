"""The records of the broker's own topics, read from their files: keys and values, only what was committed.

Records of a transaction count from its commit marker on; those of an aborted or unfinished one never.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ...protocol.compiler import decode
from ...protocol.control_records import ControlRecordType, control_record_type
from ...protocol.errors import ProtocolError
from ...protocol.records import read_records
from ...protocol.stored import (
    classic_groups,
    consumer_groups,
    share_groups,
    share_state,
    streams_groups,
    transactions,
)
from ...storage.batch_reader import BatchReader
from ...storage.segment import LOG_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...protocol.record_batch import BatchHeader
    from ...protocol.records import Record
    from ...protocol.schema import Message
    from .listing import PartitionFolder

_PREFIX: Final = struct.Struct(">h")

Kinds = dict[int, tuple[type["Message"], type["Message"]]]


def _kinds(*pairs: tuple[type[Message], type[Message]]) -> Kinds:
    return {key.api_key: (key, value) for key, value in pairs}


GROUP_KINDS: Final = _kinds(
    (classic_groups.LegacyOffsetCommitKey, classic_groups.OffsetCommitValue),
    (classic_groups.OffsetCommitKey, classic_groups.OffsetCommitValue),
    (classic_groups.GroupMetadataKey, classic_groups.GroupMetadataValue),
    (consumer_groups.ConsumerGroupMetadataKey, consumer_groups.ConsumerGroupMetadataValue),
    (consumer_groups.ConsumerGroupPartitionMetadataKey, consumer_groups.ConsumerGroupPartitionMetadataValue),
    (consumer_groups.ConsumerGroupMemberMetadataKey, consumer_groups.ConsumerGroupMemberMetadataValue),
    (
        consumer_groups.ConsumerGroupTargetAssignmentMetadataKey,
        consumer_groups.ConsumerGroupTargetAssignmentMetadataValue,
    ),
    (
        consumer_groups.ConsumerGroupTargetAssignmentMemberKey,
        consumer_groups.ConsumerGroupTargetAssignmentMemberValue,
    ),
    (
        consumer_groups.ConsumerGroupCurrentMemberAssignmentKey,
        consumer_groups.ConsumerGroupCurrentMemberAssignmentValue,
    ),
    (consumer_groups.ConsumerGroupRegularExpressionKey, consumer_groups.ConsumerGroupRegularExpressionValue),
    (share_groups.ShareGroupMemberMetadataKey, share_groups.ShareGroupMemberMetadataValue),
    (share_groups.ShareGroupMetadataKey, share_groups.ShareGroupMetadataValue),
    (share_groups.ShareGroupTargetAssignmentMetadataKey, share_groups.ShareGroupTargetAssignmentMetadataValue),
    (share_groups.ShareGroupTargetAssignmentMemberKey, share_groups.ShareGroupTargetAssignmentMemberValue),
    (share_groups.ShareGroupCurrentMemberAssignmentKey, share_groups.ShareGroupCurrentMemberAssignmentValue),
    (share_groups.ShareGroupStatePartitionMetadataKey, share_groups.ShareGroupStatePartitionMetadataValue),
    (streams_groups.StreamsGroupMetadataKey, streams_groups.StreamsGroupMetadataValue),
    (streams_groups.StreamsGroupMemberMetadataKey, streams_groups.StreamsGroupMemberMetadataValue),
    (streams_groups.StreamsGroupTargetAssignmentMetadataKey, streams_groups.StreamsGroupTargetAssignmentMetadataValue),
    (streams_groups.StreamsGroupTargetAssignmentMemberKey, streams_groups.StreamsGroupTargetAssignmentMemberValue),
    (streams_groups.StreamsGroupCurrentMemberAssignmentKey, streams_groups.StreamsGroupCurrentMemberAssignmentValue),
    (streams_groups.StreamsGroupTopologyKey, streams_groups.StreamsGroupTopologyValue),
)
TRANSACTION_KINDS: Final = _kinds((transactions.TransactionLogKey, transactions.TransactionLogValue))
SHARE_STATE_KINDS: Final = _kinds(
    (share_state.ShareSnapshotKey, share_state.ShareSnapshotValue),
    (share_state.ShareUpdateKey, share_state.ShareUpdateValue),
)


def decode_internal(kinds: Kinds, record: Record) -> tuple[Message, Message | None] | None:
    """A record's key and value (None: a tombstone); None for a type that is not known. Raises ProtocolError."""
    key_bytes, value_bytes = record.key or b"", record.value
    kind = kinds.get(_prefix(key_bytes))
    if kind is None:
        return None
    key = decode(kind[0], key_bytes, 0, _PREFIX.size)
    if value_bytes is None:
        return key, None
    version = _prefix(value_bytes)
    value_kind = kind[1]
    if isinstance(key, classic_groups.LegacyOffsetCommitKey) and version == 0:
        value_kind = classic_groups.LegacyOffsetCommitValue
    return key, decode(value_kind, value_bytes, version, _PREFIX.size)


def committed_records(
    folder: PartitionFolder, kinds: Kinds, problems: list[str]
) -> Iterator[tuple[Message, Message | None]]:
    """Keys and values of a partition's folder in the order in which they came to hold; what is broken is noted."""
    pending: dict[int, list[Record]] = {}
    for path, batch, header in _batches(folder, problems):
        for record in _decided(path, batch, header, pending, problems):
            try:
                decoded = decode_internal(kinds, record)
            except ProtocolError as error:
                problems.append(f"{path}: offset {record.offset}: {error}")
                continue
            if decoded is not None:
                yield decoded


def _batches(folder: PartitionFolder, problems: list[str]) -> Iterator[tuple[str, memoryview, BatchHeader]]:
    for base_offset in folder.segment_base_offsets:
        path = folder.file(base_offset, LOG_SUFFIX)
        try:
            with BatchReader(path) as reader:
                for _, batch, header in reader.batches():
                    yield path, batch, header
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except ProtocolError as error:
            problems.append(f"{path}: {error}")


def _decided(
    path: str, batch: memoryview, header: BatchHeader, pending: dict[int, list[Record]], problems: list[str]
) -> list[Record]:
    try:
        records = list(read_records(batch, 0, header))
        if header.is_control:
            ended = pending.pop(header.producer_id, [])
            return ended if any(control_record_type(r) is ControlRecordType.COMMIT for r in records) else []
    except ProtocolError as error:
        problems.append(f"{path}: the batch at offset {header.base_offset}: {error}")
        return []
    if header.is_transactional:
        pending.setdefault(header.producer_id, []).extend(records)
        return []
    return records


def _prefix(data: bytes) -> int:
    if len(data) < _PREFIX.size:
        raise ProtocolError(f"{len(data)} bytes are shorter than a record's type")
    return int(_PREFIX.unpack_from(data)[0])


def kinds_of_topic(topic: str) -> Mapping[int, tuple[type[Message], type[Message]]]:
    """The record kinds of an internal topic; none for any other."""
    return _KINDS_OF_TOPIC.get(topic, {})


_KINDS_OF_TOPIC: Final = {
    "__consumer_offsets": GROUP_KINDS,
    "__transaction_state": TRANSACTION_KINDS,
    "__share_group_state": SHARE_STATE_KINDS,
}
