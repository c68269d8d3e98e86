"""Requests to groups and transactions with values that no client should send; `codes` sums an answer up.

A world knows the ids of a classic group `live` with one stable member, of a consumer group `new` with one member, and
of the topic `t` with two partitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ottla.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from ottla.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest
from ottla.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from ottla.protocol.messages.describe_transactions import DescribeTransactionsRequest
from ottla.protocol.messages.end_txn import EndTxnRequest
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from ottla.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ottla.protocol.messages.list_groups import ListGroupsRequest
from ottla.protocol.messages.list_transactions import ListTransactionsRequest
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from ottla.protocol.messages.sync_group import SyncGroupRequest
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ottla.protocol.schema import Message

INT_MAX, INT_MIN = (1 << 31) - 1, -(1 << 31)
NO_TOPIC_ID = b"\x07" * 16


class World(NamedTuple):
    """Who is there."""

    topic_id: bytes
    member: str
    generation: int
    consumer: str
    epoch: int


class Case(NamedTuple):
    """A request, its version, and the codes of Apache Kafka 4.3.1 in the order in which they stand in the answer."""

    version: int
    request: Callable[[World], Message]
    codes: str


def codes(answer: Any) -> str:
    """The names of all error codes of an answer, in its order."""
    return " ".join(ErrorCode(code).name for code in _codes(answer))


def _codes(message: Any) -> Iterator[int]:
    for spec in message.fields:
        value = getattr(message, spec.name)
        if spec.name in ("error_code", "partition_error_code"):
            yield value
        elif spec.struct is not None and value is not None:
            for inner in value if spec.is_array else [value]:
                yield from _codes(inner)


def join(**fields: Any) -> JoinGroupRequest:
    usual = {
        "group_id": "fresh",
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 10_000,
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol(name="range", metadata=b"")],
    }
    return JoinGroupRequest(**usual | fields)


def commit(group: str = "fresh", partition: int = 0, *, topic: str = "t", topic_id: bytes = b"", **fields: Any) -> Any:
    of_partition = {name: fields.pop(name) for name in list(fields) if name.startswith("committed_")}
    partitions = [OffsetCommitRequestPartition(partition_index=partition, **{"committed_offset": 1} | of_partition)]
    named = {"topic_id": topic_id} if topic_id else {"name": topic}
    return OffsetCommitRequest(
        group_id=group, topics=[OffsetCommitRequestTopic(partitions=partitions, **named)], **fields
    )


def offsets_of(group: str, partition: int = 0, topic: str = "t", **fields: Any) -> OffsetFetchRequest:
    topics = [OffsetFetchRequestTopics(name=topic, partition_indexes=[partition])]
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=topics, **fields)])


def delete_offset(group: str, partition: int = 0, topic: str = "t") -> OffsetDeleteRequest:
    partitions = [OffsetDeleteRequestPartition(partition_index=partition)]
    return OffsetDeleteRequest(group_id=group, topics=[OffsetDeleteRequestTopic(name=topic, partitions=partitions)])


def consume(**fields: Any) -> ConsumerGroupHeartbeatRequest:
    usual = {
        "group_id": "fresh",
        "member_id": "m",
        "member_epoch": 0,
        "rebalance_timeout_ms": 10_000,
        "subscribed_topic_names": ["t"],
        "topic_partitions": [],
    }
    return ConsumerGroupHeartbeatRequest(**usual | fields)


def beat_on(w: World, **fields: Any) -> ConsumerGroupHeartbeatRequest:
    usual = {"group_id": "new", "member_id": w.consumer, "member_epoch": w.epoch}
    return ConsumerGroupHeartbeatRequest(**usual | fields)


def init(name: str | None = "pay", timeout_ms: int = 60_000, producer_id: int = -1, epoch: int = -1) -> Any:
    return InitProducerIdRequest(
        transactional_id=name, transaction_timeout_ms=timeout_ms, producer_id=producer_id, producer_epoch=epoch
    )


def add(name: str = "pay", producer_id: int = 4_000_000, epoch: int = 0, topic: str = "t", partition: int = 0) -> Any:
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer_id,
        v3_and_below_producer_epoch=epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=[partition])],
    )


def add_group(name: str = "pay", group: str = "fresh") -> AddOffsetsToTxnRequest:
    return AddOffsetsToTxnRequest(transactional_id=name, producer_id=4_000_000, producer_epoch=0, group_id=group)


def commit_in_transaction(group: str = "fresh", partition: int = 0, topic: str = "t", **fields: Any) -> Any:
    usual = {"transactional_id": "pay", "producer_id": 4_000_000, "producer_epoch": 0, "member_id": ""}
    partitions = [TxnOffsetCommitRequestPartition(partition_index=partition, committed_offset=1, committed_metadata="")]
    topics = [TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)]
    return TxnOffsetCommitRequest(group_id=group, topics=topics, **usual | fields)


def end(name: str = "pay", producer_id: int = 4_000_000, epoch: int = 0) -> EndTxnRequest:
    return EndTxnRequest(transactional_id=name, producer_id=producer_id, producer_epoch=epoch, committed=True)


def coordinator(*keys: str, key_type: int = 0) -> FindCoordinatorRequest:
    return FindCoordinatorRequest(key_type=key_type, coordinator_keys=list(keys))


CASES = {
    # classic groups
    "join: no group id": Case(9, lambda w: join(group_id=""), "INVALID_GROUP_ID"),
    "join: a session of 1 ms": Case(9, lambda w: join(session_timeout_ms=1), "INVALID_SESSION_TIMEOUT"),
    "join: a session below zero": Case(9, lambda w: join(session_timeout_ms=INT_MIN), "INVALID_SESSION_TIMEOUT"),
    "join: a session without end": Case(9, lambda w: join(session_timeout_ms=INT_MAX), "INVALID_SESSION_TIMEOUT"),
    "join: no protocol": Case(9, lambda w: join(protocols=[]), "INCONSISTENT_GROUP_PROTOCOL"),
    "join: no protocol type": Case(9, lambda w: join(protocol_type=""), "INCONSISTENT_GROUP_PROTOCOL"),
    "join: a member who is not there": Case(9, lambda w: join(group_id="live", member_id="ghost"), "UNKNOWN_MEMBER_ID"),
    "join: a member of no group": Case(9, lambda w: join(member_id="ghost"), "UNKNOWN_MEMBER_ID"),
    "join: another type": Case(
        9, lambda w: join(group_id="live", protocol_type="connect"), "INCONSISTENT_GROUP_PROTOCOL"
    ),
    "join: another protocol": Case(
        9,
        lambda w: join(group_id="live", protocols=[JoinGroupRequestProtocol(name="mine", metadata=b"")]),
        "INCONSISTENT_GROUP_PROTOCOL",
    ),
    "join: an instance of no member": Case(
        9, lambda w: join(group_id="live", member_id=w.member, group_instance_id="i"), "UNKNOWN_MEMBER_ID"
    ),
    "sync: no group id": Case(5, lambda w: SyncGroupRequest(group_id="", member_id="m"), "INCONSISTENT_GROUP_PROTOCOL"),
    "sync: no group": Case(
        5, lambda w: SyncGroupRequest(group_id="none", member_id="m"), "INCONSISTENT_GROUP_PROTOCOL"
    ),
    "sync: no member id": Case(
        5, lambda w: SyncGroupRequest(group_id="live", generation_id=w.generation), "INCONSISTENT_GROUP_PROTOCOL"
    ),
    "sync: a generation from the future": Case(
        4, lambda w: SyncGroupRequest(group_id="live", member_id=w.member, generation_id=INT_MAX), "ILLEGAL_GENERATION"
    ),
    "sync: a generation below zero": Case(
        4, lambda w: SyncGroupRequest(group_id="live", member_id=w.member, generation_id=-1), "ILLEGAL_GENERATION"
    ),
    "beat: no group id": Case(4, lambda w: HeartbeatRequest(group_id="", member_id="m"), "INVALID_GROUP_ID"),
    "beat: no group": Case(4, lambda w: HeartbeatRequest(group_id="none", member_id="m"), "UNKNOWN_MEMBER_ID"),
    "beat: no member id": Case(
        4, lambda w: HeartbeatRequest(group_id="live", generation_id=w.generation), "UNKNOWN_MEMBER_ID"
    ),
    "beat: a generation below zero": Case(
        4, lambda w: HeartbeatRequest(group_id="live", member_id=w.member, generation_id=INT_MIN), "ILLEGAL_GENERATION"
    ),
    "beat: an instance of no member": Case(
        4,
        lambda w: HeartbeatRequest(
            group_id="live", member_id=w.member, generation_id=w.generation, group_instance_id="i"
        ),
        "UNKNOWN_MEMBER_ID",
    ),
    "leave: no group id": Case(
        5, lambda w: LeaveGroupRequest(group_id="", members=[MemberIdentity()]), "INVALID_GROUP_ID"
    ),
    "leave: no group": Case(
        5, lambda w: LeaveGroupRequest(group_id="none", members=[MemberIdentity()]), "NONE UNKNOWN_MEMBER_ID"
    ),
    "leave: nobody": Case(5, lambda w: LeaveGroupRequest(group_id="live", members=[]), "NONE"),
    "leave: no member id": Case(
        5, lambda w: LeaveGroupRequest(group_id="live", members=[MemberIdentity()]), "NONE UNKNOWN_MEMBER_ID"
    ),
    "leave: an instance that is not there": Case(
        5,
        lambda w: LeaveGroupRequest(group_id="live", members=[MemberIdentity(group_instance_id="i")]),
        "NONE UNKNOWN_MEMBER_ID",
    ),
    # offsets
    "commit: no group id": Case(9, lambda w: commit(""), "NONE"),
    "commit: partition -1": Case(9, lambda w: commit(partition=-1), "UNKNOWN_TOPIC_OR_PARTITION"),
    "commit: partition 2147483647": Case(9, lambda w: commit(partition=INT_MAX), "UNKNOWN_TOPIC_OR_PARTITION"),
    "commit: no topic name": Case(9, lambda w: commit(topic=""), "UNKNOWN_TOPIC_OR_PARTITION"),
    "commit: a topic that was deleted": Case(9, lambda w: commit(topic="gone"), "UNKNOWN_TOPIC_OR_PARTITION"),
    "commit: an id of no topic": Case(10, lambda w: commit(topic_id=NO_TOPIC_ID), "UNKNOWN_TOPIC_ID"),
    "commit: the zero id": Case(10, lambda w: commit(topic_id=bytes(16)), "UNKNOWN_TOPIC_ID"),
    "commit: too much metadata": Case(9, lambda w: commit(committed_metadata="x" * 4097), "OFFSET_METADATA_TOO_LARGE"),
    "commit: too much metadata of a stranger": Case(
        9,
        lambda w: commit("live", committed_metadata="x" * 4097, member_id="ghost", generation_id_or_member_epoch=1),
        "UNKNOWN_MEMBER_ID",
    ),
    "commit: generation -2": Case(
        9, lambda w: commit("live", member_id=w.member, generation_id_or_member_epoch=-2), "ILLEGAL_GENERATION"
    ),
    "commit: a member of no group": Case(
        9, lambda w: commit("none", member_id="ghost", generation_id_or_member_epoch=1), "GROUP_ID_NOT_FOUND"
    ),
    "commit: an instance of no member": Case(
        9,
        lambda w: commit("live", member_id=w.member, generation_id_or_member_epoch=w.generation, group_instance_id="i"),
        "UNKNOWN_MEMBER_ID",
    ),
    "commit: an epoch from the future": Case(
        9, lambda w: commit("new", member_id=w.consumer, generation_id_or_member_epoch=INT_MAX), "STALE_MEMBER_EPOCH"
    ),
    "commit: a consumer before version 9": Case(
        8, lambda w: commit("new", member_id=w.consumer, generation_id_or_member_epoch=w.epoch), "UNSUPPORTED_VERSION"
    ),
    "look up: no group id": Case(8, lambda w: offsets_of(""), "NONE NONE NONE"),
    "look up: partition -1": Case(8, lambda w: offsets_of("live", -1), "NONE NONE NONE"),
    "look up: no topic": Case(8, lambda w: offsets_of("live", topic="none"), "NONE NONE NONE"),
    "look up: a member who is not there": Case(
        9, lambda w: offsets_of("new", member_id="ghost", member_epoch=w.epoch), "NONE UNKNOWN_MEMBER_ID"
    ),
    "look up: an epoch from the future": Case(
        9, lambda w: offsets_of("new", member_id=w.consumer, member_epoch=INT_MAX), "NONE STALE_MEMBER_EPOCH"
    ),
    "delete an offset: no group id": Case(0, lambda w: delete_offset(""), "INVALID_GROUP_ID"),
    "delete an offset: no group": Case(0, lambda w: delete_offset("none"), "GROUP_ID_NOT_FOUND"),
    "delete an offset: no partition": Case(0, lambda w: delete_offset("live", 99), "NONE UNKNOWN_TOPIC_OR_PARTITION"),
    "delete an offset: no topic": Case(
        0, lambda w: delete_offset("live", topic="none"), "NONE UNKNOWN_TOPIC_OR_PARTITION"
    ),
    # groups as a whole
    "delete: no group": Case(2, lambda w: DeleteGroupsRequest(groups_names=["none"]), "GROUP_ID_NOT_FOUND"),
    "delete: a group with a member": Case(2, lambda w: DeleteGroupsRequest(groups_names=["live"]), "NON_EMPTY_GROUP"),
    "delete: a group with a consumer": Case(2, lambda w: DeleteGroupsRequest(groups_names=["new"]), "NON_EMPTY_GROUP"),
    "describe: strange ids": Case(5, lambda w: DescribeGroupsRequest(groups=["", "none"]), "NONE NONE"),
    "describe: a group that is not there, version 6": Case(
        6, lambda w: DescribeGroupsRequest(groups=["none"]), "GROUP_ID_NOT_FOUND"
    ),
    "describe consumers: strange ids": Case(
        1,
        lambda w: ConsumerGroupDescribeRequest(group_ids=["", "none", "live"]),
        "INVALID_GROUP_ID GROUP_ID_NOT_FOUND GROUP_ID_NOT_FOUND",
    ),
    "list: states and types that are none": Case(
        5, lambda w: ListGroupsRequest(states_filter=["Sleeping"], types_filter=["alien"]), "NONE"
    ),
    "coordinator: no key": Case(4, lambda w: coordinator(""), "NONE NONE"),
    "coordinator: a type that is none": Case(4, lambda w: coordinator("x", key_type=9), "NONE INVALID_REQUEST"),
    "coordinator: type -1": Case(4, lambda w: coordinator("x", key_type=-1), "NONE INVALID_REQUEST"),
    "coordinator: an older client, a type that is none": Case(
        3, lambda w: FindCoordinatorRequest(key="x", key_type=9), "INVALID_REQUEST"
    ),
    # consumer groups
    "consume: no group id": Case(1, lambda w: consume(group_id=""), "INVALID_REQUEST"),
    "consume: a blank group id": Case(1, lambda w: consume(group_id="  "), "INVALID_REQUEST"),
    "consume: no member id": Case(1, lambda w: consume(member_id=""), "INVALID_REQUEST"),
    "consume: no member id in an epoch": Case(1, lambda w: beat_on(w, member_id=""), "INVALID_REQUEST"),
    "consume: no timeout": Case(1, lambda w: consume(rebalance_timeout_ms=-1), "INVALID_REQUEST"),
    "consume: a timeout of zero": Case(1, lambda w: consume(rebalance_timeout_ms=0), "NONE"),
    "consume: no subscription": Case(1, lambda w: consume(subscribed_topic_names=None), "INVALID_REQUEST"),
    "consume: partitions at once": Case(
        1, lambda w: consume(topic_partitions=[TopicPartitions(topic_id=w.topic_id, partitions=[0])]), "INVALID_REQUEST"
    ),
    "consume: partitions untold": Case(1, lambda w: consume(topic_partitions=None), "INVALID_REQUEST"),
    "consume: an empty instance id": Case(1, lambda w: consume(instance_id=""), "INVALID_REQUEST"),
    "consume: an empty rack id": Case(1, lambda w: consume(rack_id=""), "INVALID_REQUEST"),
    "consume: an assignor that is none": Case(1, lambda w: consume(server_assignor="mine"), "UNSUPPORTED_ASSIGNOR"),
    "consume: no expression": Case(
        1, lambda w: consume(subscribed_topic_regex="(", subscribed_topic_names=None), "INVALID_REGULAR_EXPRESSION"
    ),
    "consume: epoch -3": Case(1, lambda w: beat_on(w, member_epoch=-3), "INVALID_REQUEST"),
    "consume: epoch -2147483648": Case(1, lambda w: beat_on(w, member_epoch=INT_MIN), "INVALID_REQUEST"),
    "consume: an epoch from the future": Case(1, lambda w: beat_on(w, member_epoch=INT_MAX), "FENCED_MEMBER_EPOCH"),
    "consume: leaves as nobody static": Case(1, lambda w: beat_on(w, member_epoch=-2), "INVALID_REQUEST"),
    "consume: a member who is not there": Case(1, lambda w: beat_on(w, member_id="ghost"), "UNKNOWN_MEMBER_ID"),
    "consume: no group": Case(1, lambda w: beat_on(w, group_id="none"), "GROUP_ID_NOT_FOUND"),
    "consume: an instance that is not there": Case(1, lambda w: beat_on(w, instance_id="i"), "UNKNOWN_MEMBER_ID"),
    "consume: has what nobody has": Case(
        1, lambda w: beat_on(w, topic_partitions=[TopicPartitions(topic_id=NO_TOPIC_ID, partitions=[-1])]), "NONE"
    ),
    # transactions
    "begin: an empty id": Case(5, lambda w: init(""), "INVALID_REQUEST"),
    "begin: a timeout of zero": Case(5, lambda w: init(timeout_ms=0), "INVALID_TRANSACTION_TIMEOUT"),
    "begin: a timeout below zero": Case(5, lambda w: init(timeout_ms=INT_MIN), "INVALID_TRANSACTION_TIMEOUT"),
    "begin: a timeout that is too long": Case(5, lambda w: init(timeout_ms=INT_MAX), "INVALID_TRANSACTION_TIMEOUT"),
    "begin: a producer id without an epoch": Case(5, lambda w: init(producer_id=5), "INVALID_REQUEST"),
    "begin: an epoch without a producer id": Case(5, lambda w: init(epoch=5), "INVALID_REQUEST"),
    "begin: epoch -5": Case(5, lambda w: init(producer_id=5, epoch=-5), "NONE"),
    "begin: no transaction, a producer id": Case(5, lambda w: init(None, producer_id=5), "INVALID_REQUEST"),
    "add: an empty id": Case(3, lambda w: add(""), "NONE INVALID_REQUEST"),
    "add: an unknown id": Case(3, lambda w: add("unknown"), "NONE INVALID_PRODUCER_ID_MAPPING"),
    "add: partition -1": Case(3, lambda w: add(partition=-1), "NONE UNKNOWN_TOPIC_OR_PARTITION"),
    "add: no topic": Case(3, lambda w: add(topic="none"), "NONE UNKNOWN_TOPIC_OR_PARTITION"),
    "add: a producer id below zero": Case(
        3, lambda w: add("unknown", producer_id=-7), "NONE INVALID_PRODUCER_ID_MAPPING"
    ),
    "add a group: an empty id": Case(3, lambda w: add_group(""), "INVALID_REQUEST"),
    "add a group: no group id": Case(3, lambda w: add_group("unknown", ""), "INVALID_PRODUCER_ID_MAPPING"),
    "commit in a transaction: no group id": Case(3, lambda w: commit_in_transaction(""), "INVALID_GROUP_ID"),
    "commit in a transaction: partition -1": Case(
        3, lambda w: commit_in_transaction(partition=-1), "UNKNOWN_TOPIC_OR_PARTITION"
    ),
    "commit in a transaction: no topic": Case(
        3, lambda w: commit_in_transaction(topic="none"), "UNKNOWN_TOPIC_OR_PARTITION"
    ),
    "commit in a transaction: a member of no group": Case(
        3, lambda w: commit_in_transaction("none", member_id="ghost", generation_id=1), "INVALID_PRODUCER_ID_MAPPING"
    ),
    "commit in a transaction: a member who is not there": Case(
        3,
        lambda w: commit_in_transaction("live", member_id="ghost", generation_id=w.generation),
        "INVALID_PRODUCER_ID_MAPPING",
    ),
    "commit in a transaction: a generation from the future": Case(
        3,
        lambda w: commit_in_transaction("live", member_id=w.member, generation_id=INT_MAX),
        "INVALID_PRODUCER_ID_MAPPING",
    ),
    "end: an empty id": Case(3, lambda w: end(""), "INVALID_REQUEST"),
    "end: an unknown id": Case(3, lambda w: end("unknown"), "INVALID_PRODUCER_ID_MAPPING"),
    "end: epoch -1": Case(3, lambda w: end("unknown", epoch=-1), "INVALID_PRODUCER_ID_MAPPING"),
    "end: a producer id below zero": Case(3, lambda w: end("unknown", producer_id=-7), "INVALID_PRODUCER_ID_MAPPING"),
    "describe transactions: strange ids": Case(
        0,
        lambda w: DescribeTransactionsRequest(transactional_ids=["", "unknown"]),
        "INVALID_REQUEST TRANSACTIONAL_ID_NOT_FOUND",
    ),
    "list transactions: states that are none": Case(
        2, lambda w: ListTransactionsRequest(state_filters=["Sleeping"]), "NONE"
    ),
    "describe producers: strange partitions": Case(
        0,
        lambda w: DescribeProducersRequest(
            topics=[TopicRequest(name="t", partition_indexes=[-1, 9]), TopicRequest(name="none", partition_indexes=[0])]
        ),
        "UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION",
    ),
}
