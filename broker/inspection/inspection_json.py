"""An inspection as one JSON document: stable names, bytes and milliseconds as integers, null for what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .stored_metadata import VERSION_NAMES

if TYPE_CHECKING:
    from .inspection import Inspection, TopicSummary
    from .partition_summary import PartitionSummary
    from .stored_groups import StoredGroup

FORMAT_VERSION: Final = 1


def as_json(inspection: Inspection) -> dict[str, Any]:
    """The document; `format_version` rises when a name changes or goes away."""
    identity = inspection.identity
    return {
        "format_version": FORMAT_VERSION,
        "directory": {
            "path": identity.path,
            "state": identity.state.value,
            "locked_by_pid": identity.locked_by_pid,
            "cluster_id": identity.cluster_id,
            "node_id": identity.node_id,
            "directory_id": identity.directory_id,
            "version": identity.version,
        },
        "metadata": _metadata(inspection),
        "topics": [_topic(topic) for topic in inspection.topics],
        "groups": [_group(group) for group in inspection.groups],
        "transactions": [
            {
                "transactional_id": transaction.transactional_id,
                "producer_id": transaction.producer_id,
                "producer_epoch": transaction.producer_epoch,
                "state": transaction.state,
                "timeout_ms": transaction.timeout_ms,
                "started_ms": _known(transaction.started_ms),
                "updated_ms": _known(transaction.updated_ms),
                "partitions": transaction.partitions,
            }
            for transaction in inspection.transactions
        ],
        "checkpoints": [
            {"name": checkpoint.name, "entries": checkpoint.entries, "problem": checkpoint.problem}
            for checkpoint in inspection.checkpoints
        ],
        "leftovers": [
            {"path": left.path, "size_bytes": left.size_bytes, "what": left.what}
            for left in inspection.listing.leftovers
        ],
        "problems": inspection.problems,
    }


def _metadata(inspection: Inspection) -> dict[str, Any] | None:
    metadata = inspection.metadata
    if metadata is None:
        return None
    level = metadata.image.features.get("metadata.version", 0)
    return {
        "metadata_version": level,
        "metadata_version_name": VERSION_NAMES.get(level),
        "features": dict(sorted(metadata.image.features.items())),
        "end_offset": metadata.end_offset,
        "leader_epoch": metadata.leader_epoch,
        "quorum_state_epoch": _known(inspection.voted_epoch),
        "snapshots": metadata.snapshots,
        "brokers": sorted(metadata.image.brokers),
        "foreign_replicas": {str(broker): count for broker, count in sorted(inspection.foreign_replicas.items())},
        "next_producer_id": metadata.image.next_producer_id,
    }


def _topic(topic: TopicSummary) -> dict[str, Any]:
    return {
        "name": topic.name,
        "topic_id": topic.topic_id,
        "internal": topic.is_internal,
        "in_metadata": topic.in_metadata,
        "replication_factor": topic.replication_factor or None,
        "cleanup_policy": topic.cleanup_policy,
        "configs": topic.configs,
        "size_bytes": sum(partition.size_bytes for partition in topic.partitions),
        "partitions": [_partition(topic, partition) for partition in topic.partitions],
        "partitions_without_folder": topic.elsewhere,
    }


def _partition(topic: TopicSummary, partition: PartitionSummary) -> dict[str, Any]:
    return {
        "partition": partition.partition,
        "topic_id": partition.topic_id,
        "replicas": list(topic.replicas.get(partition.partition, ())),
        "segments": partition.segments,
        "size_bytes": partition.size_bytes,
        "log_start_offset": _known(partition.log_start_offset),
        "log_end_offset": _known(partition.log_end_offset),
        "offsets": partition.offsets,
        "newest_record_ms": _known(partition.newest_record_ms),
        "producers": partition.producers,
        "open_transactions": [
            {"producer_id": o.producer_id, "producer_epoch": o.producer_epoch, "first_offset": o.first_offset}
            for o in partition.open_transactions
        ],
        "problems": partition.problems,
    }


def _group(group: StoredGroup) -> dict[str, Any]:
    return {
        "group_id": group.group_id,
        "type": group.type.value,
        "state": group.state,
        "protocol_type": group.protocol_type or None,
        "protocol": group.protocol or None,
        "epoch": _known(group.epoch),
        "members": sorted(group.members),
        "offsets": [
            {
                "topic": o.topic,
                "partition": o.partition,
                "offset": o.offset,
                "committed_ms": _known(o.committed_ms),
                "log_end_offset": _known(o.log_end_offset),
                "lag": _known(o.lag),
            }
            for _, o in sorted(group.offsets.items())
        ],
    }


def _known(value: int) -> int | None:
    return value if value >= 0 else None
