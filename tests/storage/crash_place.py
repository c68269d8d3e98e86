"""A log directory with one log on a disk that keeps a journal, and what a machine finds there after losing its power.

`Story` writes to the log and remembers at which step of the journal what was promised; `Aftermath` opens what is left
and compares.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import OsFiles
from ottla.storage.log_config import LogConfig
from ottla.storage.log_directory import LogDirectory

from ..harness.faulty_files import FaultyFiles
from .log_home import NOW_MS, producer_batch, values_of

if TYPE_CHECKING:
    from ottla.storage.log import Log

    from ..harness.faulty_files import PowerLoss

TOPIC_ID = bytes(range(16))
CONFIG = {"segment_bytes": 700, "index_interval_bytes": 150, "file_delete_delay_ms": 1000}


def open_directory(path: Path, environment: StorageEnvironment) -> LogDirectory:
    directory = LogDirectory.lock(str(path), environment, node_id=1)
    directory.join_cluster("c", 1)
    directory.begin()
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
        self.refused = 0
        self._numbers = itertools.count()
        self._sequence = 0
        self.environment = StorageEnvironment(files=self.files)
        self.directory = open_directory(path, self.environment)
        self.log = open_log(self.directory, self.now_ms, **config)

    def append(self, filler_bytes: int = 20, epoch: int = 0, *, sync: bool = False) -> bool:
        """One record of idempotent producer 7; with `sync` it is promised when it is on the disk."""
        value = b"%d " % next(self._numbers) + b"." * filler_bytes
        batch = producer_batch(
            value, timestamps=self.now_ms, producer_id=7, producer_epoch=0, base_sequence=self._sequence
        )
        try:
            self.log.append(batch, leader_epoch=epoch, now_ms=self.now_ms, origin=AppendOrigin.CLIENT)
        except AppendError:
            self.refused += 1
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
        self.log.flush()
        self._promise()

    def delete_before(self, offset: int) -> None:
        self.log.advance_log_start_offset(offset)
        self.promises.append(Promise(self.files.steps, offset, 0))

    def apply_retention(self) -> None:
        step = self.files.steps
        self.log.apply_retention(self.now_ms)
        self.promises.append(Promise(step, self.log.log_start_offset, 0))

    def delete_due(self) -> None:
        self.now_ms += 2000
        self.log.released_files.remove_due(self.now_ms)

    def checkpoint(self) -> None:
        self.directory.checkpoint()()

    def stop_and_start(self) -> None:
        self.directory.close(1)
        self._promise()
        self.directory = open_directory(self.files.root, self.environment)
        self.log = open_log(self.directory, self.now_ms, **self.config)
        assert self.log.log_end_offset == len(self.written)

    def crash_and_start(self) -> None:
        """Kill -9: the machine goes on, the process does not."""
        self.log.abandon()
        self.directory.unlock()
        self.directory = open_directory(self.files.root, self.environment)
        self.log = open_log(self.directory, self.now_ms, **self.config)
        assert self.log.log_end_offset == len(self.written)

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
