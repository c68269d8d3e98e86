"""An inspection as text: a head that says whose directory it is, then a table of topics, of groups, and the rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from .identity import State
from .listing import by_folder
from .stored_metadata import VERSION_NAMES
from .text_table import Column, bytes_text, count_text, number, render, time_text

if TYPE_CHECKING:
    from .inspection import Inspection, TopicSummary
    from .partition_summary import PartitionSummary
    from .stored_groups import StoredGroup

_TOPIC_COLUMNS: Final = (
    Column("TOPIC"),
    number("PARTITIONS"),
    number("REPLICAS"),
    number("SEGMENTS"),
    number("SIZE"),
    number("RECORDS"),
    Column("NEWEST RECORD (UTC)"),
    Column("CLEANUP"),
    Column("OTHER CONFIGS"),
)
_PARTITION_COLUMNS: Final = (
    Column("PARTITION"),
    Column("REPLICAS"),
    number("SEGMENTS"),
    number("SIZE"),
    number("FIRST"),
    number("NEXT"),
    number("RECORDS"),
    number("PRODUCERS"),
    number("OPEN TXNS"),
    Column("NEWEST RECORD (UTC)"),
)
_GROUP_COLUMNS: Final = (
    Column("GROUP"),
    Column("TYPE"),
    Column("STATE"),
    number("MEMBERS"),
    number("PARTITIONS"),
    number("LAG"),
    Column("LAST COMMIT (UTC)"),
)
_OFFSET_COLUMNS: Final = (
    Column("TOPIC"),
    number("PARTITION"),
    number("OFFSET"),
    number("LOG END"),
    number("LAG"),
    Column("COMMITTED (UTC)"),
)
_TRANSACTION_COLUMNS: Final = (
    Column("TRANSACTIONAL ID"),
    number("PRODUCER"),
    number("EPOCH"),
    Column("STATE"),
    number("PARTITIONS"),
    Column("STARTED (UTC)"),
    number("TIMEOUT MS"),
)


def overview(inspection: Inspection, width: int | None, *, with_internal: bool) -> list[str]:
    """The whole directory."""
    lines = _head(inspection)
    topics = [topic for topic in inspection.topics if with_internal or not topic.is_internal]
    if topics:
        lines += ["", *render(_TOPIC_COLUMNS, [_topic_row(topic) for topic in topics], width)]
    if inspection.groups:
        lines += ["", *render(_GROUP_COLUMNS, [_group_row(group) for group in inspection.groups], width)]
    return [*lines, *_transactions(inspection, width), *_rest(inspection)]


def topic_details(inspection: Inspection, topic: TopicSummary, width: int | None) -> list[str]:
    """One topic with its partitions."""
    lines = [
        f"Topic {topic.name}, id {topic.topic_id or 'unknown'}, cleanup.policy {topic.cleanup_policy}"
        + (", not in the metadata" if topic.in_metadata is False else "")
    ]
    lines += [f"  {key}={value}" for key, value in topic.configs.items()]
    rows = [_partition_row(topic, partition) for partition in topic.partitions]
    lines += ["", *render(_PARTITION_COLUMNS, rows, width)]
    if topic.elsewhere:
        lines += ["", f"No folder here for partitions {_numbers(topic.elsewhere)}"]
    for partition in topic.partitions:
        lines += [
            f"Partition {partition.partition}: transaction of producer {open_.producer_id} (epoch "
            f"{open_.producer_epoch}) open since offset {open_.first_offset}"
            for open_ in partition.open_transactions
        ]
    return [*lines, *_listed("Problems", topic.problems)]


def group_details(group: StoredGroup, width: int | None) -> list[str]:
    """One group with its offsets."""
    protocol = ", ".join(filter(None, (group.protocol_type, group.protocol)))
    lines = [
        f"Group {group.group_id}, {group.type}, {group.state}"
        + (f", protocol {protocol}" if protocol else "")
        + (f", epoch {group.epoch}" if group.epoch >= 0 else "")
    ]
    lines += [f"  member {member}" for member in sorted(group.members)]
    rows = [
        [o.topic, str(o.partition), str(o.offset), _offset(o.log_end_offset), _offset(o.lag), time_text(o.committed_ms)]
        for _, o in sorted(group.offsets.items())
    ]
    return [*lines, "", *render(_OFFSET_COLUMNS, rows, width)] if rows else lines


def _head(inspection: Inspection) -> list[str]:
    identity = inspection.identity
    lines = [
        f"Directory  {identity.path}",
        f"Cluster    {identity.cluster_id or 'unknown'}, node {identity.node_id or 'unknown'}, directory id "
        f"{identity.directory_id or 'none'}, format version {identity.version or 'unknown'}",
        f"State      {_state(inspection)}",
    ]
    if inspection.metadata is not None:
        metadata = inspection.metadata
        level = metadata.image.features.get("metadata.version", 0)
        name = VERSION_NAMES.get(level)
        features = sorted((k, v) for k, v in metadata.image.features.items() if k != "metadata.version")
        lines += [
            f"Metadata   version {level}{f' ({name})' if name else ''}, leader epoch {metadata.leader_epoch}, "
            f"ends at offset {metadata.end_offset}, {count_text(len(metadata.snapshots), 'snapshot')}",
            f"Features   {', '.join(f'{feature} {level}' for feature, level in features) or 'none'}",
        ]
    lines.append(f"Written by {_writers(inspection)}")
    partitions = [partition for topic in inspection.topics for partition in topic.partitions]
    lines.append(
        f"Holds      {bytes_text(sum(p.size_bytes for p in partitions))} in "
        f"{count_text(sum(p.segments for p in partitions), 'segment')} of {count_text(len(partitions), 'partition')}, "
        f"{count_text(len(inspection.topics), 'topic')} ({sum(t.is_internal for t in inspection.topics)} internal)"
    )
    return lines


def _state(inspection: Inspection) -> str:
    identity = inspection.identity
    if identity.state is State.LIVE:
        by = f"process {identity.locked_by_pid}" if identity.locked_by_pid else "another process"
        return f"live: {by} has it open; what is shown may be a moment old"
    if identity.state is State.UNCLEAN:
        return "unclean stop: the next start recovers the logs"
    return str(identity.state)


def _writers(inspection: Inspection) -> str:
    if inspection.identity.state is State.UNUSED:
        return "nobody yet"
    if inspection.metadata is None:
        return "unknown: the metadata log is not in this directory"
    foreign = inspection.foreign_replicas
    brokers = sorted(set(inspection.metadata.image.brokers) | set(foreign))
    if not foreign:
        return f"{'one broker' if len(brokers) <= 1 else f'brokers {_numbers(brokers)}'}; no replicas elsewhere"
    named = ", ".join(f"{broker} ({count_text(count, 'partition')})" for broker, count in sorted(foreign.items()))
    return f"brokers {_numbers(brokers)}; replicas on {named}"


def _topic_row(topic: TopicSummary) -> list[str]:
    parts = topic.partitions
    others = [f"{key}={value}" for key, value in topic.configs.items() if key != "cleanup.policy"]
    remarks = ["NOT IN THE METADATA"] if topic.in_metadata is False else []
    remarks += [f"{len(topic.elsewhere)} WITHOUT FOLDER"] if topic.elsewhere else []
    remarks += [count_text(len(topic.problems), "PROBLEM")] if topic.problems else []
    return [
        topic.name,
        str(max(len(parts), len(topic.replicas))),
        str(topic.replication_factor or "-"),
        str(sum(p.segments for p in parts)),
        bytes_text(sum(p.size_bytes for p in parts)),
        _records(topic, sum(p.offsets for p in parts)),
        time_text(max((p.newest_record_ms for p in parts), default=-1)),
        topic.cleanup_policy,
        " ".join([*remarks, *others]),
    ]


def _partition_row(topic: TopicSummary, partition: PartitionSummary) -> list[str]:
    return [
        str(partition.partition),
        ",".join(map(str, topic.replicas.get(partition.partition, ()))) or "-",
        str(partition.segments),
        bytes_text(partition.size_bytes),
        _offset(partition.log_start_offset),
        _offset(partition.log_end_offset),
        _records(topic, partition.offsets),
        str(partition.producers),
        str(len(partition.open_transactions)),
        time_text(partition.newest_record_ms),
    ]


def _records(topic: TopicSummary, offsets: int) -> str:
    """Offsets tell the number of records only where compaction has taken none."""
    return f"<={offsets}" if "compact" in topic.cleanup_policy and offsets else str(offsets)


def _group_row(group: StoredGroup) -> list[str]:
    offsets = list(group.offsets.values())
    lags = [offset.lag for offset in offsets if offset.lag >= 0]
    return [
        group.group_id,
        str(group.type),
        group.state,
        str(len(group.members)),
        str(len(offsets)),
        str(sum(lags)) if lags else "-",
        time_text(max((offset.committed_ms for offset in offsets), default=-1)),
    ]


def _transactions(inspection: Inspection, width: int | None) -> list[str]:
    rows = [
        [
            transaction.transactional_id,
            str(transaction.producer_id),
            str(transaction.producer_epoch),
            transaction.state,
            str(transaction.partitions),
            time_text(transaction.started_ms),
            str(transaction.timeout_ms),
        ]
        for transaction in inspection.transactions
        if transaction.is_under_way
    ]
    lines = ["", *render(_TRANSACTION_COLUMNS, rows, width)] if rows else []
    open_ = [
        f"{p.topic}-{p.partition}: producer {o.producer_id} since offset {o.first_offset}"
        for topic in inspection.topics
        for p in topic.partitions
        for o in p.open_transactions
    ]
    return [*lines, *_listed("Transactions open in the producer snapshots", open_)]


def _rest(inspection: Inspection) -> list[str]:
    checkpoints = [
        f"{checkpoint.name}: {checkpoint.problem or count_text(checkpoint.entries, 'entry', 'entries')}"
        for checkpoint in inspection.checkpoints
    ]
    leftovers = [
        f"{os.path.relpath(left.path, inspection.identity.path)} ({count_text(left.files, 'file')}, "
        f"{bytes_text(left.size_bytes)}): {left.what}"
        for left in by_folder(inspection.listing)
    ]
    problems = [*inspection.problems, *(problem for topic in inspection.topics for problem in topic.problems)]
    problems = [problem.removeprefix(inspection.identity.path + os.sep) for problem in problems]
    return [*_listed("Checkpoints", checkpoints), *_listed("Left over", leftovers), *_listed("Problems", problems)]


def _listed(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _offset(offset: int) -> str:
    return str(offset) if offset >= 0 else "-"


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
