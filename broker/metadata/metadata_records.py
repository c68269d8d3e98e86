"""The framing of a record in `__cluster_metadata`: a frame version, the record's type, its version, its body.

Which version of a record is written depends on `metadata.version` in Kafka; the table here holds those of level 30
(Apache Kafka 4.3), the one level that this broker writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.compiler import decode, encode
from ...protocol.errors import ProtocolError
from ...protocol.primitives import Buffer, read_uvarint, uvarint
from ...protocol.stored import metadata as stored

if TYPE_CHECKING:
    from ...protocol.schema import Message

FRAME_VERSION: Final = 1

RECORD_KINDS: Final[dict[int, type[Message]]] = {
    kind.api_key: kind
    for kind in (
        stored.RegisterBrokerRecord,
        stored.UnregisterBrokerRecord,
        stored.TopicRecord,
        stored.PartitionRecord,
        stored.ConfigRecord,
        stored.PartitionChangeRecord,
        stored.FenceBrokerRecord,
        stored.UnfenceBrokerRecord,
        stored.RemoveTopicRecord,
        stored.DelegationTokenRecord,
        stored.UserScramCredentialRecord,
        stored.FeatureLevelRecord,
        stored.ClientQuotaRecord,
        stored.ProducerIdsRecord,
        stored.BrokerRegistrationChangeRecord,
        stored.AccessControlEntryRecord,
        stored.RemoveAccessControlEntryRecord,
        stored.NoOpRecord,
        stored.ZkMigrationStateRecord,
        stored.RemoveUserScramCredentialRecord,
        stored.BeginTransactionRecord,
        stored.EndTransactionRecord,
        stored.AbortTransactionRecord,
        stored.RemoveDelegationTokenRecord,
        stored.RegisterControllerRecord,
        stored.ClearElrRecord,
    )
}

_WRITTEN_VERSIONS: Final[dict[type[Message], int]] = {
    stored.RegisterBrokerRecord: 4,
    stored.PartitionRecord: 2,
    stored.PartitionChangeRecord: 2,
}
"""The versions that are not 0."""


def encode_record(record: Message) -> bytes:
    """The value of a record in the log."""
    version = written_version(record)
    return uvarint(FRAME_VERSION) + uvarint(type(record).api_key) + uvarint(version) + encode(record, version)


def written_version(record: Message) -> int:
    """The version that Kafka 4.3 would write; a change of a registration takes the lowest that can say it."""
    if isinstance(record, stored.BrokerRegistrationChangeRecord):
        return _registration_change_version(record)
    return _WRITTEN_VERSIONS.get(type(record), 0)


def _registration_change_version(record: stored.BrokerRegistrationChangeRecord) -> int:
    if record.cordoned_log_dirs is not None:
        return 3
    if record.log_dirs:
        return 2
    return 1 if record.in_controlled_shutdown else 0


def decode_record(value: Buffer) -> Message:
    """The record in a value of the log. ProtocolError names a type or version that this broker does not know."""
    try:
        frame_version, position = read_uvarint(value, 0)
        api_key, position = read_uvarint(value, position)
        version, position = read_uvarint(value, position)
    except IndexError as error:
        raise ProtocolError("a metadata record ends within its frame") from error
    if frame_version != FRAME_VERSION:
        raise ProtocolError(f"a metadata record has frame version {frame_version}, known is {FRAME_VERSION}")
    kind = RECORD_KINDS.get(api_key)
    if kind is None:
        raise ProtocolError(f"metadata record type {api_key} (version {version}) is not known")
    if version not in kind.versions:
        raise ProtocolError(f"{kind.__name__} has version {version}, known up to {kind.versions.highest}")
    return decode(kind, value, version, position)
