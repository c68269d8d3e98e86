"""Control records: what brokers write between the records of clients, in batches of their own.

The key says what kind it is, the value is a small message. Transaction markers end transactions in a partition; the
others belong to the metadata log and its snapshots (KIP-595, KIP-630, KIP-853).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from .compiler import encode
from .errors import ProtocolError
from .plain_batch import plain_record, wrap_plain_records
from .record_batch import CONTROL_BIT, TRANSACTIONAL_BIT
from .records import Record, build_batch
from .schema import Message, Struct, array, int16, int32, int64, string, uint16, uuid
from .schema import struct as struct_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .record_batch import BatchHeader

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


_COMMIT_KEY = control_key(ControlRecordType.COMMIT)
_ABORT_KEY = control_key(ControlRecordType.ABORT)
# EndTxnMarker: its version, then its one field. A marker is written for each partition of each transaction.
_END_TXN_VALUE = struct.Struct(">hi")
_END_TXN_VERSION = 0
_END_TXN_ATTRIBUTES = TRANSACTIONAL_BIT | CONTROL_BIT


def build_end_txn_batch(
    *, commit: bool, producer_id: int, producer_epoch: int, coordinator_epoch: int, timestamp_ms: int
) -> tuple[bytearray, BatchHeader]:
    """The batch that ends a producer's transaction in one partition, whose log will stamp it, and its header."""
    record = _end_txn_record(commit, coordinator_epoch)
    return wrap_plain_records(record, 1, timestamp_ms, _END_TXN_ATTRIBUTES, producer_id, producer_epoch)


# A coordinator's markers differ in what stands around their record: 0.1 µs to look up, 1.5 to build.
@lru_cache(maxsize=64)
def _end_txn_record(commit: bool, coordinator_epoch: int) -> bytes:
    return plain_record(_COMMIT_KEY if commit else _ABORT_KEY, _END_TXN_VALUE.pack(_END_TXN_VERSION, coordinator_epoch))


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
