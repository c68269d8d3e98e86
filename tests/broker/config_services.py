"""A broker's configuration and metadata without the rest: the real metadata, its log kept in memory."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from ottla.broker.clock import ManualClock
from ottla.broker.config import load_config
from ottla.broker.metadata.broker_image import Endpoint
from ottla.broker.metadata.cluster_metadata import ClusterMetadata
from ottla.broker.metadata.registration import BrokerIdentity
from ottla.broker.metadata.topic_creation import NewTopic
from ottla.broker.request import RequestContext
from ottla.broker.runtime.commit_barrier import CommitBarrier
from ottla.broker.runtime.dynamic_config import DynamicConfig
from ottla.broker.services import Services

from .connections import connection_info

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ottla.broker.config import BrokerConfig
    from ottla.broker.metadata.metadata_log import MetadataLog
    from ottla.protocol.schema import Message

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


class MemoryLog:
    """The metadata log as ClusterMetadata uses it, without a file."""

    bytes_since_snapshot = 0
    newest_snapshot_offset = -1
    directory = "/data/__cluster_metadata-0"

    def __init__(self) -> None:
        self.records: list[Message] = []
        self.clock = ManualClock()

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        return len(self.records)

    def read(self) -> Iterator[tuple[int, Message]]:
        """Every record with its offset."""
        return iter(enumerate(self.records))

    def bootstrap_records(self) -> list[Message]:
        """What a formatted directory begins with: nothing here."""
        return []

    def begin_epoch(self) -> None:
        """Take the lead: nothing to write."""

    def append(self, records: Sequence[Message], metadata_version: int) -> int:
        """Keep the records; return the offset of the first."""
        self.records += records
        return len(self.records) - len(records)


class ConfigBroker:
    """What the config handlers need of a broker; `changes` holds each BrokerConfig that a dynamic change made."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        config = load_config(overrides=options, data_dir="/data")
        log = cast("MetadataLog", MemoryLog())
        self.metadata = ClusterMetadata.load(
            log, cluster_id="cluster", config=config, new_uuid=lambda: uuid.uuid4().bytes
        )
        self.metadata.start(BrokerIdentity(b"i" * 16, [Endpoint("PLAINTEXT", "127.0.0.1", 9092)], [b"d" * 16]))
        nothing = cast("Any", None)
        self.services = Services(
            config=config,
            clock=ManualClock(),
            timers=nothing,
            metadata=self.metadata,
            partitions=nothing,
            fetches=nothing,
            fetch_sessions=nothing,
            groups=nothing,
            producer_ids=nothing,
            markers=nothing,
            transactions=nothing,
            commits=CommitBarrier(),
            apis=[],
        )
        self._first_configs = {resource: dict(texts) for resource, texts in self.metadata.image.configs.items()}
        self.changes: list[BrokerConfig] = []
        self._dynamic = DynamicConfig(self.services, self.changes.append)
        self._dynamic.apply()
        self.metadata.listeners.append(self._dynamic)

    @property
    def altered(self) -> dict[tuple[int, str], dict[str, str]]:
        """The configs of each resource that has others than a new cluster begins with."""
        configs = self.metadata.image.configs
        return {resource: texts for resource, texts in configs.items() if texts != self._first_configs.get(resource)}

    def create_topic(self, name: str, **configs: str) -> None:
        """Create a topic; keys are given with underscores for dots."""
        texts = {key.replace("_", "."): value for key, value in configs.items()}
        self.metadata.create_topic(NewTopic(name, configs=texts))

    def call(self, handler: Any, request: Any, version: int) -> Any:
        """What the handler answers."""
        connection = connection_info()
        context = RequestContext(type(request).api_key, version, 1, "test", connection)
        return handler.handle(request, context, self.services)
