"""The composition root: the one place that makes a broker's parts and ties them together.

`start` reads as the story of a start: take the addresses, take the directories, read the metadata, open the logs,
bring the groups back, answer. Whatever fails before the last step leaves everything as it was.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from functools import partial
from typing import TYPE_CHECKING

from ..storage.append import AppendError
from ..storage.checkpoints import CorruptFile
from ..storage.environment import StorageEnvironment
from ..storage.files import OS_FILES
from ..storage.log_directory import LogDirectoryError
from .api_table import APIS, advertised
from .clock import SystemClock
from .coordinators.fetch_session import FetchSessionCache
from .coordinators.producer_ids import ProducerIds
from .dispatch import Dispatcher
from .metadata.broker_image import Endpoint
from .metadata.cluster_metadata import ClusterMetadata
from .metadata.features import TRANSACTION_VERSION, UnsupportedFeature
from .metadata.first_voter import first_voter
from .metadata.metadata_log import METADATA_TOPIC_ID, MetadataLog, metadata_log_config
from .metadata.metadata_reader import UnreadableMetadata
from .metadata.refusal import Refused
from .metadata.registration import BrokerIdentity
from .read_only import read_only_advertised, read_only_apis, read_only_config, show_held_partitions
from .runtime.commit_barrier import CommitBarrier
from .runtime.disk_threads import DiskThreads
from .runtime.dynamic_config import DynamicConfig, with_stored
from .runtime.group_configs import GroupConfigs
from .runtime.group_coordinators import GroupCoordinators
from .runtime.log_cleaner import LogCleaner
from .runtime.log_directories import LogDirectories
from .runtime.log_duties import LogDuties
from .runtime.long_poll import FetchPurgatory
from .runtime.partitions import Partitions
from .runtime.read_only_groups import ReadOnlyGroups
from .runtime.read_only_logs import ReadOnlyLogs
from .runtime.timers import Timers
from .runtime.transaction_coordinators import TransactionCoordinators
from .runtime.transaction_markers import TransactionMarkers
from .server import ListenError, Server
from .services import Services
from .settings import group_settings, limits, sockets, transaction_settings
from .version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage.files import Files
    from ..storage.log import Log
    from .api_table import Api
    from .clock import Clock
    from .config import BrokerConfig
    from .listening_sockets import SocketSettings
    from .runtime.partitions import PartitionLogs
    from .server import Limits

logger = logging.getLogger(__name__)

METADATA_TOPIC = "__cluster_metadata"

_SESSION_ID_BITS = 31
# log.cleaner.threads can be raised while the broker runs; a thread begins when there is work for it.
_CLEANER_THREADS_MAX = 64


_REASONS_NOT_TO_START = (
    AppendError,
    CorruptFile,
    ListenError,
    LogDirectoryError,
    Refused,
    UnreadableMetadata,
    UnsupportedFeature,
)


class StartError(Exception):
    """The broker cannot start; the message is one line for the person who started it."""


class Broker:
    """A broker on its log directories: made stopped, started once, stopped once."""

    def __init__(self, config: BrokerConfig, clock: Clock | None = None, files: Files = OS_FILES) -> None:
        self._config = config
        self._files = files
        self._clock = clock or SystemClock()
        self._timers = Timers(self._wake_at)
        self._commits = CommitBarrier()
        self._disk_threads: DiskThreads | None = None
        self._cleaner_threads: DiskThreads | None = None
        self._cleaner: LogCleaner | None = None
        self._wake_up: asyncio.TimerHandle | None = None
        self._addresses: list[tuple[str, str, int]] = []
        self._server: Server | None = None
        self._directories: LogDirectories | None = None
        self._services: Services | None = None
        self._duties: LogDuties | None = None
        self._read_only_reason: str | None = None
        self._read_only_logs: ReadOnlyLogs | None = None

    async def start(self) -> None:
        """Start, or raise StartError with everything as it was."""
        try:
            self._server = self._take_addresses()
            self._directories = self._take_directories()
            # What reads logs runs in a thread: a recovery may be long, and signals are heard meanwhile.
            metadata = await asyncio.to_thread(self._read_metadata, self._directories)
            self._read_only_reason = self._why_read_only(metadata, self._directories)
            if self._read_only_reason is not None:
                open_read_only = partial(self._open_read_only, metadata, self._directories, self._read_only_reason)
                services = await asyncio.to_thread(open_read_only)
            else:
                services = await self._open(metadata, self._directories)
        except _REASONS_NOT_TO_START as error:
            await self._undo()
            raise StartError(str(error)) from error
        except OSError as error:
            await self._undo()
            raise StartError(f"{error.filename or self._config.log_dirs[0]}: {error.strerror or error}") from error
        apis = APIS if self._read_only_reason is None else read_only_apis()
        self._server.start(self._new_dispatcher(apis, services))

    def _new_dispatcher(self, apis: Mapping[int, Api], services: Services) -> Dispatcher:
        """What every connection hands its requests to; whoever watches a broker has another one."""
        return Dispatcher(apis, services, self._commits)

    async def _open(self, metadata: ClusterMetadata, directories: LogDirectories) -> Services:
        """Take the directories into use, lead what they hold, and begin with the duties."""
        directories.begin(self._config.node_id)
        metadata = await asyncio.to_thread(self._take_metadata_log, metadata, directories)
        voter = first_voter(self._config, directories.at(self._config.metadata_log_dir).directory_id)
        if voter is not None:
            metadata.begin_quorum(voter)
        self._services = services = self._tie_together(metadata, directories)
        self._take_the_lead(services, directories)
        await asyncio.to_thread(services.partitions.open_all)
        self._follow_metadata(services)
        self._duties = LogDuties(services, directories)
        self._duties.start()
        self._start_cleaner(services, directories)
        return services

    def _open_read_only(self, metadata: ClusterMetadata, directories: LogDirectories, reason: str) -> Services:
        """Open what the directories hold to be read; nothing in them changes from here on."""
        directories.share()
        self._read_only_logs = logs = ReadOnlyLogs(directories, self._clock)
        self._services = services = self._tie_together(metadata, logs)
        services.config = read_only_config(services.config)
        services.apis = read_only_advertised()
        show_held_partitions(services, logs, reason)
        services.groups = ReadOnlyGroups(services.groups)
        services.groups.start()
        return services

    async def stop(self) -> None:
        """Finish what is under way, close everything in good order."""
        if self._read_only_logs is not None:
            await self._undo()
            self._read_only_logs.close()
            logger.info("stopped")
            return
        if self._services is None or self._directories is None or self._server is None or self._duties is None:
            return
        self._duties.stop()
        if self._cleaner is not None:
            self._cleaner.stop()
        self._services.transactions.stop()
        self._services.groups.stop()
        await self._server.stop()
        await self._end_disk_threads()
        metadata = self._services.metadata
        broker_epoch = metadata.image.brokers[self._config.node_id].broker_epoch
        try:
            metadata.close()
        except (Refused, OSError) as error:
            logger.error("the metadata log could not be closed in good order: %s", error)
        self._directories.close(broker_epoch)
        if self._wake_up is not None:
            self._wake_up.cancel()
        logger.info("stopped")

    @property
    def addresses(self) -> list[tuple[str, str, int]]:
        """(listener name, host, port) of every open listener."""
        return self._addresses

    def describe(self) -> str:
        """One line for people: that it answers, where, and with which data."""
        where = ", ".join(f"{_bracketed(host)}:{port}" for _, host, port in self._addresses)
        only_read = "" if self._read_only_reason is None else ", which is only read"
        return f"Ottla {VERSION} is listening on {where}, data in {', '.join(self._config.log_dirs)}{only_read}"

    # The steps of the start

    def _take_addresses(self) -> Server:
        config = self._config
        self._server = server = self._new_server(limits(config), sockets(config))
        for listener in config.listeners:
            host, port = server.bind(listener.name, listener.host, listener.port)
            self._addresses.append((listener.name, host, port))
        return server

    def _new_server(self, limits: Limits, sockets: SocketSettings) -> Server:
        """What listens; whoever wants connections to fail has another one."""
        return Server(limits, sockets)

    def _take_directories(self) -> LogDirectories:
        config = self._config
        self._disk_threads = self._new_disk_threads(config.background_threads, "disk")
        self._disk_threads.start_all()
        environment = StorageEnvironment(
            files=self._files,
            background=self._disk_threads,
            producer_id_expiration_ms=config.producer_id_expiration_ms,
        )
        self._environment = environment
        return LogDirectories.lock(
            [*config.log_dirs, config.metadata_log_dir],
            environment,
            node_id=config.node_id,
            clock=self._clock,
            new_uuid=_random_uuid,
            read_only=config.read_only,
            cluster_id=config.cluster_id,
        )

    def _new_disk_threads(self, count: int, name: str) -> DiskThreads:
        """Threads beside the loop that runs now; whoever simulates a broker has other ones."""
        return DiskThreads(asyncio.get_running_loop(), count, name)

    def _read_metadata(self, directories: LogDirectories) -> ClusterMetadata:
        """Read the metadata log and change nothing: what is not understood, or not ours, is not written to."""
        config = self._config
        home = directories.at(config.metadata_log_dir)
        log_config = metadata_log_config(config)
        log = home.open_log_read_only(METADATA_TOPIC, 0, METADATA_TOPIC_ID, log_config, self._clock.now_ms())
        return self._replay(log, directories)

    def _replay(self, log: Log, directories: LogDirectories) -> ClusterMetadata:
        metadata_log = MetadataLog(log, self._environment, self._clock, self._config.node_id, self._commits)
        return ClusterMetadata.load(
            metadata_log, cluster_id=directories.cluster_id, config=self._config, new_uuid=_random_uuid
        )

    def _why_read_only(self, metadata: ClusterMetadata, directories: LogDirectories) -> str | None:
        if self._config.read_only:
            return "ottla.read.only is set"
        if metadata.is_empty and directories.partition_folders():
            return "it holds partitions, and the metadata of their cluster is elsewhere"
        return metadata.why_foreign(directories.at(self._config.metadata_log_dir).directory_id)

    def _take_metadata_log(self, metadata: ClusterMetadata, directories: LogDirectories) -> ClusterMetadata:
        """The same metadata with its log open to be written; read again should recovery have found another end."""
        config = self._config
        home = directories.at(config.metadata_log_dir)
        log = home.open_log(METADATA_TOPIC, 0, METADATA_TOPIC_ID, metadata_log_config(config), self._clock.now_ms())
        if not metadata.write_to(log):
            return self._replay(log, directories)
        return metadata

    def _tie_together(self, metadata: ClusterMetadata, directories: PartitionLogs) -> Services:
        config = with_stored(self._config, metadata.image.configs)
        metadata.config = config
        partitions = Partitions(directories, metadata.image, lambda overrides: services.config.log_config(overrides))
        groups = GroupCoordinators(
            partitions=partitions,
            clock=self._clock,
            timers=self._timers,
            settings=group_settings(config),
            configs=GroupConfigs(metadata.image, config),
            new_uuid_text=lambda: str(uuid.uuid4()),
            commits=self._commits,
        )
        producer_ids = ProducerIds(metadata.allocate_producer_ids)
        markers = TransactionMarkers(groups, self._clock)
        services = Services(
            config=config,
            clock=self._clock,
            timers=self._timers,
            metadata=metadata,
            partitions=partitions,
            fetches=FetchPurgatory(self._timers, self._clock),
            fetch_sessions=FetchSessionCache(config.max_incremental_fetch_session_cache_slots, _random_session_id),
            groups=groups,
            producer_ids=producer_ids,
            markers=markers,
            transactions=TransactionCoordinators(
                partitions=partitions,
                markers=markers,
                clock=self._clock,
                timers=self._timers,
                settings=transaction_settings(config),
                new_producer_id=producer_ids.next_id,
                server_transaction_version=lambda: metadata.image.features.get(TRANSACTION_VERSION, 0),
                commits=self._commits,
            ),
            commits=self._commits,
            apis=advertised(),
        )
        return services

    def _take_the_lead(self, services: Services, directories: LogDirectories) -> None:
        """Register this broker in the metadata; put aside what the metadata does not know."""
        metadata = services.metadata
        endpoints = [Endpoint(name, host, port) for name, host, port in self._advertised_addresses()]
        log_dirs = [directory.directory_id for directory in directories.directories]
        metadata.start(BrokerIdentity(_random_uuid(), endpoints, log_dirs, self._config.broker_rack))
        known = [
            (topic.name, partition.index)
            for topic in metadata.image.topics_by_name.values()
            for partition in topic.partitions
        ]
        directories.set_aside_strays(known)

    def _follow_metadata(self, services: Services) -> None:
        """See to it that each change of the metadata is followed from now on; bring groups and transactions back."""
        # The configuration comes first: whoever is told of a change after it reads the new one.
        dynamic_config = DynamicConfig(services, self._follow_config)
        dynamic_config.apply()  # taking the lead may have set some
        services.metadata.listeners += [
            dynamic_config,
            services.partitions,
            services.groups,
            services.transactions,
        ]
        services.groups.start()
        services.transactions.start()

    def _start_cleaner(self, services: Services, directories: LogDirectories) -> None:
        config = services.config
        if config.log_cleaner_enable:
            self._cleaner_threads = self._new_disk_threads(_CLEANER_THREADS_MAX, "log-cleaner")
            self._cleaner = LogCleaner(services, directories, self._cleaner_threads, self._environment.files)
            services.metadata.listeners.append(self._cleaner)
            self._cleaner.start()

    def _follow_config(self, config: BrokerConfig) -> None:
        """Hand what a dynamic change set to those who keep a copy."""
        if self._server is not None and self._services is not None:
            self._server.limits = limits(config)
            self._services.fetch_sessions.slots = config.max_incremental_fetch_session_cache_slots
            self._services.groups.follow_config(config)

    def _advertised_addresses(self) -> list[tuple[str, str, int]]:
        told = []
        for name, host, port in self._addresses:
            advertised_as = self._config.advertised(name)
            told.append((name, advertised_as.host, advertised_as.port) if advertised_as else (name, host, port))
        return told

    async def _end_disk_threads(self) -> None:
        if self._cleaner_threads is not None:
            await self._cleaner_threads.close()
        if self._disk_threads is not None:
            await self._disk_threads.close()

    async def _undo(self) -> None:
        if self._server is not None:
            await self._server.stop()
        await self._end_disk_threads()
        if self._directories is not None:
            self._directories.unlock()

    # Time

    def _wake_at(self, deadline_ms: int) -> None:
        if self._wake_up is not None:
            self._wake_up.cancel()
        # One more millisecond, since the clock's milliseconds are cut off, not rounded.
        delay_s = max(deadline_ms - self._clock.monotonic_ms() + 1, 0) / 1000
        self._wake_up = asyncio.get_running_loop().call_later(delay_s, self._run_due)

    def clock_was_moved(self) -> None:
        """Do at once what has become due, once each; for whoever moves the clock by hand."""
        if self._wake_up is not None:
            self._wake_up.cancel()
        self._run_due()

    def _run_due(self) -> None:
        self._wake_up = None
        try:
            self._timers.run_due(self._clock.monotonic_ms())
        except Exception:
            # A bug in one duty must not stop the clock for all others.
            logger.exception("something that was due failed within the broker")
        deadline_ms = self._timers.next_deadline_ms()
        if deadline_ms is not None:
            self._wake_at(deadline_ms)


def _random_uuid() -> bytes:
    return uuid.uuid4().bytes


def _random_session_id() -> int:
    return secrets.randbits(_SESSION_ID_BITS)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
