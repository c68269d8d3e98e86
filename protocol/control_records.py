"""Control records: what brokers write between the records of clients, in batches of their own.

The key says what kind it is, the value is a small message. Transaction markers end transactions in a partition; the
others belong to the metadata log and its snapshots (KIP-595, KIP-630, KIP-853).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

from .compiler import encode
from .errors import ProtocolError
from .records import Record, build_batch
from .schema import Message, Struct, array, int16, int32, int64, string, uint16, uuid
from .schema import struct as struct_field

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = struct.Struct(">hh")
_KEY_VERSION = 0


class ControlRecordType(IntEnum):
    """Kafka's kinds of control records."""

    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6


class EndTxnMarker(Message, versions="0"):
    coordinator_epoch: int = int32()


class Voter(Struct):
    voter_id: int = int32()
    voter_directory_id: bytes = uuid("1+")


class LeaderChangeMessage(Message, versions="0-1", flexible="0+"):
    version: int = int16()
    leader_id: int = int32()
    voters: list[Voter] = array(Voter)
    granting_voters: list[Voter] = array(Voter)


class SnapshotHeaderRecord(Message, versions="0", flexible="0+"):
    version: int = int16()
    last_contained_log_timestamp: int = int64()


class SnapshotFooterRecord(Message, versions="0", flexible="0+"):
    version: int = int16()


class KRaftVersionRecord(Message, versions="0", flexible="0+"):
    version: int = int16()
    k_raft_version: int = int16()


class VotersEndpoint(Struct):
    name: str = string()
    host: str = string()
    port: int = uint16()


class KRaftVersionFeature(Struct):
    min_supported_version: int = int16()
    max_supported_version: int = int16()


class VotersRecordVoter(Struct):
    voter_id: int = int32()
    voter_directory_id: bytes = uuid()
    endpoints: list[VotersEndpoint] = array(VotersEndpoint)
    k_raft_version_feature: KRaftVersionFeature = struct_field(KRaftVersionFeature)


class VotersRecord(Message, versions="0", flexible="0+"):
    version: int = int16()
    voters: list[VotersRecordVoter] = array(VotersRecordVoter)


def control_record_type(record: Record) -> ControlRecordType:
    """What kind of control record this is; ProtocolError when it is none that Kafka knows."""
    if record.key is None or len(record.key) < _KEY.size:
        raise ProtocolError("a control record has no type")
    _, kind = _KEY.unpack_from(record.key)
    try:
        return ControlRecordType(kind)
    except ValueError as error:
        raise ProtocolError(f"control record type {kind} is not known") from error


def control_key(kind: ControlRecordType) -> bytes:
    """The key of a control record."""
    return _KEY.pack(_KEY_VERSION, kind)


def end_txn_batch(
    *,
    commit: bool,
    base_offset: int,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int,
    timestamp_ms: int,
    partition_leader_epoch: int = -1,
) -> bytearray:
    """The batch that ends a producer's transaction in one partition."""
    kind = ControlRecordType.COMMIT if commit else ControlRecordType.ABORT
    # The value is the marker's version (0) and its body.
    value = b"\x00\x00" + encode(EndTxnMarker(coordinator_epoch=coordinator_epoch), 0)
    return build_batch(
        [Record(base_offset, timestamp_ms, control_key(kind), value)],
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def leader_change_batch(
    leader_id: int,
    voter_ids: Sequence[int],
    *,
    base_offset: int,
    partition_leader_epoch: int,
    timestamp_ms: int,
    following: Sequence[Message] = (),
) -> bytearray:
    """The batch with which a leader opens its epoch of the metadata log; other control records may follow in it."""
    voters = [Voter(voter_id=voter_id) for voter_id in voter_ids]
    message = LeaderChangeMessage(leader_id=leader_id, voters=voters, granting_voters=voters)
    return control_batch(
        [message, *following],
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        timestamp_ms=timestamp_ms,
    )


def control_batch(
    messages: Sequence[Message], *, base_offset: int, partition_leader_epoch: int, timestamp_ms: int
) -> bytearray:
    """A batch of control records of a metadata log or its snapshot. KeyError for a message that is none."""
    records = [
        Record(base_offset + i, timestamp_ms, control_key(_KINDS[type(message)]), encode(message, 0))
        for i, message in enumerate(messages)
    ]
    return build_batch(records, base_offset=base_offset, partition_leader_epoch=partition_leader_epoch, is_control=True)


_KINDS: dict[type[Message], ControlRecordType] = {
    LeaderChangeMessage: ControlRecordType.LEADER_CHANGE,
    SnapshotHeaderRecord: ControlRecordType.SNAPSHOT_HEADER,
    SnapshotFooterRecord: ControlRecordType.SNAPSHOT_FOOTER,
    KRaftVersionRecord: ControlRecordType.KRAFT_VERSION,
    VotersRecord: ControlRecordType.KRAFT_VOTERS,
}
