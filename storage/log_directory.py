"""One entry of `log.dirs`: locked, named, and with a folder for each partition.

A directory belongs to one process (`.lock`), one cluster and one node (`meta.properties`). Opening one that is not ours
changes nothing. The checkpoints say where each log begins and from where it must be recovered; `.kafka_cleanshutdown`
says that recovery is not needed at all. A folder that the metadata no longer has is set aside, never deleted.
Kafka: `LogManager`, `MetaProperties`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .checkpoints import CorruptFile, TopicPartition, read_epochs, read_partition_metadata, write_partition_metadata
from .directory_lock import DirectoryLock, LockHeld
from .files import make_directories, remove_if_present, remove_tree, sync_directory, sync_if_present, write_file
from .leader_epochs import LEADER_EPOCH_FILE
from .meta_properties import META_PROPERTIES, read_meta_properties, write_meta_properties
from .offset_checkpoints import HIGH_WATERMARKS, LOG_START_OFFSETS, METADATA_TOPIC, RECOVERY_POINTS, OffsetCheckpoints
from .read_only import ReadOnlyFiles, ReadOnlyLog, open_log_read_only
from .recovery import OpenedFrom, open_log
from .unavailable_log import UnavailableLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .environment import StorageEnvironment
    from .log import Log
    from .log_config import LogConfig
    from .log_sync import SyncWork

logger = logging.getLogger(__name__)

CLEAN_SHUTDOWN = ".kafka_cleanshutdown"

_NO_ID = bytes(16)
_NAME_CHARACTERS_MAX = 255
_SYNCED_TOGETHER_FROM = 64
_SYNC_THREADS = 8
_PARTITION_FOLDER = re.compile(r"(?P<topic>.+)-(?P<partition>\d+)")
_DELETE_SUFFIX = "-delete"
_STRAY_SUFFIX = "-stray"
_NO_PERMISSION = "permission denied; the broker must own its log directory"
_CHECKPOINT_WAYS_OUT = {
    RECOVERY_POINTS: "after an unclean stop all logs are then read from their first segment on",
    LOG_START_OFFSETS: "logs then begin with their first segment, also below what DeleteRecords took",
    HIGH_WATERMARKS: "it is written anew",
}


class LogDirectoryError(Exception):
    """A directory that cannot be used; the message names the file and the way out."""


class PartitionFolder(NamedTuple):
    """A partition as its folder names it; the id is None where none is written."""

    topic: str
    partition: int
    topic_id: bytes | None
    leader_epoch: int


class LogDirectory:
    """A directory that this process owns until `close`."""

    def __init__(self, path: str, environment: StorageEnvironment) -> None:
        self.path = path
        self.cluster_id: str | None = None
        self.directory_id = _NO_ID
        self.logs: dict[TopicPartition, Log] = {}
        self.is_clean = False
        self._environment = environment
        self._lock: DirectoryLock | None = None
        self._checkpoints = OffsetCheckpoints(self.path, environment.files)
        # By folder, once `check_folders` has read them: what every start needs anyway is read once.
        self._topic_ids: dict[str, bytes] | None = None
        # (when, path) of folders of deleted partitions.
        self._pending_deletions: list[tuple[int, str]] = []
        self._unopened: dict[TopicPartition, UnavailableLog] = {}

    # Opening

    @classmethod
    def lock(cls, path: str, environment: StorageEnvironment, *, node_id: int, read_only: bool = False) -> LogDirectory:
        """Take a directory and read what it says of itself; nothing in it is changed, but a new one is made.

        With `read_only` others may read it too. Raises LogDirectoryError.
        """
        directory = cls(os.path.abspath(path), environment)
        try:
            if not read_only:
                make_directories(environment.files, directory.path)
            directory._lock = DirectoryLock(directory.path, shared=read_only)
            directory._read_meta(node_id, may_be_nameless=read_only)
            directory._read_checkpoints()
        except (OSError, CorruptFile, LockHeld) as error:
            directory.unlock()
            raise LogDirectoryError(_explain(error, directory.path)) from error
        except LogDirectoryError:
            directory.unlock()
            raise
        return directory

    def unlock(self) -> None:
        """Let go of the directory as it is."""
        if self._lock is not None:
            self._lock.release()

    def share(self) -> None:
        """Let others read the directory as well."""
        if self._lock is not None:
            self._lock.share()

    def join_cluster(self, cluster_id: str, node_id: int) -> None:
        """Make the directory part of a cluster, or check that it is. Raises LogDirectoryError, OSError."""
        if self._lock is not None:
            try:
                self._lock.make_file()
            except LockHeld as error:
                raise LogDirectoryError(str(error)) from error
        if self.cluster_id not in (None, cluster_id):
            raise LogDirectoryError(
                f"{os.path.join(self.path, META_PROPERTIES)} belongs to cluster {self.cluster_id}, "
                f"not to {cluster_id}; name another directory in log.dirs"
            )
        if self.cluster_id is None or self.directory_id == _NO_ID:
            self.cluster_id = cluster_id
            self.directory_id = uuid.uuid4().bytes
            path = os.path.join(self.path, META_PROPERTIES)
            write_meta_properties(self._environment.files, path, cluster_id, node_id, self.directory_id)

    def check_folders(self) -> None:
        """See, before anything is changed, that every partition's folder may be used and says whose it is.

        Raises LogDirectoryError.
        """
        topic_ids = {}
        try:
            for name in os.listdir(self.path):
                path = os.path.join(self.path, name)
                if _PARTITION_FOLDER.fullmatch(name) is None or not os.path.isdir(path):
                    continue
                if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                    raise LogDirectoryError(f"{path}: {_NO_PERMISSION}")
                topic_id = read_partition_metadata(path)
                if topic_id is not None:
                    topic_ids[name] = topic_id
        except CorruptFile as error:
            raise LogDirectoryError(
                f"{error}; restore it from a copy, or remove it if the folder is surely right"
            ) from error
        except OSError as error:
            raise LogDirectoryError(_explain(error, self.path)) from error
        self._topic_ids = topic_ids

    def begin(self) -> None:
        """From now on the directory is in use: a crash is a crash. Removes what earlier deletions left."""
        files = self._environment.files
        if remove_if_present(files, os.path.join(self.path, CLEAN_SHUTDOWN)):
            sync_directory(files, self.path)
        for name in os.listdir(self.path):
            if name.endswith(_DELETE_SUFFIX):
                with contextlib.suppress(OSError):
                    remove_tree(files, os.path.join(self.path, name))

    def _read_meta(self, node_id: int, *, may_be_nameless: bool) -> None:
        path = os.path.join(self.path, META_PROPERTIES)
        try:
            properties = read_meta_properties(path)
        except FileNotFoundError:
            if not may_be_nameless:
                self._refuse_unknown_content()
            return
        if properties.node_id != node_id:
            raise LogDirectoryError(
                f"{path} belongs to node {properties.node_id}, this broker is node {node_id} (node.id); "
                f"start with node.id={properties.node_id} or name another directory"
            )
        self.cluster_id = properties.cluster_id
        self.directory_id = properties.directory_id or _NO_ID

    def _refuse_unknown_content(self) -> None:
        """A directory with data but without a name must not be taken for an empty one."""
        strange = [name for name in os.listdir(self.path) if _PARTITION_FOLDER.fullmatch(name)]
        if strange:
            raise LogDirectoryError(
                f"{self.path} holds {strange[0]} but no {META_PROPERTIES}; restore that file or name another "
                "directory, or look at this one with --read-only"
            )

    def _read_checkpoints(self) -> None:
        self.is_clean = os.path.exists(os.path.join(self.path, CLEAN_SHUTDOWN))
        try:
            self._checkpoints.load(is_clean=self.is_clean)
        except CorruptFile as error:
            way_out = _CHECKPOINT_WAYS_OUT[os.path.basename(error.path)]
            raise LogDirectoryError(f"{error}; restore it from a copy, or remove it: {way_out}") from error

    # Logs

    def partition_folders(self) -> list[PartitionFolder]:
        """What the folders say of themselves, the metadata log's left out. Raises OSError, CorruptFile."""
        found = []
        for name in sorted(os.listdir(self.path)):
            match = _PARTITION_FOLDER.fullmatch(name)
            if match is not None and match["topic"] != METADATA_TOPIC:
                path = os.path.join(self.path, name)
                epochs = read_epochs(os.path.join(path, LEADER_EPOCH_FILE))
                latest_epoch = epochs[-1][0] if epochs else 0
                found.append(
                    PartitionFolder(match["topic"], int(match["partition"]), self._topic_id(path), latest_epoch)
                )
        return found

    def holds(self, topic: str, partition: int, topic_id: bytes) -> bool:
        """Whether the folder of this very partition is here. Raises CorruptFile."""
        path = self._folder(topic, partition)
        found = self._topic_id(path)
        return found == topic_id if found is not None else os.path.isdir(path)

    def _topic_id(self, path: str) -> bytes | None:
        """The id that a folder names; None for a new one, and for one that names none."""
        if self._topic_ids is None:
            return read_partition_metadata(path)
        return self._topic_ids.get(os.path.basename(path))

    def open_log(self, topic: str, partition: int, topic_id: bytes, config: LogConfig, now_ms: int) -> Log:
        """The log of a partition, found or made. Raises OSError, CorruptFile."""
        key = TopicPartition(topic, partition)
        path = self._folder(topic, partition)
        is_new = False
        found = self._topic_id(path)
        if found != topic_id:
            is_new = self._prepare_folder(key, path, found)
            write_partition_metadata(self._environment.files, path, topic_id)
            self._name_folder(path, topic_id)
        known = OpenedFrom() if is_new else self._checkpoints.claim(key)
        log = open_log(
            path,
            topic=topic,
            partition=partition,
            topic_id=topic_id,
            config=config,
            environment=self._environment,
            now_ms=now_ms,
            known=known,
        )
        self.logs[key] = log
        self._unopened.pop(key, None)
        return log

    def unavailable_log(
        self, topic: str, partition: int, topic_id: bytes, config: LogConfig, problem: Exception
    ) -> UnavailableLog:
        """What stands for a log that `open_log` could not open.

        The directory is not closed as a clean one then, and where the log begins is not forgotten.
        """
        key = TopicPartition(topic, partition)
        log = UnavailableLog(
            self._folder(topic, partition),
            topic=topic,
            partition=partition,
            topic_id=topic_id,
            config=config,
            environment=self._environment,
            problem=problem,
        )
        self._unopened[key] = log
        self._checkpoints.give_back(key)
        return log

    def _prepare_folder(self, key: TopicPartition, path: str, found: bytes | None) -> bool:
        """Make room for a partition whose folder is missing, or says no id or another one; return whether it is new."""
        if found is not None:
            self.set_aside(os.path.basename(path))
        elif os.path.isdir(path):
            # The folder of the metadata log has none when `kafka-storage format` has made it.
            if key.topic != METADATA_TOPIC:
                logger.warning("%s names no topic id; it gets that of the metadata log", path)
            return False
        self._checkpoints.forget(key, self.logs)
        self._environment.files.mkdir(path)
        return True

    def _name_folder(self, path: str, topic_id: bytes | None) -> None:
        if self._topic_ids is not None:
            self._topic_ids.pop(os.path.basename(path), None)
            if topic_id is not None:
                self._topic_ids[os.path.basename(path)] = topic_id

    def open_log_read_only(
        self, topic: str, partition: int, topic_id: bytes, config: LogConfig, now_ms: int
    ) -> ReadOnlyLog:
        """The log of a partition as it lies there; an empty one where there is none. Nothing is changed. OSError."""
        return open_log_read_only(
            self._folder(topic, partition),
            topic=topic,
            partition=partition,
            topic_id=topic_id,
            config=config,
            environment=replace(self._environment, files=ReadOnlyFiles()),
            now_ms=now_ms,
            known=self._checkpoints.known(TopicPartition(topic, partition)),
        )

    def discard(self, log: Log, now_ms: int) -> None:
        """Give up a log: its folder is renamed at once and removed after file.delete.delay.ms. Raises OSError."""
        self.logs.pop(TopicPartition(log.topic, log.partition), None)
        self._unopened.pop(TopicPartition(log.topic, log.partition), None)
        suffix = f"-{log.partition}.{uuid.uuid4().hex}{_DELETE_SUFFIX}"
        path = os.path.join(self.path, log.topic[: _NAME_CHARACTERS_MAX - len(suffix)] + suffix)
        self._name_folder(log.directory, None)
        log.rename_directory(path)
        self._pending_deletions.append((now_ms + log.config.file_delete_delay_ms, path))

    def set_aside_strays(self, expected: Collection[TopicPartition]) -> None:
        """Rename the folders of partitions that the metadata does not have; people decide about them."""
        for name in sorted(os.listdir(self.path)):
            match = _PARTITION_FOLDER.fullmatch(name)
            if match is None or match["topic"] == METADATA_TOPIC:
                continue
            if TopicPartition(match["topic"], int(match["partition"])) not in expected:
                self.set_aside(name)

    def set_aside(self, name: str) -> None:
        """Rename one folder as Kafka names what nobody claims. Raises OSError."""
        match = _PARTITION_FOLDER.fullmatch(name)
        topic, partition = (match["topic"], match["partition"]) if match else (name, "0")
        suffix = f"-{partition}.{uuid.uuid4().hex}{_STRAY_SUFFIX}"
        target = topic[: _NAME_CHARACTERS_MAX - len(suffix)] + suffix
        self._environment.files.rename(os.path.join(self.path, name), os.path.join(self.path, target))
        self._name_folder(name, None)
        logger.warning("%s/%s is not in the metadata (any more); it is kept as %s", self.path, name, target)

    def _folder(self, topic: str, partition: int) -> str:
        return os.path.join(self.path, f"{topic}-{partition}")

    # Duties

    def checkpoint(self) -> Callable[[], None]:
        """How far each log is on the disk and where it begins, as it is now; to be called, anywhere, to be written.

        The call raises OSError.
        """
        return self._checkpoints.snapshot(self.logs)

    def checkpoint_log_starts(self) -> Callable[[], None]:
        """As `checkpoint`, of where logs begin: for a request that moved a start and promises that it stays there."""
        return self._checkpoints.snapshot_log_starts(self.logs)

    def take_due_folders(self, now_ms: int) -> list[str]:
        """The folders whose time has come, for the caller to remove."""
        due = [path for due_ms, path in self._pending_deletions if due_ms <= now_ms]
        self._pending_deletions = [entry for entry in self._pending_deletions if entry[0] > now_ms]
        return due

    def close(self, broker_epoch: int) -> None:
        """Flush every log, say that the end was a clean one, and let go. Raises OSError."""
        try:
            failures = self._close_logs()
            self._sync_closed_files()
            self.checkpoint()()
            self._remove_deleted()
            if failures:
                raise failures[0]
            if self._unopened:
                return  # they were not recovered, and the next start must not believe that they were
            content = json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":"))
            write_file(self._environment.files, os.path.join(self.path, CLEAN_SHUTDOWN), content.encode(), sync=True)
        finally:
            self.unlock()

    def _close_logs(self) -> list[OSError]:
        """Close each log, whatever becomes of the others."""
        failures = []
        refused = self._sync_together()
        for log in self.logs.values():
            try:
                if log.directory in refused:
                    raise refused[log.directory]
                log.close()
            except OSError as error:
                logger.error("%s could not be closed in good order: %s", log.directory, error)
                log.abandon()
                failures.append(error)
        return failures

    def _sync_together(self) -> dict[str, OSError]:
        """Bring many logs to the disk at once; by folder, what the disk refused.

        The file system then commits hundreds of them together. One after the other, each waits for a commit of its
        own, since closing the one before has changed its folder: ten thousand partitions take minutes then.
        """
        logs = self.logs.values()
        unsynced = [log for log in logs if log.recovery_point < log.log_end_offset and log.sync.failure is None]
        if len(unsynced) < _SYNCED_TOGETHER_FROM:
            return {}
        works = [log.sync.everything() for log in unsynced]
        with ThreadPoolExecutor(_SYNC_THREADS) as threads:
            problems = list(threads.map(self._problem_of, works))
        for log, work, problem in zip(unsynced, works, problems, strict=True):
            if problem is None:
                log.sync.settle(work)
        return {log.directory: p for log, p in zip(unsynced, problems, strict=True) if p is not None}

    def _sync_closed_files(self) -> None:
        """Bring to the disk what the logs left beside their batches: a clean end says that it is there."""
        logs = [log for log in self.logs.values() if log.closed_files]
        if len(logs) < _SYNCED_TOGETHER_FROM:
            for log in logs:
                self._sync_files_of(log)
            return
        with ThreadPoolExecutor(_SYNC_THREADS) as threads:
            list(threads.map(self._sync_files_of, logs))

    def _sync_files_of(self, log: Log) -> None:
        for path in log.closed_files:
            sync_if_present(self._environment.files, path)
        sync_directory(self._environment.files, log.directory)

    def _problem_of(self, work: SyncWork) -> OSError | None:
        try:
            return work.run(self._environment.files)
        except OSError as error:
            return error

    def _remove_deleted(self) -> None:
        """Nobody reads from the folders of deleted partitions any more; what cannot go waits for the next start."""
        for _, path in self._pending_deletions:
            with contextlib.suppress(OSError):
                remove_tree(self._environment.files, path)


def _explain(error: Exception, path: str) -> str:
    if isinstance(error, PermissionError):
        return f"{error.filename or path}: {_NO_PERMISSION}"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{error.filename or path} is not a directory; name another one"
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or error}"
    return str(error)
