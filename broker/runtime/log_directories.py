"""The broker's log directories together: which of them holds a partition, and what all of them do in turn."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING

from ...protocol.errors import ProtocolError
from ...protocol.primitives import uuid_to_text
from ...storage.checkpoints import CorruptFile, TopicPartition
from ...storage.files import remove_tree
from ...storage.log_directory import LogDirectory, LogDirectoryError
from ...storage.meta_properties import META_PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ...storage.environment import StorageEnvironment
    from ...storage.log import Log
    from ...storage.log_config import LogConfig
    from ...storage.log_directory import PartitionFolder
    from ..clock import Clock
    from .commit_barrier import Told

logger = logging.getLogger(__name__)

_LOGS_AT_A_TIME = 500


class LogDirectories:
    """All directories of `log.dirs`, locked. Implements `PartitionLogs`."""

    def __init__(
        self, directories: Sequence[LogDirectory], cluster_id: str, clock: Clock, environment: StorageEnvironment
    ) -> None:
        self.directories = directories
        self._background = environment.background
        self._files = environment.files
        self._checkpointing: set[str] = set()
        self.cluster_id = cluster_id
        self._clock = clock
        self._home: dict[str, LogDirectory] = {}

    @classmethod
    def lock(
        cls,
        paths: Iterable[str],
        environment: StorageEnvironment,
        *,
        node_id: int,
        clock: Clock,
        new_uuid: Callable[[], bytes],
        read_only: bool = False,
        cluster_id: str | None = None,
    ) -> LogDirectories:
        """Lock every directory and see that they belong together, and to `cluster_id` where it is given.

        Nothing is changed yet. Raises LogDirectoryError.
        """
        locked: list[LogDirectory] = []
        try:
            for path in dict.fromkeys(map(os.path.abspath, paths)):
                locked.append(LogDirectory.lock(path, environment, node_id=node_id, read_only=read_only))
            known = _one_cluster(locked)
            _check_cluster(locked, cluster_id)
        except LogDirectoryError:
            for directory in locked:
                directory.unlock()
            raise
        return cls(locked, known or cluster_id or uuid_to_text(new_uuid()), clock, environment)

    def unlock(self) -> None:
        """Let go of the directories as they are."""
        for directory in self.directories:
            directory.unlock()

    def share(self) -> None:
        """Let others read the directories too."""
        for directory in self.directories:
            directory.share()

    def partition_folders(self) -> list[PartitionFolder]:
        """The partitions that folders speak of, whether the metadata knows them or not. Raises OSError, CorruptFile."""
        return [folder for directory in self.directories for folder in directory.partition_folders()]

    def begin(self, node_id: int) -> None:
        """Take the directories into use, or leave all of them as they are. Raises LogDirectoryError."""
        for directory in self.directories:
            directory.check_folders()
        for directory in self.directories:
            try:
                directory.join_cluster(self.cluster_id, node_id)
                directory.begin()
            except OSError as error:
                raise LogDirectoryError(f"{error.filename or directory.path}: {error.strerror or error}") from error

    def at(self, path: str) -> LogDirectory:
        """The directory with this path."""
        wanted = os.path.abspath(path)
        return next(directory for directory in self.directories if directory.path == wanted)

    def open(self, topic: str, index: int, topic_id: bytes, config: LogConfig, directory_id: bytes) -> Log:
        """The log of a partition: where its folder is, else in the directory that the metadata names.

        One that cannot be opened is an UnavailableLog, and all others go on.
        """
        directory = self._holder(topic, index, topic_id) or self._named(directory_id)
        log: Log
        try:
            log = directory.open_log(topic, index, topic_id, config, self._clock.now_ms())
        except (OSError, CorruptFile, ProtocolError) as error:
            log = directory.unavailable_log(topic, index, topic_id, config, error)
        self._home[log.directory] = directory
        return log

    def discard(self, log: Log) -> None:
        """Give up a log with its files."""
        directory = self._home.pop(log.directory)
        try:
            directory.discard(log, self._clock.now_ms())
        except OSError as error:
            # The metadata no longer has it, so the next start sets it aside.
            logger.error("%s cannot be deleted: %s", log.directory, error)

    def keep_starts(self, logs: Sequence[Log]) -> list[Callable[[Told], None]]:
        """One write for each directory that holds some of these logs.

        Kafka leaves it to the next checkpoint and to other replicas, of which there are none here.
        """
        homes = {self._home[log.directory].path: self._home[log.directory] for log in logs}
        return [partial(self._keep_starts, home) for home in homes.values()]

    def _keep_starts(self, directory: LogDirectory, told: Told) -> None:
        def failed(error: Exception) -> None:
            logger.error("%s: where logs begin cannot be written: %s", directory.path, error)
            told(error if isinstance(error, OSError) else OSError(str(error)))

        self._background.run(directory.checkpoint_log_starts(), lambda _: told(None), failed)

    def set_aside_strays(self, expected: Iterable[tuple[str, int]]) -> None:
        """Put away the folders that the metadata does not know."""
        known = {TopicPartition(topic, index) for topic, index in expected}
        for directory in self.directories:
            directory.set_aside_strays(known)

    def checkpoint(self) -> None:
        """Write the checkpoints of every directory; a full disk is told and tried again later."""
        for directory in self.directories:
            if directory.path not in self._checkpointing:
                self._checkpointing.add(directory.path)
                self._background.run(
                    directory.checkpoint(),
                    partial(self._checkpointed, directory.path),
                    partial(self._checkpoint_failed, directory.path),
                )

    def _checkpointed(self, path: str, _: None) -> None:
        self._checkpointing.discard(path)

    def _checkpoint_failed(self, path: str, error: Exception) -> None:
        self._checkpointing.discard(path)
        logger.error("%s: the checkpoints cannot be written: %s", path, error)

    def delete_due(self) -> Iterator[None]:
        """Remove files and folders that were given up long enough ago; yields where other work may come between."""
        now_ms = self._clock.now_ms()
        for directory in self.directories:
            for path in directory.take_due_folders(now_ms):
                self.remove_folder(path)
            for number, log in enumerate(list(directory.logs.values()), 1):
                if log.released_files:
                    log.released_files.remove_due(now_ms)
                if number % _LOGS_AT_A_TIME == 0:
                    yield

    def remove_folder(self, path: str) -> None:
        """Remove the folder of a deleted partition, in a thread."""
        self._background.run(partial(remove_tree, self._files, path), _nothing, _nothing)

    def close(self, broker_epoch: int) -> None:
        """Close every log and directory in good order."""
        for directory in self.directories:
            try:
                directory.close(broker_epoch)
            except OSError as error:
                logger.error("%s could not be closed in good order: %s", directory.path, error)

    def _holder(self, topic: str, index: int, topic_id: bytes) -> LogDirectory | None:
        return next((d for d in self.directories if d.holds(topic, index, topic_id)), None)

    def _named(self, directory_id: bytes) -> LogDirectory:
        matching = (d for d in self.directories if d.directory_id == directory_id)
        return next(matching, self.directories[0])


def _one_cluster(directories: Sequence[LogDirectory]) -> str | None:
    """The cluster of all that belong to one. LogDirectoryError when they do not go together."""
    by_cluster = {d.cluster_id: d for d in directories if d.cluster_id is not None}
    if len(by_cluster) > 1:
        told = ", ".join(f"{directory.path} to {cluster_id}" for cluster_id, directory in by_cluster.items())
        raise LogDirectoryError(f"the directories of log.dirs belong to different clusters: {told}; name those of one")
    by_id: dict[bytes, LogDirectory] = {}
    for directory in directories:
        other = by_id.setdefault(directory.directory_id, directory)
        if other is not directory and any(directory.directory_id):
            raise LogDirectoryError(
                f"{directory.path} and {other.path} have the same directory.id: one is a copy; name only one of them"
            )
    return next(iter(by_cluster), None)


def _check_cluster(locked: Sequence[LogDirectory], wanted: str | None) -> None:
    """Raise LogDirectoryError when a directory belongs to another cluster than the one that is asked for."""
    for directory in locked:
        if wanted is not None and directory.cluster_id not in (None, wanted):
            raise LogDirectoryError(
                f"{os.path.join(directory.path, META_PROPERTIES)} belongs to cluster {directory.cluster_id}, not to "
                f"{wanted} (ottla.cluster.id); name another directory, or its own cluster"
            )


def _nothing(_: object) -> None:
    """What is left of a deleted folder goes with the next start."""
