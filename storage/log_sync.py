"""Brings a log's bytes to the disk, outside of the log's thread, and tells who waits for it.

One sync of a log runs at a time. All that is asked for meanwhile is served together by the next one: that is group
commit. The recovery point moves when everything below it is on the disk: batches, and of the segments that are no
longer written also the indexes and the producer snapshot that recovery would otherwise have to build again.
A disk that is full leaves the log as it is, to be tried again; a sync that fails ends the log, since nobody knows what
of it is on the disk then.
Kafka: `UnifiedLog.flush`, `LocalLog.flush`, and the flush that `UnifiedLog.roll` schedules.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .checkpoints import PARTITION_METADATA
from .files import remove_if_present, sync_directory, sync_if_present, write_file
from .offset_index import write_entries
from .segment import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from .environment import StorageEnvironment
    from .files import Files
    from .log import Log
    from .offset_index import IndexWrite
    from .producer_snapshots import Snapshot
    from .segment import Segment

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_disk_full(error: OSError) -> bool:
    """Whether there will be room again without anybody looking at the disk itself."""
    return error.errno in _FULL


class SyncListener(Protocol):
    """Whose log it is: told of each sync, before those who wait."""

    def log_synced(self) -> None:
        """The recovery point has moved."""
        ...

    def log_failed(self, error: OSError) -> None:
        """The disk failed in work that nobody waited for; the log is not to be written any more."""
        ...


class SegmentSync(NamedTuple):
    """One segment's part of a sync: paths and bytes, which stay as they are."""

    segment: Segment
    stem: str
    index_writes: tuple[IndexWrite, ...]
    snapshot: Snapshot | None
    is_rolled: bool

    def sync_batches(self, files: Files) -> None:
        """Bring the batches to the disk. Raises OSError."""
        sync_if_present(files, self.stem + LOG_SUFFIX)

    def finish(self, files: Files) -> None:
        """Write and sync what stands beside the batches of a segment that is not written any more. Raises OSError."""
        for write in self.index_writes:
            write_entries(files, write)
        if self.snapshot is not None:
            write_file(files, self.snapshot.path, self.snapshot.content, sync=True)
        for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX):
            sync_if_present(files, self.stem + suffix)


class SyncWork(NamedTuple):
    """One sync, as a thread does it."""

    parts: tuple[SegmentSync, ...]
    small_files: tuple[str, ...]
    """What was replaced since it was synced last: where leader epochs begin; whose folder it is."""
    directories: tuple[str, ...]
    """To be synced as well, since something was created in them."""
    end_offset: int
    cuts: int
    files_created: int
    epoch_saves: int

    def run(self, files: Files) -> OSError | None:
        """Do it; return what a full disk did not take. Raises OSError when the disk failed."""
        for part in self.parts:
            part.sync_batches(files)
        try:
            for part in self.parts:
                if part.is_rolled:
                    part.finish(files)
            for path in self.small_files:
                sync_if_present(files, path)
            for directory in self.directories:
                sync_directory(files, directory)
        except OSError as error:
            if not is_disk_full(error):
                raise
            return error
        return None


class _Waiter(NamedTuple):
    offset: int
    told: Callable[[OSError | None], None]


class LogSync:
    """The syncs of one log."""

    __slots__ = (
        "_cuts",
        "_environment",
        "_files_created",
        "_files_created_synced",
        "_folder_is_synced",
        "_is_closed",
        "_is_running",
        "_log",
        "_rolled",
        "_synced_epoch_saves",
        "_waiting",
        "_wanted_offset",
        "failure",
        "listener",
    )

    def __init__(self, log: Log, environment: StorageEnvironment, rolled: list[Segment]) -> None:
        self._log = log
        self._environment = environment
        self._rolled: list[tuple[Segment, Snapshot | None]] = [(segment, None) for segment in rolled]
        self._folder_is_synced = False
        self._files_created = 0
        self._files_created_synced = -1
        self._synced_epoch_saves = -1
        self._cuts = 0
        self._is_running = False
        self._is_closed = False
        self._wanted_offset = 0
        self._waiting: list[_Waiter] = []
        self.failure: OSError | None = None
        self.listener: SyncListener | None = None

    # ------------------------------------------------------------------ asking

    def request(self, offset: int) -> None:
        """See that everything below `offset` comes to the disk."""
        if offset > self._wanted_offset:
            self._wanted_offset = offset
        if not self._is_running and self.failure is None and not self._is_closed:
            self._begin()

    def request_rolled(self) -> None:
        """See that the segments that are not written any more come to the disk."""
        if self._rolled:
            self.request(self._log.active_base_offset)

    def when_synced(self, offset: int, told: Callable[[OSError | None], None]) -> None:
        """Call back when everything below `offset` is on the disk, or with what kept it from there."""
        if offset <= self._log.recovery_point:
            told(None)
        elif self.failure is not None or self._is_closed:
            told(self.failure or OSError(errno.EBADF, "the log was closed"))
        else:
            self._waiting.append(_Waiter(offset, told))

    def sync_now(self) -> None:
        """Bring everything to the disk within this call. Raises OSError."""
        work = self.everything()
        problem = work.run(self._environment.files)
        if problem is not None:
            raise problem
        self.settle(work)

    def everything(self) -> SyncWork:
        """The work that brings everything to the disk, for somebody else to run; `settle` is to follow."""
        return self._work(self._log.log_end_offset)

    @property
    def checkpoint(self) -> int:
        """From where recovery must read: the recovery point, or the first segment whose indexes are not safe yet."""
        recovery_point = self._log.recovery_point
        return min(recovery_point, self._rolled[0][0].base_offset) if self._rolled else recovery_point

    # ------------------------------------------------------------------ what the log tells

    def segment_rolled(self, segment: Segment, snapshot: Snapshot | None) -> None:
        """Take in a segment that is not written any more, and the producers as they were at its end."""
        self._rolled.append((segment, snapshot))

    def segment_created(self) -> None:
        """Take note of a file whose name is not on the disk yet."""
        self._files_created += 1

    def segment_released(self, segment: Segment) -> None:
        """Forget a segment that retention gave up."""
        self._rolled = [rolled for rolled in self._rolled if rolled[0] is not segment]

    def log_cut(self, segments: list[Segment]) -> None:
        """Distrust the sync under way: what it brings to the disk is not the log any more."""
        self._cuts += 1
        self._wanted_offset = min(self._wanted_offset, self._log.log_end_offset)
        self._rolled = [rolled for rolled in self._rolled if rolled[0] in segments[:-1]]

    def close(self) -> None:
        """Care for nothing any more."""
        self._is_closed = True
        self._tell(OSError(errno.EBADF, "the log was closed"))

    # ------------------------------------------------------------------ one sync

    def _begin(self) -> None:
        work = self._work(self._wanted_offset)
        self._is_running = True
        files = self._environment.files
        self._environment.background.run(
            lambda: work.run(files), lambda problem: self._finished(work, problem), self.failed
        )

    def _work(self, wanted_offset: int) -> SyncWork:
        log = self._log
        parts = [
            SegmentSync(segment, segment.stem, segment.unsaved_indexes(), snapshot, is_rolled=True)
            for segment, snapshot in self._rolled
        ]
        end_offset = log.active_base_offset
        if wanted_offset > end_offset:
            end_offset = log.log_end_offset
            parts.append(SegmentSync(log.active, log.active.stem, (), None, is_rolled=False))
        epochs = log.leader_epochs
        epochs_are_new = epochs.saves != self._synced_epoch_saves
        small_files, directories = [], []
        if epochs_are_new:
            small_files.append(epochs.path)
        if epochs_are_new or self._files_created != self._files_created_synced:
            directories.append(log.directory)
        if not self._folder_is_synced:
            small_files.append(os.path.join(log.directory, PARTITION_METADATA))
            directories.append(os.path.dirname(log.directory))
        return SyncWork(
            tuple(parts),
            tuple(small_files),
            tuple(directories),
            end_offset,
            self._cuts,
            self._files_created,
            epochs.saves,
        )

    def _finished(self, work: SyncWork, problem: OSError | None) -> None:
        self._is_running = False
        if self._is_closed:
            return
        if problem is None:
            self.settle(work)
        else:
            self._wanted_offset = 0
        if self.listener is not None:
            self.listener.log_synced()
        self._tell(problem)
        if self._wanted_offset > self._log.recovery_point or (self._rolled and problem is None):
            self._begin()

    def settle(self, work: SyncWork) -> None:
        """Put in place what a sync has reached, as far as the log is still the one that it saw."""
        log = self._log
        is_same = work.cuts == self._cuts
        for part in work.parts:
            if part.is_rolled:
                self._settle_rolled(part, is_same)
        if is_same:
            log.recovery_point = max(log.recovery_point, work.end_offset)
            self._files_created_synced = work.files_created
            self._folder_is_synced = True
            self._synced_epoch_saves = work.epoch_saves

    def _settle_rolled(self, part: SegmentSync, is_same: bool) -> None:
        still_there = any(segment is part.segment for segment, _ in self._rolled)
        if still_there and is_same:
            self.segment_released(part.segment)
            part.segment.indexes_saved(part.index_writes)
            if part.snapshot is not None:
                self._log.snapshots.written(part.snapshot)
        elif part.snapshot is not None:
            remove_if_present(self._environment.files, part.snapshot.path)

    def failed(self, error: Exception) -> None:
        """Take the log out of use: background work on its files found a disk that does not do what it is told."""
        self._is_running = False
        if self._is_closed:
            return
        if not isinstance(error, OSError):
            raise error
        self.failure = error
        if self.listener is not None:
            self.listener.log_failed(error)
        self._tell(error)

    def _tell(self, problem: OSError | None) -> None:
        """Answer those whose offsets are on the disk, or everybody when it cannot be."""
        recovery_point = self._log.recovery_point
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if waiter.offset <= recovery_point:
                waiter.told(None)
            elif problem is not None:
                waiter.told(problem)
            else:
                self._waiting.append(waiter)
