"""A log directory with one log on a disk that keeps a journal, and what a machine finds there after losing its power.

`Story` writes to the log and remembers at which step of the journal what was promised; `Aftermath` opens what is left
and compares.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ottla.protocol.errors import ErrorCode
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import OsFiles
from ottla.storage.log_config import LogConfig
from ottla.storage.log_directory import LogDirectory
from ottla.storage.log_sync import is_disk_full

from ..harness.faulty_files import FaultyFiles
from .log_home import NOW_MS, producer_batch, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ottla.storage.log import Log

    from ..harness.faulty_files import PowerLoss

Act: TypeAlias = "Callable[[Story], object]"
TOPIC_ID = bytes(range(16))
CONFIG = {"segment_bytes": 700, "index_interval_bytes": 150, "file_delete_delay_ms": 1000}


def open_directory(path: Path, environment: StorageEnvironment) -> LogDirectory:
    directory = LogDirectory.lock(str(path), environment, node_id=1)
    try:
        directory.join_cluster("c", 1)
        directory.begin()
    except OSError:
        directory.unlock()
        raise
    return directory


def open_log(directory: LogDirectory, now_ms: int = NOW_MS, **config) -> Log:
    log = directory.open_log("t", 0, TOPIC_ID, LogConfig(**{**CONFIG, **config}), now_ms)
    log.high_watermark = log.log_end_offset
    return log


class UnhurriedFiles(OsFiles):
    """What is looked at once needs not come to the disk."""

    def fsync(self, descriptor: int, /) -> None:
        """Nothing is lost before the test is over."""


class Promise(NamedTuple):
    """From a step of the journal on: offsets below `end` are safe, those below `start` may be gone."""

    step: int
    start: int
    end: int


class Story:
    """Whoever owns a log does all this to it; each append is one record, whose value says its number."""

    def __init__(self, path: Path, **config) -> None:
        path.mkdir()
        self.files = FaultyFiles(path)
        self.config = config
        self.now_ms = NOW_MS
        self.written: list[bytes] = []
        """The value at each offset."""
        self.promises: list[Promise] = []
        self.refused: list[bytes] = []
        """Values whose append failed."""
        self.failure: OSError | None = None
        """Why the log is not used any more."""
        self._numbers = itertools.count()
        self._sequence = 0
        self.environment = StorageEnvironment(files=self.files)
        self.directory = open_directory(path, self.environment)
        self._open()

    def _open(self) -> None:
        self.log = open_log(self.directory, self.now_ms, **self.config)
        self.log.sync.listener = self

    def log_synced(self) -> None:
        """Told by the log: nothing to do, since the high watermark moves at once here."""

    def log_failed(self, error: OSError) -> None:
        """Told by the log: it is not to be used any more."""
        self.failure = error

    def _failed(self, error: OSError) -> None:
        """As the broker does: a full disk is tried again, any other failure ends the use of the log."""
        if not is_disk_full(error):
            self.failure = error

    def append(self, filler_bytes: int = 20, epoch: int = 0, *, sync: bool = False) -> bool:
        """One record of idempotent producer 7; with `sync` it is promised when it is on the disk."""
        value = b"%d " % next(self._numbers) + b"." * filler_bytes
        batch = producer_batch(
            value, timestamps=self.now_ms, producer_id=7, producer_epoch=0, base_sequence=self._sequence
        )
        try:
            self.log.append(batch, leader_epoch=epoch, now_ms=self.now_ms, origin=AppendOrigin.CLIENT)
        except AppendError as error:
            if error.code is not ErrorCode.KAFKA_STORAGE_ERROR or not isinstance(error.__cause__, OSError):
                raise
            self.refused.append(value)
            self._failed(error.__cause__)
            return False
        self._sequence += 1
        self.written.append(value)
        self.now_ms += 1
        end = self.log.log_end_offset
        self.log.high_watermark = end
        if sync:
            self.log.sync.request(end)
            self.log.sync.when_synced(end, lambda problem: self._promise() if problem is None else None)
        return True

    def _promise(self) -> None:
        self.promises.append(Promise(self.files.steps, self.log.log_start_offset, self.log.log_end_offset))

    def flush(self) -> None:
        try:
            self.log.flush()
        except OSError as error:
            self._failed(error)
        else:
            self._promise()

    def delete_before(self, offset: int) -> None:
        offset = min(offset, self.log.high_watermark)
        self.log.advance_log_start_offset(offset)
        self.promises.append(Promise(self.files.steps, offset, 0))

    def apply_retention(self) -> None:
        step = self.files.steps
        try:
            self.log.apply_retention(self.now_ms)
        except OSError as error:
            self._failed(error)
        self.promises.append(Promise(step, self.log.log_start_offset, 0))

    def delete_due(self) -> None:
        self.now_ms += 2000
        self.log.released_files.remove_due(self.now_ms)

    def checkpoint(self) -> None:
        with contextlib.suppress(OSError):
            self.directory.checkpoint()()

    def stop_and_start(self) -> None:
        try:
            self.directory.close(1)
        except OSError:
            self.log.abandon()
        else:
            self._promise()
        self._start()

    def crash_and_start(self) -> None:
        """Kill -9: the machine goes on, the process does not."""
        self.log.abandon()
        self.directory.unlock()
        self._start()

    def _start(self) -> None:
        """Start on what is there; a disk that does not do it is asked once more, as a person would."""
        for attempt in range(2):
            try:
                self.directory = open_directory(self.files.root, self.environment)
                self._open()
            except OSError as error:
                self.directory.unlock()
                if attempt:
                    self.failure = error
                    return
            else:
                break
        assert self.log.log_end_offset == len(self.written)

    def live(self) -> None:
        """Appends with and without syncs, rolls, epochs, retention, deleted records, stops and crashes."""
        for act in LIFE:
            if self.failure is None:
                act(self)

    def aftermath(self, step: int, loss: PowerLoss) -> None:
        """Lose the power after a step, start again, and see that the log is what was promised and goes on."""
        with tempfile.TemporaryDirectory(prefix="power-loss-") as folder:
            self.files.after_power_loss(Path(folder), step, loss)
            directory = open_directory(Path(folder), StorageEnvironment(files=UnhurriedFiles()))
            log = open_log(directory, self.now_ms, **self.config)
            try:
                self.compare(log, step)
                self._goes_on(log)
                log.abandon()
                directory.unlock()
                directory = open_directory(Path(folder), StorageEnvironment(files=UnhurriedFiles()))
                log = open_log(directory, self.now_ms, **self.config)
                assert values_of(log)[log.log_end_offset - 1] == b"new"
            finally:
                log.abandon()
                directory.unlock()

    def compare(self, log: Log, step: int) -> None:
        """A prefix of what was written, with everything that was promised by then."""
        made = [promise for promise in self.promises if promise.step <= step]
        begun = max((p.start for p in self.promises if p.step <= step or p.end == 0), default=0)
        end = max((p.end for p in made), default=0)
        assert log.log_start_offset <= begun, f"begins at {log.log_start_offset}, may only begin at {begun}"
        assert log.log_end_offset >= end, f"ends at {log.log_end_offset}, promised to {end}"
        expected = dict(enumerate(self.written))
        found = values_of(log)
        offsets = range(log.log_start_offset, log.log_end_offset)
        assert list(found) == list(offsets), f"offsets {list(found)} instead of {offsets}"
        assert found == {offset: expected[offset] for offset in offsets}
        for offset in offsets:
            assert log.leader_epochs.epoch_for_offset(offset) == self.epoch_of(log, offset)

    @staticmethod
    def epoch_of(log: Log, offset: int) -> int:
        return next(header.partition_leader_epoch for _, header in log.batches(offset))

    def _goes_on(self, log: Log) -> None:
        end = log.log_end_offset
        entry = log.producers.entries.get(7)
        if end > log.log_start_offset:
            assert entry is not None
            assert entry.batches[-1].last_offset == end - 1
        batch = producer_batch(b"new", timestamps=self.now_ms)
        assert log.append(batch, leader_epoch=99, now_ms=self.now_ms).base_offset == end
        log.high_watermark = log.log_end_offset


def several(count: int, filler_step_bytes: int, epoch: int, sync_each: int = 0) -> list[Act]:
    """Appends of growing size, every so manieth synced."""
    return [
        partial(
            Story.append, filler_bytes=n * filler_step_bytes, epoch=epoch, sync=bool(sync_each) and not n % sync_each
        )
        for n in range(count)
    ]


LIFE: list[Act] = [
    *several(12, 10, epoch=0),
    Story.flush,
    Story.checkpoint,
    *several(12, 10, epoch=1, sync_each=1),
    partial(Story.delete_before, offset=9),
    Story.checkpoint,
    partial(Story.append, filler_bytes=200, epoch=2),
    Story.apply_retention,
    partial(Story.append, filler_bytes=200, epoch=2, sync=True),
    Story.delete_due,
    Story.stop_and_start,
    *several(8, 30, epoch=4, sync_each=3),
    Story.checkpoint,
    Story.crash_and_start,
    *several(10, 20, epoch=5, sync_each=4),
    Story.stop_and_start,
    partial(Story.append, epoch=7, sync=True),
]
