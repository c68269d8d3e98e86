"""Compacts the logs whose topics ask for it, the dirtiest first, in threads beside the event loop.

Every `log.cleaner.backoff.ms` all compacted logs are looked at, some hundred in a turn of the loop; up to
`log.cleaner.threads` of them are cleaned at a time, and after each cleaning comes another look. A thread writes one
cleaned segment; the loop puts it in place, if the log is still the same, and hands out the next. A log that cannot be
cleaned is left alone from then on, with one line in the broker's log; the others go on. A full disk is no such reason:
there will be room again.
Retention of compacted logs belongs here too, so that it never takes away what is being cleaned.
Kafka: `LogCleaner`, `LogCleanerManager`.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from ...protocol.errors import ProtocolError
from ...storage.checkpoints import TopicPartition
from ...storage.cleanable import log_to_clean
from ...storage.cleaner_pace import CleaningAborted, IoThrottle, Pace
from ...storage.compaction import Cleaning, CleaningBuffers, cleaning_task
from ...storage.files import sync_directory
from ...storage.log_sync import is_disk_full
from ...storage.offset_index import CorruptIndex
from ..metadata.cluster_metadata import MetadataListener
from .cleaner_checkpoints import CleanerCheckpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...storage.background import Background
    from ...storage.cleanable import LogToClean
    from ...storage.cleaned_segment import CleanedSegment
    from ...storage.files import Files
    from ..config import BrokerConfig
    from ..metadata.partition_image import TopicImage
    from ..services import Services
    from .log_directories import LogDirectories
    from .partitions import Partition
    from .timers import TimerHandle

logger = logging.getLogger(__name__)

_LOGS_AT_A_TIME = 200
# What the files of a log, or a setting, can be at fault for; anything else is a mistake of the broker's own.
_TROUBLE = (OSError, ProtocolError, CorruptIndex, ValueError)


class _Run:
    """One cleaning under way. Between two steps in a thread it belongs to the loop."""

    __slots__ = ("cleaning", "pace", "partition", "started_ms")

    def __init__(self, partition: Partition, cleaning: Cleaning, pace: Pace, started_ms: int) -> None:
        self.partition = partition
        self.cleaning = cleaning
        self.pace = pace
        self.started_ms = started_ms


class LogCleaner(MetadataListener):
    """Cleans until it is stopped. `background` runs the cleanings and nothing else."""

    def __init__(self, services: Services, directories: LogDirectories, background: Background, files: Files) -> None:
        self._services = services
        self._background = background
        self._files = files
        self._throttle = IoThrottle(services.config.log_cleaner_io_max_bytes_per_second)
        paths = [directory.path for directory in directories.directories]
        self.checkpoints = CleanerCheckpoints(paths, background, files)
        self.uncleanable: set[TopicPartition] = set()
        self._without_room: set[TopicPartition] = set()
        self._runs: dict[TopicPartition, _Run] = {}
        self._timer: TimerHandle | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Read the checkpoints and look for the first time, in the next turn of the loop."""
        self.checkpoints.load(lambda partition: self._services.partitions.get(*partition) is not None)
        self._schedule(0, self._begin_round)

    def stop(self) -> None:
        """Begin nothing more, and call off what is under way."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for run in self._runs.values():
            run.pace.abort()

    def topic_deleted(self, topic: TopicImage) -> None:
        """Forget a topic."""
        for key, run in self._runs.items():
            if key.topic == topic.name:
                run.pace.abort()
        self.uncleanable = {key for key in self.uncleanable if key.topic != topic.name}
        self.checkpoints.remove_topic(topic.name)

    # ------------------------------------------------------------------ looking

    def _schedule(self, delay_ms: int, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_stopped:
            deadline_ms = self._services.clock.monotonic_ms() + delay_ms
            self._timer = self._services.timers.schedule(deadline_ms, callback)

    def _begin_round(self) -> None:
        self._throttle.change(self._services.config.log_cleaner_io_max_bytes_per_second)
        self._go_on(self._look())

    def _go_on(self, round_: Iterator[None]) -> None:
        if next(round_, self) is self:
            self._schedule(self._services.config.log_cleaner_backoff_ms, self._begin_round)
        else:
            self._schedule(0, lambda: self._go_on(round_))

    def _look(self) -> Iterator[None]:
        """Give up what retention gives up, then clean the dirtiest logs; yields where other work may come between."""
        now_ms = self._services.clock.now_ms()
        due: list[tuple[float, Partition]] = []
        for number, partition in enumerate(self._services.partitions, 1):
            if number % _LOGS_AT_A_TIME == 0:
                yield
            if not _is_compacted(partition) or _key(partition) in self._runs:
                continue
            self._apply_retention(partition, now_ms)
            found = self._look_at(partition, now_ms)
            if found is not None:
                due.append((found.dirty_ratio, partition))
        due.sort(key=_dirty_ratio, reverse=True)
        for _, partition in due:
            if len(self._runs) >= self._services.config.log_cleaner_threads:
                return
            found = self._look_at(partition, now_ms) if _is_compacted(partition) else None
            if found is not None:
                self._begin(partition, found, now_ms)

    def _apply_retention(self, partition: Partition, now_ms: int) -> None:
        try:
            removed = partition.apply_retention(now_ms)
        except OSError as error:
            partition.take_offline(str(error))
            return
        if removed:
            logger.info("%s: retention removed %d segments", partition.name, removed)

    def _look_at(self, partition: Partition, now_ms: int) -> LogToClean | None:
        """What is to be cleaned of a log; None when it is not dirty enough, or cannot be cleaned."""
        log, key = partition.log, _key(partition)
        if len(log.segments) == 1 or key in self.uncleanable or partition.offline_reason is not None:
            return None
        try:
            checkpoint = self.checkpoints.get(_home(partition), key)
            found = log_to_clean(log, checkpoint, now_ms)
        except _TROUBLE as error:
            self._give_up(partition, error)
            return None
        if found.is_checkpoint_wrong:
            self._correct_checkpoint(partition, checkpoint, found)
        return found if found.is_due else None

    def _correct_checkpoint(self, partition: Partition, checkpoint: int | None, found: LogToClean) -> None:
        if not partition.log.config.deletes_old_segments:
            logger.warning(
                "%s: the checkpoint says clean up to %s, the log has the offsets %d to %d; all of it counts as dirty",
                partition.name,
                checkpoint,
                partition.log.log_start_offset,
                partition.log.log_end_offset,
            )
        self.checkpoints.set(_home(partition), _key(partition), found.first_dirty_offset)

    # ------------------------------------------------------------------ one cleaning

    def _begin(self, partition: Partition, found: LogToClean, now_ms: int) -> None:
        config = self._services.config
        pace = Pace(self._throttle)
        try:
            task = cleaning_task(found, now_ms)
        except _TROUBLE as error:
            self._give_up(partition, error)
            return
        cleaning = Cleaning(task, _buffers(config), self._files, pace)
        run = _Run(partition, cleaning, pace, self._services.clock.monotonic_ms())
        self._runs[_key(partition)] = run

        def first_step() -> CleanedSegment | None:
            cleaning.build_map()
            return cleaning.clean_next()

        self._step(run, first_step)

    def _step(self, run: _Run, work: Callable[[], CleanedSegment | None]) -> None:
        self._background.run(work, lambda cleaned: self._stepped(run, cleaned), lambda error: self._failed(run, error))

    def _stepped(self, run: _Run, cleaned: CleanedSegment | None) -> None:
        """Put a cleaned segment in place and go on; None says that there is no further one."""
        if cleaned is None:
            self._finish(run)
        elif self._put_in_place(run, cleaned):
            self._step(run, run.cleaning.clean_next)
        else:
            self._end(run)

    def _put_in_place(self, run: _Run, cleaned: CleanedSegment) -> bool:
        if not self._is_wanted(run):
            cleaned.discard(self._files)
            return False
        log = run.partition.log
        try:
            return log.replace_segments(cleaned, run.cleaning.task.truncations, self._services.clock.now_ms())
        except OSError as error:
            run.partition.take_offline(str(error))
            return False

    def _is_wanted(self, run: _Run) -> bool:
        """Whether the log is still there, in use, and to be compacted."""
        partition = run.partition
        current = self._services.partitions.get(partition.topic, partition.index)
        return not self._is_stopped and current is partition and _is_compacted(partition)

    def _finish(self, run: _Run) -> None:
        """Note how far the log is clean now, once what was renamed is on the disk."""
        cleaning, files = run.cleaning, self._files

        def settle() -> None:
            cleaning.close()
            sync_directory(files, cleaning.task.directory)

        self._background.run(settle, lambda _: self._finished(run), lambda error: self._failed(run, error))

    def _finished(self, run: _Run) -> None:
        del self._runs[_key(run.partition)]
        self._without_room.discard(_key(run.partition))
        if self._is_wanted(run):
            self.checkpoints.set(_home(run.partition), _key(run.partition), run.cleaning.end_offset)
            self._tell(run)
            self._schedule(0, self._begin_round)

    def _failed(self, run: _Run, error: Exception) -> None:
        """Leave a log alone that cannot be cleaned; one that went away meanwhile is nobody's fault."""
        if self._is_wanted(run) and not isinstance(error, CleaningAborted) and self._is_unchanged(run):
            if isinstance(error, OSError) and is_disk_full(error):
                self._wait_for_room(run.partition, error)
            else:
                self._give_up(run.partition, error)
        self._end(run)

    def _is_unchanged(self, run: _Run) -> bool:
        task, segments = run.cleaning.task, run.partition.log.segments
        return (
            task.truncations == run.partition.log.truncations and segments[0].base_offset <= task.sources[0].base_offset
        )

    def _end(self, run: _Run) -> None:
        """Close a cleaning that did not come to its end; the log is looked at again in the next round."""
        del self._runs[_key(run.partition)]
        self._background.run(run.cleaning.close, lambda _: None, lambda error: logger.error("%s", error))

    def _wait_for_room(self, partition: Partition, error: OSError) -> None:
        if _key(partition) not in self._without_room:
            self._without_room.add(_key(partition))
            logger.warning("%s is not compacted while there is no room for it: %s", partition.name, error)

    def _give_up(self, partition: Partition, error: Exception) -> None:
        self.uncleanable.add(_key(partition))
        logger.error(
            "%s cannot be compacted, and is left as it is until the broker starts again: %s",
            partition.name,
            error,
            exc_info=None if isinstance(error, _TROUBLE) else error,
        )

    def _tell(self, run: _Run) -> None:
        counts, task = run.cleaning.counts, run.cleaning.task
        logger.info(
            "%s: cleaned offsets %d to %d in %.1f s; %d of %d bytes, %d of %d records and %d of %d segments stay",
            run.partition.name,
            task.first_dirty_offset,
            run.cleaning.end_offset,
            (self._services.clock.monotonic_ms() - run.started_ms) / 1000,
            counts.bytes_written,
            counts.bytes_read,
            counts.records_kept,
            counts.records_read,
            counts.segments_written,
            counts.segments_read,
        )
        if counts.records_without_key:
            logger.warning("%s: removed %d records without a key", run.partition.name, counts.records_without_key)


def _is_compacted(partition: Partition) -> bool:
    return partition.log.config.is_compacted and partition.offline_reason is None


def _key(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.index)


def _home(partition: Partition) -> str:
    return os.path.dirname(partition.log.directory)


def _dirty_ratio(entry: tuple[float, Partition]) -> float:
    return entry[0]


def _buffers(config: BrokerConfig) -> CleaningBuffers:
    """Each thread's part of what all may take."""
    threads = max(config.log_cleaner_threads, 1)
    return CleaningBuffers(
        offset_map_bytes=config.log_cleaner_dedupe_buffer_size // threads,
        load_factor=config.log_cleaner_io_buffer_load_factor,
        # Half of it for reading, half for writing.
        io_bytes=max(config.log_cleaner_io_buffer_size // threads // 2, 1),
    )
