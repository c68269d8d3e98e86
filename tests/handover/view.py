"""Everything that clients and admin tools can see of a broker, as plain values that can be compared.

A view is taken right before a broker ends and right after the next one has begun on the same directory. `differences`
says, place by place, what is not as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ottla.protocol.api_keys import ApiKey
from ottla.protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from ottla.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from ottla.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    TopicRequest,
)
from ottla.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ottla.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse
from ottla.protocol.record_batch import read_header
from ottla.protocol.records import read_records

from . import security
from .asking import NOT_YET, READ_COMMITTED, READ_UNCOMMITTED, Broker, patiently

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .group_state import GroupState

TOPIC, BROKER, GROUP = 2, 4, 32
DYNAMIC_TOPIC, DYNAMIC_BROKER, DYNAMIC_DEFAULT_BROKER, DYNAMIC_GROUP = 1, 2, 3, 8
LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
NODE_ID = "1"

NOTHING = "nothing"
MOVING = frozenset({"stream"})
"""Topics that are written all the time, also between two looks."""
COMPACTED = frozenset({"compacted"})

TOOLS = "tools"
"""What Kafka's own command-line tools print, where somebody has asked them."""
SECTIONS = (
    *("cluster", "topics", "leader epochs", "configs", "records", "committed", "offsets", "epoch ends"),
    *("producers", "transactions", "groups", "new groups", "security", "moving"),
)

View = dict[str, Any]


def wait_until_ready(broker: Broker, topics: Iterable[str] = ()) -> None:
    """Until every partition has a leader and every coordinator has read its log."""

    def code(answer: MetadataResponse) -> int:
        errors = [p.error_code for topic in answer.topics for p in topic.partitions if p.error_code]
        missing = set(topics) - {topic.name for topic in answer.topics}
        return errors[0] if errors else min(NOT_YET) if missing else 0

    answer = patiently(lambda: broker.ask(MetadataRequest(topics=None), MetadataResponse, 12), code)
    assert all(p.leader_id >= 0 for topic in answer.topics for p in topic.partitions), answer
    patiently(lambda: broker.ask(ListGroupsRequest(), ListGroupsResponse, 4), lambda answer: answer.error_code)


def take_view(broker: Broker, groups: Iterable[str], group_state: GroupState) -> View:
    """All of it. `groups` are those whose members hold still; others come and go as they like."""
    topics = broker.ask(MetadataRequest(topics=None), MetadataResponse, 12).topics
    names = sorted(topic.name for topic in topics)
    partitions = [(t.name, p.partition_index) for t in topics for p in t.partitions if not _moves(t)]
    moving = [(t.name, p.partition_index) for t in topics for p in t.partitions if _moves(t)]
    return {
        "cluster": _cluster(broker),
        "topics": {topic.name: _topic(topic) for topic in topics},
        "leader epochs": {(t.name, p.partition_index): p.leader_epoch for t in topics for p in t.partitions},
        "configs": _configs(broker, names),
        "records": {key: _records(broker, *key) for key in partitions},
        "committed": {key: _committed(broker, *key) for key in partitions},
        "offsets": {key: _offsets(broker, *key) for key in partitions},
        "epoch ends": {key: _epoch_ends(broker, *key) for key in partitions},
        "groups": {group: _group(broker, group) for group in sorted(groups)},
        "producers": {key: _producers(broker, *key) for key in partitions},
        "transactions": _transactions(broker),
        "new groups": group_state.describe_new_protocols(broker),
        "security": security.describe(broker) if security.is_served(broker) else {},
        "moving": {key: _records(broker, *key) for key in moving},
    }


def differences(before: View, after: View, section: str) -> list[str]:
    """One line for each value of a section that a hand-over should have kept and did not."""
    return _COMPARISONS.get(section, _changes)(before[section], after[section], section)


def _changes(before: Any, after: Any, where: str) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        return [
            line
            for key in keys
            for line in _changes(before.get(key, NOTHING), after.get(key, NOTHING), f"{where}[{key}]")
        ]
    return [] if before == after else [f"{where}: {_short(before)} became {_short(after)}"]


def _epochs_gone_back(before: dict[Any, int], after: dict[Any, int], where: str) -> list[str]:
    """A leader epoch may go up with each start, never down."""
    return [
        f"{where}[{key}]: {epoch} became {after.get(key, NOTHING)}"
        for key, epoch in before.items()
        if after.get(key, -1) < epoch
    ]


def _lost_batches(before: dict[Any, Any], after: dict[Any, Any], where: str) -> list[str]:
    """Where somebody may have written in between, what was there stays."""
    return [
        line
        for key, partition in before.items()
        for offset, batch in partition["batches"].items()
        for line in _changes(batch, after[key]["batches"].get(offset, NOTHING), f"{where}[{key}][{offset}]")
    ]


def _changed_records(before: dict[Any, Any], after: dict[Any, Any], where: str) -> list[str]:
    """Every byte, but for topics whose cleaner may have been at work in between."""
    lines = []
    for key, partition in before.items():
        if key[0] in COMPACTED:
            lines += _changes(_newest(partition), _newest(after[key]), f"{where}[{key}]")
        else:
            lines += _changes(partition, after.get(key, NOTHING), f"{where}[{key}]")
    return lines + [f"{where}[{key}] is new" for key in after if key not in before]


def _newest(partition: dict[str, Any]) -> dict[str, Any]:
    """What compaction keeps: the last record of each key, and where the log ends."""
    newest: dict[str, Any] = {"high watermark": partition["high watermark"]}
    for batch in partition["batches"].values():
        for record in batch["records"]:
            newest[repr(record.key)] = record
    return newest


def _without_compacted(before: dict[Any, Any], after: dict[Any, Any], where: str) -> list[str]:
    kept = [{key: value for key, value in each.items() if key[0] not in COMPACTED} for each in (before, after)]
    return _changes(kept[0], kept[1], where)


def _where_both_serve(before: dict[Any, Any], after: dict[Any, Any], where: str) -> list[str]:
    """What is not served is seen empty."""
    keys = [key for key in before if before[key] and after.get(key)] if before and after else []
    return [line for key in keys for line in _changes(before[key], after[key], f"{where}[{key}]")]


_COMPARISONS = {
    "producers": _where_both_serve,
    "transactions": _where_both_serve,
    "new groups": _where_both_serve,
    "security": _where_both_serve,
    "leader epochs": _epochs_gone_back,
    "moving": _lost_batches,
    "records": _changed_records,
    "offsets": _without_compacted,
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}... ({len(text)} characters)"


def _moves(topic: Any) -> bool:
    """A broker writes into its own topics as soon as it runs."""
    return topic.is_internal or topic.name in MOVING


def _cluster(broker: Broker) -> dict[str, Any]:
    answer = broker.ask(DescribeClusterRequest(), DescribeClusterResponse, 1)
    return {"id": answer.cluster_id, "brokers": [(each.broker_id, each.host, each.port) for each in answer.brokers]}


def _topic(topic: Any) -> dict[str, Any]:
    return {
        "id": topic.topic_id.hex(),
        "internal": topic.is_internal,
        "partitions": {
            p.partition_index: (p.error_code, p.leader_id, p.replica_nodes, p.isr_nodes, p.offline_replicas)
            for p in topic.partitions
        },
    }


def _configs(broker: Broker, topics: list[str]) -> dict[str, Any]:
    return {
        **{f"topic {name}": broker.configs(TOPIC, name, DYNAMIC_TOPIC) for name in topics},
        "broker": broker.configs(BROKER, NODE_ID, DYNAMIC_BROKER),
        "all brokers": broker.configs(BROKER, "", DYNAMIC_DEFAULT_BROKER),
        "group": broker.configs(GROUP, "configured", DYNAMIC_GROUP),
    }


def _records(broker: Broker, topic: str, partition: int) -> dict[str, Any]:
    """Each batch as its header (with the CRC of all that follows) and its records."""
    batches, answers = broker.read(topic, partition, READ_UNCOMMITTED)
    last = answers[-1]
    return {
        "batches": {read_header(data).base_offset: _batch(data) for data in batches},
        "log start": last.log_start_offset,
        "high watermark": last.high_watermark,
        "last stable": last.last_stable_offset,
    }


def _batch(data: bytes) -> dict[str, Any]:
    header = read_header(data)
    return {"header": header._asdict(), "records": list(read_records(data, 0, header))}


def _committed(broker: Broker, topic: str, partition: int) -> dict[str, Any]:
    batches, answers = broker.read(topic, partition, READ_COMMITTED)
    aborted = {(a.producer_id, a.first_offset) for answer in answers for a in answer.aborted_transactions or ()}
    return {"aborted": sorted(aborted), "up to": read_header(batches[-1]).next_offset if batches else None}


def _offsets(broker: Broker, topic: str, partition: int) -> dict[str, Any]:
    latest = broker.offset_at(topic, partition, LATEST)
    stable = broker.offset_at(topic, partition, LATEST, READ_COMMITTED)
    earliest = broker.offset_at(topic, partition, EARLIEST)
    maximum = broker.offset_at(topic, partition, MAX_TIMESTAMP)
    found = {"latest": latest.offset, "stable": stable.offset, "earliest": (earliest.offset, earliest.timestamp)}
    found["maximum"] = (maximum.offset, maximum.timestamp, maximum.leader_epoch)
    for timestamp in _interesting_times(broker, topic, partition):
        answer = broker.offset_at(topic, partition, timestamp)
        found[f"at {timestamp}"] = (answer.offset, answer.timestamp, answer.leader_epoch)
    return found


def _interesting_times(broker: Broker, topic: str, partition: int) -> list[int]:
    """The edges of some batches, and what is before, between and after them."""
    headers = [read_header(data) for data in broker.read(topic, partition)[0]]
    chosen = headers[:: max(1, len(headers) // 8)] + headers[-1:]
    # Kafka finds nothing for times before the log's start while it still has the segments that lie below it.
    times = {1 << 60} if headers and headers[0].base_offset else {0, 1 << 60}
    for header in chosen:
        times |= {header.base_timestamp, header.max_timestamp, header.max_timestamp + 1}
    return sorted(time for time in times if time >= 0)


def _epoch_ends(broker: Broker, topic: str, partition: int) -> dict[int, Any]:
    """For each epoch that wrote something: epochs that wrote nothing may be forgotten."""
    epochs = {read_header(data).partition_leader_epoch for data in broker.read(topic, partition)[0]}
    return {epoch: broker.end_of_epoch(topic, partition, epoch) for epoch in sorted(epochs)}


def _producers(broker: Broker, topic: str, partition: int) -> dict[int, Any]:
    """By producer id; nothing where the API is not served."""
    if not broker.serves(ApiKey.DESCRIBE_PRODUCERS):
        return {}
    request = DescribeProducersRequest(topics=[TopicRequest(name=topic, partition_indexes=[partition])])
    answer = broker.ask(request, DescribeProducersResponse, 0).topics[0].partitions[0]
    assert answer.error_code == 0, (topic, partition, answer.error_message)
    return {
        p.producer_id: (
            *(p.producer_epoch, p.last_sequence, p.last_timestamp),
            *(p.coordinator_epoch, p.current_txn_start_offset),
        )
        for p in answer.active_producers
    }


def _transactions(broker: Broker) -> dict[str, Any]:
    if not broker.serves(ApiKey.LIST_TRANSACTIONS):
        return {}
    answer = broker.ask(ListTransactionsRequest(), ListTransactionsResponse, 1)
    assert answer.error_code == 0, answer
    return {each.transactional_id: (each.producer_id, each.transaction_state) for each in answer.transaction_states}


def _group(broker: Broker, group: str) -> dict[str, Any]:
    listed = broker.ask(ListGroupsRequest(), ListGroupsResponse, 4).groups
    described = patiently(
        lambda: broker.ask(DescribeGroupsRequest(groups=[group]), DescribeGroupsResponse, 5).groups[0],
        lambda answer: answer.error_code,
    )
    wanted = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])
    offsets = patiently(lambda: broker.ask(wanted, OffsetFetchResponse, 8).groups[0], lambda answer: answer.error_code)
    return {
        "listed": [(each.protocol_type, each.group_state) for each in listed if each.group_id == group],
        "described": (described.error_code, described.group_state, described.protocol_type, described.protocol_data),
        "members": {m.member_id: _member(m) for m in described.members},
        "offsets": {
            (topic.name, p.partition_index): (p.error_code, p.committed_offset, p.committed_leader_epoch, p.metadata)
            for topic in offsets.topics
            for p in topic.partitions
        },
    }


def _member(member: Any) -> tuple[Any, ...]:
    return (
        member.group_instance_id,
        member.client_id,
        member.client_host,
        member.member_metadata,
        member.member_assignment,
    )
