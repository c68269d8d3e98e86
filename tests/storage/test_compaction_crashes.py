"""A cleaning that ends at any of its steps on the disk: the next start finds a log that has lost nothing.

Step by step the process is killed right before one write, sync, rename or removal, and the folder is opened again, as
after a crash: reading everything, and reading from the recovery point on.
"""

from __future__ import annotations

import shutil

import pytest
from ottla.storage.append import AppendOrigin
from ottla.storage.files import OsFiles
from ottla.storage.recovery import OpenedFrom

from ..harness.markers import end_txn_batch
from .compaction_home import batches_of, clean, kept_of
from .log_home import NOW_MS, LogHome, append, append_raw

pytestmark = pytest.mark.timeout(600)  # thousands of files on a busy machine

DAY_MS = 86_400_000
CONFIG = {"cleanup_policy": frozenset({"compact"}), "segment_bytes": 2600, "index_interval_bytes": 100}


class Killed(BaseException):
    """The process ends here."""


class KilledFiles(OsFiles):
    """Kills at a step; counts what was done."""

    __slots__ = ("kill_at", "steps")

    def __init__(self) -> None:
        self.kill_at = -1
        self.steps: list[str] = []

    def _step(self, name: str) -> None:
        if len(self.steps) == self.kill_at:
            raise Killed(name)
        self.steps.append(name)

    def pwrite(self, descriptor, data, position, /):
        self._step("pwrite")
        return super().pwrite(descriptor, data, position)

    def ftruncate(self, descriptor, length, /):
        self._step("ftruncate")
        super().ftruncate(descriptor, length)

    def fsync(self, descriptor, /):
        self._step("fsync")
        super().fsync(descriptor)

    def rename(self, source, target, /):
        self._step(f"rename {source.rpartition('.')[2]} {target.rpartition('.')[2]}")
        super().rename(source, target)

    def unlink(self, path, /):
        self._step("unlink")
        super().unlink(path)


def write(log) -> None:
    """Some groups of segments: keys written again and again, tombstones, an aborted and a committed transaction."""
    for number in range(60):
        value = None if number % 7 == 0 else b"v%d" % number * 8
        append(log, value, key=b"k%d" % (number % 11), producer_id=5, producer_epoch=0, base_sequence=number)
        if number % 20 == 3:
            producer_id = 100 + number
            options = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": 0, "is_transactional": True}
            append(log, b"in a transaction", key=b"k1", **options)
            marker = end_txn_batch(
                commit=number == 23,
                base_offset=0,
                producer_id=producer_id,
                producer_epoch=0,
                coordinator_epoch=0,
                timestamp_ms=NOW_MS,
            )
            append_raw(log, marker, origin=AppendOrigin.COORDINATOR)
        if number % 4 == 3:
            log.roll(NOW_MS)
    log.flush()


def last_values(log) -> dict[bytes, bytes | None]:
    """What replaying the log as a read_committed consumer gives: the newest value of each key."""
    aborted = log.aborted_transactions(0, log.log_end_offset)
    values = {}
    for header, records in batches_of(log):
        is_aborted = header.is_transactional and any(
            txn.producer_id == header.producer_id and txn.first_offset <= header.base_offset <= txn.last_offset
            for txn in aborted
        )
        if not header.is_control and not is_aborted:
            values |= {record.key: record.value for record in records}
    return {key: value for key, value in values.items() if value is not None}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(the folder before the cleaning, what it holds, what is left of it, the steps of the cleaning)."""
    source = LogHome(tmp_path_factory.mktemp("crashes") / "written", **CONFIG)
    log = source.open()
    write(log)
    before, values = kept_of(log), last_values(log)
    recovery_point = log.recovery_point
    log.abandon()
    copied = tmp_path_factory.mktemp("crashes") / "whole"
    shutil.copytree(source.directory, copied)
    files = KilledFiles()
    whole = LogHome(copied, files=files, **CONFIG)
    log = whole.open(OpenedFrom(0, recovery_point))
    files.steps.clear()
    clean(log, files=files)
    assert 4 <= len(log.segments) <= 6
    after = kept_of(log)
    assert last_values(log) == values
    assert 0 < len(after) < len(before) / 2
    return source, recovery_point, before, after, values, list(files.steps)


def test_what_the_other_test_is_about(written):
    steps = written[-1]
    assert sum(step == "rename cleaned swap" for step in steps) >= 9
    assert sum(step == "rename swap log" for step in steps) >= 3
    assert sum(step.endswith("deleted") for step in steps) > 30


def kinds_of_steps(steps):
    """Every rename, and of other steps the first of each row."""
    return [n for n, step in enumerate(steps) if step.startswith("rename") or not n or steps[n - 1] != step]


@pytest.mark.parametrize("recovers", ["everything", "from the recovery point", "again and again"])
def test_a_crash_at_each_step_loses_nothing(written, tmp_path, recovers):
    source, recovery_point, before, after, values, steps = written
    for number in kinds_of_steps(steps):
        folder = tmp_path / str(number)
        shutil.copytree(source.directory, folder)
        files = KilledFiles()
        place = LogHome(folder, files=files, **CONFIG)
        log = place.open(OpenedFrom(0, recovery_point))
        files.steps.clear()
        files.kill_at = number
        with pytest.raises(Killed):
            clean(log, files=files)
        log.abandon()
        if recovers == "again and again":
            crash_while_opening(place, recovery_point)
        files.kill_at = -1
        log = place.open(OpenedFrom(0, 0 if recovers == "everything" else recovery_point))
        found = kept_of(log)
        what = f"killed before step {number}, {steps[number]}"
        assert last_values(log) == values, what
        assert after.items() <= found.items() <= before.items(), what
        assert log.log_end_offset == max(before) + 1, what
        assert log.producers.entries[5].last_sequence == 59, what
        assert not [name for name in place.names() if name.endswith((".cleaned", ".swap", ".deleted"))], what
        log.flush()
        clean(log, files=files)
        assert last_values(log) == values, what
        assert kept_of(log) == after, what
        log.abandon()
        shutil.rmtree(folder)


def crash_while_opening(place: LogHome, recovery_point: int) -> None:
    """A start that is killed at its first, its second, its third step, until one comes through."""
    files = place.environment.files
    for kill_at in range(1000):
        files.steps.clear()
        files.kill_at = kill_at
        try:
            log = place.open(OpenedFrom(0, recovery_point))
        except Killed:
            continue
        log.abandon()
        return
    pytest.fail("a start has more steps than that")
