"""A broker of which there is only the metadata: the real log in a real folder, stopped, crashed and started at will."""

from __future__ import annotations

import errno
import itertools
import os
from typing import TYPE_CHECKING, Any, cast

from ottla.broker.clock import ManualClock
from ottla.broker.config import load_config
from ottla.broker.metadata.broker_image import Endpoint
from ottla.broker.metadata.cluster_metadata import ClusterMetadata, MetadataListener
from ottla.broker.metadata.metadata_log import METADATA_TOPIC_ID, MetadataLog, metadata_log_config
from ottla.broker.metadata.registration import BrokerIdentity
from ottla.broker.metadata.topic_creation import NewTopic
from ottla.broker.request import RequestContext
from ottla.broker.runtime.commit_barrier import CommitBarrier
from ottla.broker.services import Services
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import OsFiles
from ottla.storage.recovery import open_log

from .connections import connection_info

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ottla.broker.metadata.partition_image import TopicImage
    from ottla.storage.files import Data
    from ottla.storage.log import Log

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
DIRECTORY_ID = b"\x76\x27\x6a" + b"d" * 13


class Disk(OsFiles):
    """The machine's files, on a disk that can be full."""

    full = False

    def pwrite(self, descriptor: int, data: Data, position: int, /) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().pwrite(descriptor, data, position)


class HeardChanges(MetadataListener):
    """Remembers what it was told, as lines of text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def topic_created(self, topic: TopicImage) -> None:
        self.lines.append(f"created {topic.name} {len(topic.partitions)}")

    def partitions_added(self, topic: TopicImage, first_index: int) -> None:
        self.lines.append(f"added {topic.name} {first_index}..{len(topic.partitions) - 1}")

    def topic_deleted(self, topic: TopicImage) -> None:
        self.lines.append(f"deleted {topic.name} {len(topic.partitions)}")

    def config_changed(self, resource_type: int, name: str) -> None:
        self.lines.append(f"config {resource_type} {name}")


class MetadataBroker:
    """`call` runs handlers; `restart` stops in good order, `crash` does not."""

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        *,
        log_dirs: Sequence[bytes] = (DIRECTORY_ID,),
        started: bool = True,
    ) -> None:
        self.directory = folder / "__cluster_metadata-0"
        self.directory.mkdir(exist_ok=True)
        self.clock = ManualClock()
        self.config = load_config(overrides=options, data_dir=os.fspath(folder))
        self.log_dirs = list(log_dirs)
        self._numbers = itertools.count(1)
        self.heard = HeardChanges()
        self.disk = Disk()
        self.commits = CommitBarrier()
        self.load()
        if started:
            self.start()

    def new_uuid(self) -> bytes:
        return next(self._numbers).to_bytes(16, "little")

    def load(self) -> None:
        self.log, self.metadata_log, self.metadata = self.replayed()
        self.metadata.listeners.append(self.heard)

    def replayed(self) -> tuple[Log, MetadataLog, ClusterMetadata]:
        """What the folder gives to whoever opens it now; nothing is written into it but indexes."""
        environment = StorageEnvironment(files=self.disk)
        log = open_log(
            os.fspath(self.directory),
            topic="__cluster_metadata",
            partition=0,
            topic_id=METADATA_TOPIC_ID,
            config=metadata_log_config(self.config),
            environment=environment,
            now_ms=self.clock.now_ms(),
        )
        metadata_log = MetadataLog(log, environment, self.clock, self.config.node_id, self.commits)
        metadata = ClusterMetadata.load(metadata_log, cluster_id=CLUSTER_ID, config=self.config, new_uuid=self.new_uuid)
        return log, metadata_log, metadata

    def start(self) -> None:
        endpoint = Endpoint("PLAINTEXT", "127.0.0.1", 9092)
        self.metadata.start(BrokerIdentity(self.new_uuid(), [endpoint], self.log_dirs))

    def restart(self) -> None:
        self.metadata.close()
        self.load()
        self.start()

    def crash(self) -> None:
        self.log.abandon()
        self.load()
        self.start()

    def create(self, name: str, partition_count: int = 1, **configs: str) -> TopicImage:
        """Create a topic; config keys are given with underscores for dots."""
        texts: dict[str, str | None] = {key.replace("_", "."): value for key, value in configs.items()}
        return self.metadata.create_topic(NewTopic(name, partition_count, configs=texts))

    def call(
        self, handler: Any, request: Any, version: int, *, listener: str = "PLAINTEXT", local: str = "10.0.0.7"
    ) -> Any:
        """What the handler answers to a client that came in at `local`, port 19092."""
        connection = connection_info(listener_name=listener, peer_host="10.0.0.1", local_host=local)
        context = RequestContext(type(request).api_key, version, 1, "test", connection)
        return handler.handle(request, context, self.services())

    def services(self) -> Services:
        nothing = cast("Any", None)
        return Services(
            config=self.config,
            clock=self.clock,
            timers=nothing,
            metadata=self.metadata,
            partitions=nothing,
            fetches=nothing,
            fetch_sessions=nothing,
            groups=nothing,
            producer_ids=nothing,
            markers=nothing,
            transactions=nothing,
            commits=self.commits,
            apis=[],
        )
