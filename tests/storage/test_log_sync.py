"""Syncs of a log: shared by all who wait, never believed beyond what the disk has taken."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest
from ottla.storage.files import OsFiles
from ottla.storage.recovery import OpenedFrom

from ..held_background import HeldBackground
from .log_home import NOW_MS, LogHome, append, values_of


class WatchedFiles(OsFiles):
    """Remembers the names of what was synced; refuses what it is told to refuse."""

    def __init__(self):
        self.synced = []
        self.refuse_sync = None
        self.refuse_write_of = None

    def fsync(self, descriptor, /):
        if self.refuse_sync is not None:
            raise OSError(self.refuse_sync, os.strerror(self.refuse_sync))
        self.synced.append(_name_of(descriptor))
        os.fsync(descriptor)

    def pwrite(self, descriptor, data, position, /):
        if self.refuse_write_of is not None and self.refuse_write_of in _name_of(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(descriptor, data, position)


def _name_of(descriptor):
    return os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))


class Owner:
    """Whose log it is, for tests: it keeps what it was told."""

    def __init__(self, log):
        self.log = log
        self.recovery_points = []
        self.failures = []
        log.sync.listener = self

    def log_synced(self):
        self.recovery_points.append(self.log.recovery_point)

    def log_failed(self, error):
        self.failures.append(error.errno)


@pytest.fixture
def files():
    return WatchedFiles()


@pytest.fixture
def background():
    return HeldBackground()


@pytest.fixture
def home(tmp_path, files, background):
    place = LogHome(tmp_path / "t-0", files, segment_bytes=200)
    place.environment = replace(place.environment, background=background)
    return place


@pytest.fixture
def log(home, background):
    opened = home.open()
    background.hold = True
    return opened


def waits_for(log, offset):
    """What a waiter for `offset` was told, as it comes."""
    told = []
    log.sync.when_synced(offset, told.append)
    return told


def test_one_sync_serves_all_who_came_while_another_ran(log, background, files):
    append(log, b"a")
    log.sync.request(1)
    told = [waits_for(log, 1)]
    for number in range(2, 12):
        append(log, b"")
        log.sync.request(number)
        told.append(waits_for(log, number))
        if log.active_base_offset:  # a roll has syncs of its own
            break
    files.synced.clear()
    background.finish_one()
    assert told[0] == [None]
    assert not any(told[1:])
    background.finish_one()
    assert all(one == [None] for one in told)
    assert not background.waiting
    assert files.synced.count("00000000000000000000.log") == 2


def test_nobody_is_told_before_the_disk_has_it(log, background):
    append(log, b"a")
    told = waits_for(log, 1)
    log.sync.request(1)
    assert (told, log.recovery_point) == ([], 0)
    background.finish_all()
    assert (told, log.recovery_point) == ([None], 1)
    assert waits_for(log, 1) == [None]


def test_a_roll_brings_the_old_segment_to_the_disk_with_all_that_stands_beside_it(log, background, files, home):
    while not log.active_base_offset:
        append(log, b"0123456789" * 3, producer_id=7, producer_epoch=0, base_sequence=log.log_end_offset)
    assert log.recovery_point == 0
    assert home.names(".index") == []
    background.finish_all()
    assert log.recovery_point == log.sync.checkpoint == log.active_base_offset
    stem = "0" * 20
    snapshot = f"{log.active_base_offset:020d}.snapshot"
    assert {f"{stem}.log", f"{stem}.index", f"{stem}.timeindex", "t-0", f"{snapshot}.tmp"} <= set(files.synced)
    assert home.names(".snapshot") == [snapshot]
    assert f"{log.active_base_offset:020d}.log" not in files.synced


def test_the_checkpoint_stays_before_a_segment_whose_indexes_are_not_safe(log, background):
    append(log, b"0123456789" * 3)
    log.sync.request(1)
    while not log.active_base_offset:
        append(log, b"0123456789" * 3)
    background.finish_one()
    assert log.recovery_point == 1
    assert log.sync.checkpoint == 0
    background.finish_all()
    assert log.sync.checkpoint == log.active_base_offset


def test_what_was_cut_off_while_it_was_synced_is_not_believed(log, background):
    for value in (b"a", b"b"):
        append(log, value)
    log.sync.request(2)
    log.truncate_to(1, NOW_MS)
    append(log, b"c")
    background.finish_one()
    assert log.recovery_point == 0
    told = waits_for(log, 2)
    log.sync.request(2)
    background.finish_all()
    assert (told, log.recovery_point) == ([None], 2)


def test_a_snapshot_of_what_was_cut_off_goes_again(log, background, home):
    while not log.active_base_offset:
        append(log, b"")
    log.truncate_to(1, NOW_MS)
    background.finish_all()
    assert home.names(".snapshot") == []
    assert sorted(values_of(log)) == [0]


def test_a_segment_that_retention_takes_while_it_is_synced(log, background, home):
    while log.active_base_offset < 6:
        append(log, b"0123456789" * 3)
    log.update_config(replace(log.config, retention_bytes=0))
    assert log.apply_retention(NOW_MS) > 1
    background.finish_all()
    assert home.names(".log") == [f"{log.active_base_offset:020d}.log"]
    assert log.sync.checkpoint == log.recovery_point == log.active_base_offset
    log.released_files.remove_due(NOW_MS + 10**9)
    background.finish_all()
    assert home.names(".deleted") == []


def test_a_disk_that_does_not_sync_ends_the_log(log, background, files):
    owner = Owner(log)
    append(log, b"a")
    log.sync.request(1)
    told = waits_for(log, 1)
    files.refuse_sync = errno.EIO
    background.finish_all()
    assert [error.errno for error in told] == [errno.EIO]
    assert owner.failures == [errno.EIO]
    files.refuse_sync = None
    log.sync.request(1)
    assert not background.waiting
    assert [error.errno for error in waits_for(log, 1)] == [errno.EIO]
    assert log.recovery_point == 0


def test_a_full_disk_is_tried_again(log, background, files):
    owner = Owner(log)
    files.refuse_write_of = ".timeindex"
    while not log.active_base_offset:
        append(log, b"0123456789" * 3)
    log.sync.request(log.log_end_offset)
    told = waits_for(log, log.log_end_offset)
    background.finish_all()
    assert [error.errno for error in told] == [errno.ENOSPC]
    assert (owner.failures, log.recovery_point) == ([], 0)
    files.refuse_write_of = None
    log.sync.request_rolled()
    background.finish_all()
    assert log.recovery_point == log.active_base_offset
    assert owner.recovery_points[-1] == log.recovery_point


def test_who_waits_for_a_log_that_is_closed_is_told(log, background):
    append(log, b"a")
    log.sync.request(1)
    told = waits_for(log, 1)
    log.abandon()
    assert [error.errno for error in told] == [errno.EBADF]
    background.finish_all()
    assert log.recovery_point == 0


def test_segments_from_the_recovery_point_on_are_synced_after_a_crash(log, background, home, files):
    while log.active_base_offset < 6:
        append(log, b"0123456789" * 3)
    log.abandon()
    background.waiting.clear()
    log = home.open(OpenedFrom(0, 0))
    assert log.recovery_point == 0
    files.synced.clear()
    log.sync.request_rolled()
    background.finish_all()
    assert log.recovery_point == log.active_base_offset
    rolled = [name for name in home.names(".log") if name != f"{log.active_base_offset:020d}.log"]
    assert set(rolled) <= set(files.synced)
