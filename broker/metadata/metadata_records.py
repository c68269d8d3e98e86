"""The framing of a record in `__cluster_metadata`: a frame version, the record's type, its version, its body.

Which version of a record is written depends on `metadata.version`: a directory of an older Kafka stays one that this
Kafka can read (`MetadataVersion.registerBrokerRecordVersion` and its like).
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

LATEST_METADATA_VERSION: Final = 30
"""4.3-IV0, the level of Apache Kafka 4.3."""

_VERSION_SINCE: Final[dict[type[Message], tuple[tuple[int, int], ...]]] = {
    stored.RegisterBrokerRecord: ((30, 4), (17, 3), (8, 2), (7, 1)),
    stored.PartitionRecord: ((23, 2), (17, 1)),
    stored.PartitionChangeRecord: ((23, 2), (17, 1)),
}
"""(the level of metadata.version, the record's version from there on), the newest first; all others are at 0."""


def encode_record(record: Message, metadata_version: int = LATEST_METADATA_VERSION) -> bytes:
    """The value of a record in the log; fields that are newer than `metadata_version` are left out, as Kafka does."""
    version = written_version(record, metadata_version)
    kind = type(record)
    if version < kind.versions.highest:
        record = _without_newer_fields(record, version)
    return uvarint(FRAME_VERSION) + uvarint(kind.api_key) + uvarint(version) + encode(record, version)


def written_version(record: Message, metadata_version: int = LATEST_METADATA_VERSION) -> int:
    """The version that Kafka writes at this level; a change of a registration takes the lowest that can say it."""
    if isinstance(record, stored.BrokerRegistrationChangeRecord):
        return _registration_change_version(record)
    since = _VERSION_SINCE.get(type(record), ())
    return next((version for level, version in since if level <= metadata_version), 0)


def _without_newer_fields(record: Message, version: int) -> Message:
    kind = type(record)
    return kind(**{spec.name: getattr(record, spec.name) for spec in kind.fields if version in spec.versions})


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
