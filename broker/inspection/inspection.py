"""All that `ottla storage inspect` knows of a directory, gathered once; the table and the JSON are two views of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...protocol.primitives import ZERO_UUID, uuid_from_text, uuid_to_text
from ...storage.checkpoints import CorruptFile, TopicPartition, read_checkpoint, read_offsets
from ...storage.offset_checkpoints import LOG_START_OFFSETS
from ..metadata.image import ResourceType
from ..metadata.quorum_state import read_quorum_state
from ..metadata.topic_names import GROUP_METADATA_TOPIC, SHARE_GROUP_STATE_TOPIC, TRANSACTION_STATE_TOPIC
from .identity import Identity, State, read_identity
from .internal_records import GROUP_KINDS, SHARE_STATE_KINDS, TRANSACTION_KINDS, committed_records
from .listing import METADATA_TOPIC, Listing, list_directory, listed_again
from .partition_summary import PartitionSummary, summarize
from .stored_groups import StoredGroup, StoredGroups
from .stored_metadata import StoredMetadata, read_metadata
from .stored_transactions import StoredTransaction, replay_transaction

if TYPE_CHECKING:
    from ..metadata.partition_image import PartitionImage, TopicImage

CHECKPOINT_SUFFIX: Final = "-checkpoint"


@dataclass(slots=True)
class TopicSummary:
    """A topic: what the metadata says, and what its folders hold. `replicas` is by partition, none where unknown.

    `in_metadata` is None when there is no metadata log to ask.
    """

    name: str
    topic_id: str | None
    in_metadata: bool | None
    configs: dict[str, str]
    partitions: list[PartitionSummary]
    replicas: dict[int, tuple[int, ...]]
    elsewhere: list[int] = field(default_factory=list)
    """Partitions of the metadata whose folder is not in this directory."""

    @property
    def is_internal(self) -> bool:
        """Whether brokers keep their own books in it."""
        return self.name.startswith("__")

    @property
    def cleanup_policy(self) -> str:
        """What is set on the topic, else Kafka's default."""
        return self.configs.get("cleanup.policy", "delete")

    @property
    def replication_factor(self) -> int:
        """The replicas of a partition; 0 when nobody says."""
        return max((len(replicas) for replicas in self.replicas.values()), default=0)

    @property
    def problems(self) -> list[str]:
        """What could not be read of its partitions."""
        return [problem for partition in self.partitions for problem in partition.problems]


@dataclass(slots=True)
class Checkpoint:
    """One of the directory's checkpoint files."""

    name: str
    entries: int = 0
    problem: str | None = None


@dataclass(slots=True)
class Inspection:
    """Everything; `problems` are those that belong to no topic."""

    identity: Identity
    listing: Listing
    metadata: StoredMetadata | None
    voted_epoch: int
    topics: list[TopicSummary]
    groups: list[StoredGroup]
    transactions: list[StoredTransaction]
    checkpoints: list[Checkpoint]
    problems: list[str]

    @property
    def foreign_replicas(self) -> dict[int, int]:
        """How many partitions have a replica on each broker that is not this directory's node."""
        counts: dict[int, int] = {}
        for topic in self.topics:
            for replicas in topic.replicas.values():
                for broker in replicas:
                    if str(broker) != self.identity.node_id:
                        counts[broker] = counts.get(broker, 0) + 1
        return counts


def inspect_directory(path: str) -> Inspection:
    """Look at a directory. NotADataDirectory when it is none, OSError when it cannot be listed."""
    listing = list_directory(path)
    identity = read_identity(listing)
    problems = [f"{folder}: {why}" for folder, why in listing.unreadable]
    if identity.problem:
        problems.append(identity.problem)
    metadata = _metadata(listing, identity)
    problems += metadata.problems if metadata is not None else []
    starts = _log_starts(listing, problems)
    summaries = _summaries(listing, starts, is_live=identity.state is State.LIVE)
    topics = _topics(summaries, metadata, identity)
    return Inspection(
        identity=identity,
        listing=listing,
        metadata=metadata,
        voted_epoch=_voted_epoch(listing, problems),
        topics=topics,
        groups=_groups(listing, topics, problems),
        transactions=_transactions(listing, problems),
        checkpoints=_checkpoints(listing),
        problems=problems,
    )


def _metadata(listing: Listing, identity: Identity) -> StoredMetadata | None:
    folder = listing.partition(METADATA_TOPIC, 0)
    if folder is None:
        return None
    node_id = int(identity.node_id) if identity.node_id and identity.node_id.isdecimal() else -1
    return read_metadata(folder, identity.cluster_id or "", node_id)


def _voted_epoch(listing: Listing, problems: list[str]) -> int:
    folder = listing.partition(METADATA_TOPIC, 0)
    try:
        state = read_quorum_state(folder.path) if folder is not None else None
    except CorruptFile as error:
        problems.append(str(error))
        return -1
    except OSError as error:
        problems.append(f"{error.filename}: {error.strerror}")
        return -1
    return -1 if state is None else state.leader_epoch


def _log_starts(listing: Listing, problems: list[str]) -> dict[TopicPartition, int]:
    try:
        return read_offsets(os.path.join(listing.path, LOG_START_OFFSETS))
    except CorruptFile as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"{error.filename}: {error.strerror}")
    return {}


def _summaries(listing: Listing, starts: dict[TopicPartition, int], *, is_live: bool) -> list[PartitionSummary]:
    """All partitions; one that a running broker changed while it was looked at is looked at again."""
    found = []
    for folder in listing.partitions:
        start = starts.get(TopicPartition(folder.topic, folder.partition), 0)
        summary = summarize(folder, start)
        if is_live and summary.problems:
            again = listed_again(folder)
            if again is None:
                continue
            summary = summarize(again, start)
        found.append(summary)
    return found


def _topics(
    summaries: list[PartitionSummary], metadata: StoredMetadata | None, identity: Identity
) -> list[TopicSummary]:
    by_name: dict[str, list[PartitionSummary]] = {}
    for summary in summaries:
        by_name.setdefault(summary.topic, []).append(summary)
    images = metadata.image.topics_by_name if metadata is not None else {}
    names = sorted(by_name.keys() | images.keys(), key=lambda name: (name.startswith("__"), name))
    return [_topic(name, by_name.get(name, []), images.get(name), metadata, identity) for name in names]


def _topic(
    name: str,
    partitions: list[PartitionSummary],
    image: TopicImage | None,
    metadata: StoredMetadata | None,
    identity: Identity,
) -> TopicSummary:
    here = {summary.partition for summary in partitions}
    if image is None or metadata is None:
        topic_id = next((summary.topic_id for summary in partitions if summary.topic_id), None)
        in_metadata = None if metadata is None else name == METADATA_TOPIC
        return TopicSummary(name, topic_id, in_metadata, {}, partitions, {})
    return TopicSummary(
        name=name,
        topic_id=uuid_to_text(image.topic_id),
        in_metadata=True,
        configs=dict(sorted(metadata.image.configs_of(ResourceType.TOPIC, name).items())),
        partitions=partitions,
        replicas={partition.index: partition.replicas for partition in image.partitions},
        elsewhere=[p.index for p in image.partitions if p.index not in here and _is_ours(p, identity)],
    )


def _is_ours(partition: PartitionImage, identity: Identity) -> bool:
    """Whether a replica should be in this very directory, as far as the metadata says in which one it is."""
    directories = partition.directories or (ZERO_UUID,) * len(partition.replicas)
    return any(
        str(replica) == identity.node_id
        and (directory == ZERO_UUID or uuid_to_text(directory) == identity.directory_id)
        for replica, directory in zip(partition.replicas, directories, strict=False)
    )


def _groups(listing: Listing, topics: list[TopicSummary], problems: list[str]) -> list[StoredGroup]:
    names = _names_by_id(topics)
    stored = StoredGroups(names)
    for topic, kinds in ((GROUP_METADATA_TOPIC, GROUP_KINDS), (SHARE_GROUP_STATE_TOPIC, SHARE_STATE_KINDS)):
        for folder in listing.partitions:
            if folder.topic == topic:
                for key, value in committed_records(folder, kinds, problems):
                    stored.replay(key, value)
    ends = {(p.topic, p.partition): p.log_end_offset for topic_ in topics for p in topic_.partitions}
    groups = [group for group in stored.groups.values() if group.epoch >= 0 or group.offsets or group.members]
    for group in groups:
        for place, committed in group.offsets.items():
            committed.log_end_offset = ends.get(place, -1)
            committed.lag = max(committed.log_end_offset - committed.offset, 0) if place in ends else -1
    return sorted(groups, key=lambda group: group.group_id)


def _names_by_id(topics: list[TopicSummary]) -> dict[bytes, str]:
    return {uuid_from_text(topic.topic_id): topic.name for topic in topics if topic.topic_id}


def _transactions(listing: Listing, problems: list[str]) -> list[StoredTransaction]:
    stored: dict[str, StoredTransaction] = {}
    for folder in listing.partitions:
        if folder.topic == TRANSACTION_STATE_TOPIC:
            for key, value in committed_records(folder, TRANSACTION_KINDS, problems):
                replay_transaction(stored, key, value)
    return sorted(stored.values(), key=lambda transaction: transaction.transactional_id)


def _checkpoints(listing: Listing) -> list[Checkpoint]:
    found = []
    for name in sorted(listing.sizes):
        if name.endswith(CHECKPOINT_SUFFIX):
            checkpoint = Checkpoint(name)
            try:
                checkpoint.entries = len(read_checkpoint(os.path.join(listing.path, name)))
            except CorruptFile as error:
                checkpoint.problem = error.problem
            except OSError as error:
                checkpoint.problem = error.strerror or str(error)
            found.append(checkpoint)
    return found
