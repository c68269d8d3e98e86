"""Deciding which records create a topic. Pure: nothing changes here.

The order of the checks and the sentences are those of Kafka's ReplicationControlManager.createTopics: name, existence,
configs, then the assignment or the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.stored.metadata import ConfigRecord, TopicRecord
from .image import MetadataImage, ResourceType
from .placement import DirectoryChooser, check_manual_replicas, new_partition, place_replicas
from .refusal import Refused
from .topic_names import CLUSTER_METADATA_TOPIC, problem_with

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...protocol.schema import Message

USE_DEFAULT: Final = -1
PARTITIONS_PER_REQUEST_MAX: Final = 10_000
RECORDS_PER_REQUEST_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic that somebody wants: numbers (-1: the broker's default), or the brokers of each partition by hand."""

    name: str
    partition_count: int = USE_DEFAULT
    replication_factor: int = USE_DEFAULT
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    """Pairs of a partition's number and its brokers, the preferred leader first."""
    configs: Mapping[str, str | None] = field(default_factory=dict)
    """As they were asked for; a value of None is refused."""


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic that can be created by appending `records`."""

    name: str
    topic_id: bytes
    partition_count: int
    replication_factor: int
    configs: Mapping[str, str]
    records: list[Message]


@dataclass(frozen=True, slots=True)
class TopicDefaults:
    """What -1 means."""

    partition_count: int
    replication_factor: int


def check_name(image: MetadataImage, name: str) -> None:
    """Refused when the name is illegal, taken, or would collide with that of a topic that is there."""
    if name == CLUSTER_METADATA_TOPIC:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Creation of internal topic {name} is prohibited.")
    problem = problem_with(name)
    if problem is not None:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    if name in image.topics_by_name:
        raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    existing = image.colliding_topic(name)
    if existing is not None:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {existing}")


def plan_topic(
    image: MetadataImage, topic: NewTopic, configs: Mapping[str, str], topic_id: bytes, defaults: TopicDefaults
) -> PlannedTopic:
    """The records that create `topic`; its name and `configs` were checked. Refused when it cannot be placed."""
    assignments = _manual_assignments(image, topic) if topic.assignments else _placed(image, topic, defaults)
    directories = DirectoryChooser(image)
    records: list[Message] = [TopicRecord(name=topic.name, topic_id=topic_id)]
    records += config_records(ResourceType.TOPIC, topic.name, configs)
    records += [
        new_partition(image, topic_id, index, replicas, directories) for index, replicas in enumerate(assignments)
    ]
    return PlannedTopic(topic.name, topic_id, len(assignments), len(assignments[0]), configs, records)


def config_records(resource_type: int, name: str, configs: Mapping[str, str | None]) -> list[ConfigRecord]:
    """One record for each config; None deletes it."""
    return [
        ConfigRecord(resource_type=resource_type, resource_name=name, name=key, value=value)
        for key, value in configs.items()
    ]


def check_partition_total(topics: Iterable[NewTopic], defaults: TopicDefaults) -> None:
    """Refused, for the whole request, when it asks for so many partitions that planning them would take long."""
    total = sum(_requested_partitions(topic, defaults) for topic in topics)
    if total > PARTITIONS_PER_REQUEST_MAX:
        raise Refused(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")


def check_record_total(count: int) -> None:
    """Refused when a request's records would not fit into one batch of the metadata log."""
    if count > RECORDS_PER_REQUEST_MAX:
        raise Refused(ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation.")


def _requested_partitions(topic: NewTopic, defaults: TopicDefaults) -> int:
    if topic.assignments:
        return len(topic.assignments)
    return defaults.partition_count if topic.partition_count == USE_DEFAULT else max(topic.partition_count, 0)


def _placed(image: MetadataImage, topic: NewTopic, defaults: TopicDefaults) -> list[tuple[int, ...]]:
    if topic.replication_factor != USE_DEFAULT and topic.replication_factor <= 0:
        raise Refused(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if topic.partition_count != USE_DEFAULT and topic.partition_count <= 0:
        raise Refused(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    by_default = topic.replication_factor == USE_DEFAULT
    replicas = place_replicas(image, defaults.replication_factor if by_default else topic.replication_factor)
    return [replicas] * _requested_partitions(topic, defaults)


def _manual_assignments(image: MetadataImage, topic: NewTopic) -> list[tuple[int, ...]]:
    _refuse_numbers_beside_assignments(topic)
    replicas_by_index: dict[int, tuple[int, ...]] = {}
    replica_count: int | None = None
    for index, replicas in topic.assignments:
        if index in replicas_by_index:
            raise Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Found multiple manual partition assignments for partition {index}",
            )
        check_manual_replicas(image, replicas, replica_count)
        replica_count = len(replicas)
        replicas_by_index[index] = tuple(replicas)
    if any(index not in replicas_by_index for index in range(len(replicas_by_index))):
        raise Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence"
        )
    return [replicas_by_index[index] for index in range(len(replicas_by_index))]


def _refuse_numbers_beside_assignments(topic: NewTopic) -> None:
    if topic.replication_factor != USE_DEFAULT:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        )
    if topic.partition_count != USE_DEFAULT:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        )
