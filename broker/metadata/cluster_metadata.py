"""The cluster's metadata as the broker's other parts use it: read the image, ask for changes.

A change is decided against the image, appended to the metadata log, replayed into the image, and told to the listeners,
all before the call returns: what a request created is there for every other request when its answer leaves. A change
that is refused, or that the disk does not take, leaves everything as it was.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Final

from ...protocol.control_records import VotersRecord
from ...protocol.errors import ErrorCode
from ...protocol.stored import metadata as stored
from ...storage.append import AppendError
from .feature_updates import feature_records
from .features import METADATA_VERSION, check_finalized
from .image import MetadataImage, ReplayError, ResourceType
from .internal_topics import internal_topic
from .kraft_state import KRAFT_VERSION_HIGHEST
from .metadata_reader import UnreadableMetadata
from .ownership import why_foreign
from .partition_creation import plan_partitions
from .quorum_state import read_quorum_state
from .quorum_view import QuorumView, configured_voters, recorded_voters
from .refusal import Refused
from .registration import (
    BrokerIdentity,
    election,
    election_records,
    fencing_record,
    first_feature_records,
    levels_of,
    registration_record,
)
from .snapshot_generator import SnapshotGenerator, SnapshotSettings
from .topic_configs import checked_topic_configs
from .topic_creation import (
    NewTopic,
    PlannedTopic,
    TopicDefaults,
    check_name,
    check_partition_total,
    check_record_total,
    config_records,
    plan_topic,
)
from .topic_names import is_internal
from .transactions import TransactionFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...protocol.control_records import VotersRecordVoter
    from ...protocol.schema import Message
    from ...storage.log import Log
    from ..config.broker_config import BrokerConfig
    from .feature_updates import FeatureUpdate
    from .metadata_log import MetadataLog
    from .partition_image import TopicImage

logger = logging.getLogger(__name__)

PRODUCER_ID_BLOCK_SIZE: Final = 1000
_RECORDS_PER_BATCH: Final = 10_000


class MetadataListener:
    """Somebody who must follow the metadata; called when the image has changed, before whoever asked is answered."""

    def topic_created(self, topic: TopicImage) -> None:
        """A topic is there, with its configs and all of its partitions."""

    def partitions_added(self, topic: TopicImage, first_index: int) -> None:
        """A topic has more partitions, the first new one being `first_index`."""

    def topic_deleted(self, topic: TopicImage) -> None:
        """A topic is gone; `topic` is what it was."""

    def config_changed(self, resource_type: int, name: str) -> None:
        """The configs of a resource are others than before."""


class ClusterMetadata:
    """The image, the log behind it, and the decisions that change both."""

    def __init__(
        self,
        *,
        log: MetadataLog,
        image: MetadataImage,
        config: BrokerConfig,
        new_uuid: Callable[[], bytes],
        first_records: Sequence[Message] = (),
        transaction_is_open: bool = False,
    ) -> None:
        """`load` makes one. `first_records` open a log that is still empty."""
        self.image = image
        self.config = config
        """In force now; whoever applies dynamic changes replaces it."""
        self.listeners: list[MetadataListener] = []
        self.read_only_reason: str | None = None
        """Why nothing may be changed; None when it may."""
        self._log = log
        self._new_uuid = new_uuid
        self._first_records = first_records
        self._transaction_is_open = transaction_is_open
        self.snapshots = SnapshotGenerator(log, image, SnapshotSettings.of(config), log.clock)

    @classmethod
    def load(
        cls, log: MetadataLog, *, cluster_id: str, config: BrokerConfig, new_uuid: Callable[[], bytes]
    ) -> ClusterMetadata:
        """Replay the log; nothing is written. UnreadableMetadata and UnsupportedFeature say what cannot be served."""
        image = MetadataImage(cluster_id, config.node_id)
        transactions = TransactionFilter()
        sources: dict[str, str] = {}
        offset = -1
        try:
            for offset, record in log.read():
                if isinstance(record, stored.FeatureLevelRecord):
                    sources[record.name] = f"{log.directory} at offset {offset}"
                for decided_offset, decided in transactions.offer(offset, record):
                    image.replay(decided)
                    image.last_offset = decided_offset
        except ReplayError as error:
            raise UnreadableMetadata(f"{log.directory} at offset {offset}: {error}") from error
        first_records: Sequence[Message] = ()
        if not image.features and image.last_offset < 0:
            first_records = first_feature_records(log.bootstrap_records(), config.min_insync_replicas)
        check_finalized(image.features | levels_of(first_records), sources, log.directory)
        return cls(
            log=log,
            image=image,
            config=config,
            new_uuid=new_uuid,
            first_records=first_records,
            transaction_is_open=transactions.is_open,
        )

    def why_foreign(self, directory_id: bytes) -> str | None:
        """What says that the log belongs to more than this node; None when it is ours. Raises CorruptFile.

        `directory_id` is that of the directory in which it lies.
        """
        return why_foreign(self.image, self._log.reader.kraft, read_quorum_state(self._log.directory), directory_id)

    @property
    def is_empty(self) -> bool:
        """Whether no record was ever decided."""
        return self.image.last_offset < 0

    @property
    def last_offset(self) -> int:
        """The offset of the newest record whose effect is in the image."""
        return self.image.last_offset

    @property
    def kraft_version(self) -> int:
        """The level of `kraft.version`: 1 where the voters are records of the log, else 0."""
        return self._log.reader.kraft.version

    def quorum(self) -> QuorumView:
        """The quorum of the log, as DescribeQuorum tells it."""
        record = self._log.reader.kraft.voters
        if record is not None:
            voters = recorded_voters(record)
        else:
            config = self.config
            voters = configured_voters(config.controller_quorum_voters, config.controller_listener_names[0])
        end_offset = self._log.end_offset
        return QuorumView(self.image.node_id, self._log.leader_epoch, end_offset, end_offset, voters)

    # Start and stop

    def write_to(self, log: Log) -> bool:
        """Go on with the log that was read, now open to be written; False when it does not end where it did then."""
        if log.log_end_offset != self._log.end_offset:
            return False
        self._log.reopen(log)
        return True

    def start(self, identity: BrokerIdentity) -> None:
        """Take the lead of the log, register this broker and lead its partitions. Raises OSError, AppendError."""
        image = self.image
        before = image.brokers.get(image.node_id)
        self._log.begin_epoch()
        if self._transaction_is_open:
            self._log.append([stored.AbortTransactionRecord(reason="the controller that began it is gone")])
            self._transaction_is_open = False
        registration = registration_record(image.node_id, identity, self._log.end_offset)
        self._apply([*self._first_records, registration])
        self._first_records = []
        self._elect(after_crash=before is not None and not before.fenced)

    def begin_quorum(self, voter: VotersRecordVoter) -> None:
        """Let the voters be records of the log, this one alone; a log that somebody has begun keeps its own."""
        kraft = self._log.reader.kraft
        if self._log.end_offset == 0 and kraft.voters is None:
            kraft.version, kraft.voters = KRAFT_VERSION_HIGHEST, VotersRecord(voters=[voter])

    def close(self) -> None:
        """Say in the log that this broker stopped in good order, and close it. Raises OSError, AppendError."""
        self._apply([fencing_record(self.image)])
        self._log.close()

    def _elect(self, *, after_crash: bool) -> None:
        elections = election_records(self.image, after_crash=after_crash)
        decided = list(elections)
        if decided and after_crash:
            logger.info("%d partitions begin a new leader epoch: the last stop was not a clean one", len(decided))
        remaining = iter(decided)
        while batch := list(islice(remaining, _RECORDS_PER_BATCH)):
            self._apply(batch)

    # Topics

    def topic_defaults(self) -> TopicDefaults:
        """How many partitions and replicas a topic gets that does not say."""
        return TopicDefaults(self.config.num_partitions, self.config.default_replication_factor)

    def plan_topic(self, topic: NewTopic) -> PlannedTopic:
        """Decide on a new topic without creating it. Raises Refused."""
        check_name(self.image, topic.name)
        configs = checked_topic_configs(topic.configs.items(), self.config.layers)
        return plan_topic(self.image, topic, configs, self._new_topic_id(), self.topic_defaults())

    def plan_topics(self, topics: Sequence[NewTopic]) -> tuple[list[PlannedTopic], dict[str, Refused]]:
        """Decide on the new topics of one request: those that can be, and by name why the others cannot.

        Raises Refused when the request as a whole asks for too much.
        """
        check_partition_total(topics, self.topic_defaults())
        planned: list[PlannedTopic] = []
        refused: dict[str, Refused] = {}
        for topic in topics:
            try:
                planned.append(self.plan_topic(topic))
            except Refused as refusal:
                refused[topic.name] = refusal
        check_record_total(sum(len(topic.records) for topic in planned))
        return planned, refused

    def create_planned_topics(self, planned: Sequence[PlannedTopic]) -> list[TopicImage]:
        """Create topics that were planned since the image last changed, all or none. Raises Refused."""
        if not planned:
            return []
        self._apply([record for topic in planned for record in topic.records])
        created = [self.image.topics_by_id[topic.topic_id] for topic in planned]
        for topic in created:
            logger.info("created topic %s with %d partitions", topic.name, len(topic.partitions))
            for listener in self.listeners:
                listener.topic_created(topic)
        return created

    def create_topic(self, topic: NewTopic) -> TopicImage:
        """Create one topic. Raises Refused."""
        return self.create_planned_topics([self.plan_topic(topic)])[0]

    def auto_create_topics(self, names: Sequence[str]) -> dict[str, Refused]:
        """Create topics that somebody used, with the broker's defaults or as their kind has it; say which cannot be."""
        new_topics = [internal_topic(name, self.config) if is_internal(name) else NewTopic(name) for name in names]
        try:
            planned, refused = self.plan_topics(new_topics)
            self.create_planned_topics(planned)
        except Refused as refusal:
            return dict.fromkeys(names, refusal)
        return refused

    def auto_create_topic(self, name: str) -> TopicImage:
        """Create one topic that somebody used. Raises Refused."""
        refused = self.auto_create_topics([name])
        if refused:
            raise refused[name]
        return self.image.topics_by_name[name]

    def ensure_internal_topic(self, name: str) -> TopicImage:
        """An internal topic, created when it is not there. Raises Refused."""
        existing = self.image.topics_by_name.get(name)
        return self.auto_create_topic(name) if existing is None else existing

    def delete_topic(self, topic: TopicImage) -> None:
        """Delete a topic with its configs. Raises Refused."""
        had_configs = bool(self.image.configs_of(ResourceType.TOPIC, topic.name))
        self._apply([stored.RemoveTopicRecord(topic_id=topic.topic_id)])
        logger.info("deleted topic %s", topic.name)
        for listener in self.listeners:
            listener.topic_deleted(topic)
        if had_configs:
            self._tell_config_changed(ResourceType.TOPIC, topic.name)

    def plan_partitions(
        self, topic: TopicImage, count: int, assignments: Sequence[Sequence[int]] | None = None
    ) -> list[Message]:
        """Decide on more partitions without creating them. Raises Refused."""
        return plan_partitions(self.image, topic, count, assignments)

    def create_partitions(
        self, topic: TopicImage, count: int, assignments: Sequence[Sequence[int]] | None = None
    ) -> None:
        """Bring a topic to `count` partitions. Raises Refused."""
        first_index = len(topic.partitions)
        self._apply(self.plan_partitions(topic, count, assignments))
        logger.info("topic %s has %d partitions, %d before", topic.name, count, first_index)
        for listener in self.listeners:
            listener.partitions_added(topic, first_index)

    def begin_leader_epoch(self, topic: TopicImage, index: int) -> int:
        """Let this broker be elected anew as the leader of a partition; the new epoch. Raises Refused."""
        self._apply([election(topic, topic.partitions[index], self.image.node_id)])
        return topic.partitions[index].leader_epoch

    # Configs, producer ids

    def set_configs(self, resource_type: int, name: str, changes: Mapping[str, str | None]) -> None:
        """Set configs of a resource, or delete those that become None. The values were checked. Raises Refused."""
        current = self.image.configs_of(resource_type, name)
        needed = {key: value for key, value in changes.items() if current.get(key) != value}
        if needed:
            self._apply(config_records(resource_type, name, needed))
            self._tell_config_changed(resource_type, name)

    def update_features(self, updates: Sequence[FeatureUpdate], *, validate_only: bool = False) -> None:
        """Give features other levels, all or none. Raises Refused."""
        records = feature_records(updates, self.image, self.kraft_version, self.config.min_insync_replicas)
        if not records or validate_only:
            return
        self._apply(records)
        logger.info("the features are now %s", self.image.features)
        configs = [record for record in records if isinstance(record, stored.ConfigRecord)]
        for record in configs:
            self._tell_config_changed(record.resource_type, record.resource_name)

    def allocate_producer_ids(self) -> range:
        """A block of producer ids that nobody has ever had. Raises Refused."""
        first = self.image.next_producer_id
        broker = self.image.brokers[self.image.node_id]
        end = first + PRODUCER_ID_BLOCK_SIZE
        self._apply(
            [
                stored.ProducerIdsRecord(
                    broker_id=broker.broker_id, broker_epoch=broker.broker_epoch, next_producer_id=end
                )
            ]
        )
        return range(first, end)

    # Private

    def _apply(self, records: Sequence[Message]) -> None:
        """Append a decision and replay it: the one way in which the image changes while the broker runs."""
        if self.read_only_reason is not None:
            raise Refused(ErrorCode.POLICY_VIOLATION, f"The metadata is only read: {self.read_only_reason}")
        level = levels_of(records).get(METADATA_VERSION) or self.image.features[METADATA_VERSION]
        try:
            offset = self._log.append(records, level)
        except AppendError as error:
            logger.error("the metadata log does not take a change: %s", error.message)
            raise Refused(error.code, error.message) from error
        for record in records:
            self.image.replay(record)
            self.image.last_offset = offset
            offset += 1
        self.snapshots.appended()

    def _tell_config_changed(self, resource_type: int, name: str) -> None:
        for listener in self.listeners:
            listener.config_changed(resource_type, name)

    def _new_topic_id(self) -> bytes:
        """A random id: not one that Kafka reserves, none that is taken, none whose text begins like an option."""
        while True:
            topic_id = self._new_uuid()
            # The first 6 bits are the first base64 character; 62 is "-" (Uuid.randomUuid).
            if topic_id[0] >> 2 != 62 and topic_id[:15] != bytes(15) and topic_id not in self.image.topics_by_id:
                return topic_id
