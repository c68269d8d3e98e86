"""What two brokers may differ in without differing: the whole list.

1. Names begin with the case's own prefix; it is cut off. Entries of other cases, in answers that list everything a
   broker has, are left out.
2. Ids that a broker makes up (topics, producers, members, fetch sessions, the cluster) become what they stand for,
   or numbers in the order of their appearance.
   So do offsets and leader epochs of the metadata log; one of the offsets is the epoch of the finalized features.
3. Timestamps of now become <now>, and such in messages <time>; times long ago stay.
4. The port that the broker listens on becomes <port>, and where its controller does <controller>.
5. Arrays that Kafka fills from a hash map are sorted: UNORDERED says which. Fetch answers that come back to a topic
   are shown with all of it in one place: clients read them partition by partition.
6. What documents a configuration is each broker's own prose: only whether it is there counts.
7. A log directory is where each broker's is, on a volume that others write to.
8. Record batches are shown as their headers and records. Their CRC is left out: it covers ids and times.
"""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING, Any

from ottla.protocol.errors import ErrorCode, ProtocolError
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import read_records
from ottla.protocol.schema import Struct

from .world import SUITE

if TYPE_CHECKING:
    from ottla.protocol.schema import FieldSpec, Message

    from .world import World

UNORDERED = frozenset(
    {
        "AddPartitionsToTxnResponse.results_by_topic_v3_and_below",
        "AddPartitionsToTxnResponse.results_by_transaction",
        "AddPartitionsToTxnResult.topic_results",
        "AddPartitionsToTxnTopicResult.results_by_partition",
        "AlterConfigsResponse.responses",
        "ApiVersionsResponse.api_keys",
        "ApiVersionsResponse.finalized_features",
        "ApiVersionsResponse.supported_features",
        "Assignment.topic_partitions",
        "ConsumerGroupDescribeResponse.groups",
        "CreatableTopicResult.configs",
        "CreatePartitionsResponse.results",
        "CreateTopicsResponse.topics",
        "DeleteGroupsResponse.results",
        "DeleteRecordsResponse.topics",
        "DeleteRecordsTopicResult.partitions",
        "DeleteTopicsResponse.responses",
        "DescribeConfigsResponse.results",
        "DescribeConfigsResult.configs",
        "DescribeGroupsResponse.groups",
        "DescribeLogDirsResult.topics",
        "DescribeLogDirsTopic.partitions",
        "DescribeTransactionsResponse.transaction_states",
        "DescribedGroup.members",
        "FetchResponse.responses",
        "IncrementalAlterConfigsResponse.responses",
        "JoinGroupResponse.members",
        "ListConfigResourcesResponse.config_resources",
        "ListGroupsResponse.groups",
        "ListOffsetsResponse.topics",
        "ListOffsetsTopicResponse.partitions",
        "ListTransactionsResponse.transaction_states",
        "MetadataResponse.topics",
        "OffsetCommitResponse.topics",
        "OffsetCommitResponseTopic.partitions",
        "OffsetDeleteResponse.topics",
        "OffsetDeleteResponseTopic.partitions",
        "OffsetFetchResponse.topics",
        "OffsetFetchResponseGroup.topics",
        "OffsetFetchResponseTopic.partitions",
        "OffsetFetchResponseTopics.partitions",
        "OffsetForLeaderEpochResponse.topics",
        "PartitionResponse.active_producers",
        "ProduceResponse.responses",
        "ResponseTopicPartitions.partitions",
        "TopicProduceResponse.partition_responses",
        "TxnOffsetCommitResponse.topics",
        "TxnOffsetCommitResponseTopic.partitions",
        "WritableTxnMarkerResult.topics",
        "WritableTxnMarkerTopicResult.partitions",
        "WriteTxnMarkersResponse.markers",
    }
)

_TIMES = frozenset({"base_timestamp", "last_caught_up_timestamp", "last_fetch_timestamp", "last_timestamp",
                    "log_append_time_ms", "max_timestamp", "timestamp", "transaction_start_time_ms"})  # fmt: skip
# What is where in the metadata log, which holds other records for each broker's own start.
_OF_THE_METADATA_LOG = frozenset(
    {"ReplicaState.log_end_offset", "ResponsePartitionData.high_watermark", "ResponsePartitionData.leader_epoch"}
)
_OF_THE_CONTROLLER = frozenset({"Listener.host", "Listener.port"})
_NEAR_MS = 3_600_000
_TIME = re.compile(r"-922337\d{13}\b|\b\d{13}\b")
_DAYS_MS = 5 * 86_400_000
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHORT_UUID = re.compile(r"[A-Za-z0-9_-]{22}")
_MADE_UP = re.compile("\u0001(.)(.*?)\u0002")
_NO_ID = bytes(16)


class Normaliser:
    """The normalisations of one transcript; ids keep their numbers from answer to answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers: dict[str, dict[str, int]] = {}

    def answer(self, message: Message, version: int) -> Any:
        """An answer as plain data: dictionaries, lists, numbers and text."""
        return self._numbered(self._struct(message, version))

    # The first walk: plain data, in which ids that were made up are marked

    def _struct(self, value: Struct, version: int) -> dict[str, Any]:
        said = {}
        for field in value.fields:
            if version in field.versions:
                owner = type(value).__name__
                said[field.name] = self._field(owner, field, getattr(value, field.name), version)
        return said

    def _field(self, owner: str, field: FieldSpec, value: Any, version: int) -> Any:
        if f"{owner}.{field.name}" in _OF_THE_METADATA_LOG and value > 0:
            return "<offset>"
        if f"{owner}.{field.name}" in _OF_THE_CONTROLLER:
            return "<controller>"
        if not field.is_array or value is None:
            return self._value(field, value, version)
        entries = [self._value(field, entry, version) for entry in value if not self._is_of_another(entry)]
        if owner == "FetchResponse" and field.name == "responses":
            entries = _by_topic(entries)
        if f"{owner}.{field.name}" in UNORDERED:
            entries.sort(key=self._order)
        return entries

    def _is_of_another(self, entry: Any) -> bool:
        """Whether an entry is about what another case made."""
        if not isinstance(entry, Struct):
            return False
        name = getattr(entry, entry.fields[0].name)
        for candidate in ("name", "group_id", "transactional_id", "resource_name"):
            name = getattr(entry, candidate, name)
        return isinstance(name, str) and name.startswith(SUITE) and not self._is_ours(name)

    def _is_ours(self, name: str) -> bool:
        return name.startswith(self._world.prefix) and "settle-" not in name

    def _value(self, field: FieldSpec, value: Any, version: int) -> Any:
        if isinstance(value, Struct):
            return self._struct(value, version)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._named_text(field.name, value)
        if field.wire == "uuid":
            return self._id(bytes(value))
        if field.wire == "records":
            return self._batches(bytes(value))
        if isinstance(value, int):
            return self._number(field.name, value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value).replace(self._world.prefix.encode(), b"").hex()
        return value

    def _number(self, name: str, value: int) -> Any:
        if name.endswith("error_code"):
            return f"{value} {ErrorCode(value).name}"
        if name == "port":
            return "<port>" if value == self._world.broker.port else value
        if name in ("total_bytes", "usable_bytes") and value > 0:
            return "<bytes>"
        if name == "finalized_features_epoch":
            return "<epoch>"
        if name == "session_id":
            return _mark("session", str(value)) if value else 0
        if name.endswith("producer_id"):
            return _mark("producer", str(value)) if value >= 0 else value
        if name in _TIMES and abs(value - time.time() * 1000) < _NEAR_MS:
            return "<now>"
        return value

    def _named_text(self, name: str, value: str) -> str:
        if name == "cluster_id":
            return "<cluster id>"
        if name == "log_dir":
            return "<directory>"
        if name == "documentation":
            return "<documentation>" if value else value
        if name == "member_id" and _SHORT_UUID.fullmatch(value):
            return _mark("uuid", value)
        return self._text(value)

    def _text(self, value: str) -> str:
        for known, label in self._world.ids.items():
            value = value.replace(id_text(known), f"<id of {label}>")
        value = value.replace(self._world.prefix, "").replace(f":{self._world.broker.port}", ":<port>")
        value = _TIME.sub(_as_time, value)
        return _UUID.sub(lambda found: _mark("uuid", found[0]), value)

    def _id(self, value: bytes) -> str:
        if value == _NO_ID:
            return "<no id>"
        label = self._world.ids.get(value)
        return _mark("id", value.hex()) if label is None else f"<id of {label}>"

    def _batches(self, data: bytes) -> list[Any] | str:
        try:
            return [self._batch(data, position, header) for position, header in read_headers(data)]
        except ProtocolError as error:
            return f"{error}: {data.hex()}"

    def _batch(self, data: bytes, position: int, header: Any) -> dict[str, Any]:
        said = {name: self._number(name, value) for name, value in header._asdict().items() if name != "crc"}
        said["records"] = [
            {
                "offset": record.offset,
                "timestamp": self._number("timestamp", record.timestamp),
                "key": None if record.key is None else record.key.hex(),
                "value": None if record.value is None else record.value.hex(),
                "headers": [[key, None if value is None else value.hex()] for key, value in record.headers],
            }
            for record in read_records(data, position, header)
        ]
        return said

    # The second walk: marks become numbers, in the order of their appearance

    def _order(self, entry: Any) -> str:
        """What sorts entries: made-up ids count by their numbers where they have appeared before, else not at all."""
        text = repr(entry)
        for mark in ("\u0001", "\u0002", "\u0003"):
            text = text.replace(repr(mark)[1:-1], mark)
        return _MADE_UP.sub(self._known_number, text)

    def _known_number(self, found: re.Match[str]) -> str:
        kind, _, made_up = found[0][1:-1].partition("\u0003")
        number = self._numbers.get(kind, {}).get(made_up)
        return "" if number is None else f"{number:04}"

    def _numbered(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._numbered(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._numbered(entry) for entry in value]
        return _MADE_UP.sub(self._as_number, value) if isinstance(value, str) else value

    def _as_number(self, found: re.Match[str]) -> str:
        kind, _, made_up = found[0][1:-1].partition("\u0003")
        numbers = self._numbers.setdefault(kind, {})
        return f"<{kind} {numbers.setdefault(made_up, len(numbers) + 1)}>"


def _by_topic(entries: list[Any]) -> list[Any]:
    """The entries of a Fetch answer with each topic once, and its partitions sorted."""
    merged: dict[str, Any] = {}
    for entry in entries:
        topic = merged.setdefault(str(entry.get("topic_id", entry.get("topic"))), {**entry, "partitions": []})
        topic["partitions"] += entry["partitions"]
    for topic in merged.values():
        topic["partitions"].sort(key=lambda partition: partition["partition_index"])
    return list(merged.values())


def id_text(topic_id: bytes) -> str:
    """A topic id as Kafka writes it into messages."""
    return base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


def _as_time(found: re.Match[str]) -> str:
    is_near = abs(int(found[0]) - time.time() * 1000) < _DAYS_MS
    return "<time>" if is_near or found[0].startswith("-") else found[0]


def _mark(kind: str, made_up: str) -> str:
    return f"\u0001{kind}\u0003{made_up}\u0002"
