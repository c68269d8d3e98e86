"""A log that is only read: it shows what recovery would keep, and its folder stays as it is."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace

import pytest
from ottla.protocol.errors import ErrorCode
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.environment import StorageEnvironment
from ottla.storage.read_only import ReadOnlyFiles, open_log_read_only
from ottla.storage.recovery import OpenedFrom

from ..harness.markers import end_txn_batch
from ..harness.unchanged import photograph
from .log_home import NOW_MS, append, append_raw, producer_batch, records_of

CLEAN = OpenedFrom(clean_shutdown=True)


def read_only(home, known=CLEAN):
    """The log as a reader finds it."""
    return open_log_read_only(
        os.fspath(home.directory),
        topic="t",
        partition=0,
        topic_id=b"i" * 16,
        config=home.config,
        environment=StorageEnvironment(files=ReadOnlyFiles()),
        now_ms=NOW_MS,
        known=known,
    )


def recovered(home, known):
    """What recovery makes of a copy."""
    copy = home.directory.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home.directory, copy)
    other = type(home)(copy)
    other.config = home.config
    return other.open(known)


def shown(log):
    """All that a reader can learn of a log."""
    start = log.log_start_offset
    return {
        "records": records_of(log),
        "start": start,
        "end": log.log_end_offset,
        "stable": log.last_stable_offset,
        "aborted": log.aborted_transactions(start, log.log_end_offset),
        "epochs": [log.leader_epochs.epoch_for_offset(offset) for offset in range(start, log.log_end_offset)],
        "times": [log.offset_for_timestamp(NOW_MS + step) for step in (0, 3, 1000)],
        "newest": log.offset_of_max_timestamp(),
    }


def fill(home):
    """Some segments with several leader epochs, an aborted transaction and one that is still open."""
    log = home.open()
    for number in range(12):
        append(log, b"%d" % number * 40, timestamps=NOW_MS + number, leader_epoch=number // 5)
    for producer_id, ends in ((7, True), (8, False)):
        batch = producer_batch(b"t", producer_id=producer_id, producer_epoch=0, base_sequence=0, is_transactional=True)
        append_raw(log, batch, origin=AppendOrigin.CLIENT, leader_epoch=3)
        if ends:
            marker = end_txn_batch(
                commit=False,
                base_offset=0,
                producer_id=producer_id,
                producer_epoch=0,
                coordinator_epoch=0,
                timestamp_ms=NOW_MS,
            )
            append_raw(log, marker, origin=AppendOrigin.COORDINATOR, leader_epoch=3)
    assert len(log.segment_base_offsets) > 2
    return log


@pytest.fixture
def filled(home):
    made = home(segment_bytes=600, index_interval_bytes=100)
    return made, fill(made)


def damage_nothing(directory):
    """Leave it as the process left it."""


def tear_the_tail(directory):
    with sorted(directory.glob("*.log"))[-1].open("ab") as file:
        file.write(b"\0" * 70)


def cut_a_batch(directory):
    newest = sorted(directory.glob("*.log"))[-1]
    os.truncate(newest, newest.stat().st_size - 5)


def flip_a_bit_in_the_middle(directory):
    path = sorted(directory.glob("*.log"))[1]
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def lose_the_indexes(directory):
    for path in [*directory.glob("*.index"), *directory.glob("*.timeindex"), *directory.glob("*.snapshot")]:
        path.unlink()


def lose_the_epochs(directory):
    (directory / "leader-epoch-checkpoint").write_text("nonsense\n")


def leave_deleted_files(directory):
    (directory / "00000000000000000000.log.deleted").write_bytes(b"x")
    (directory / "00000000000000000000.index.deleted").write_bytes(b"x")


DAMAGES = [
    damage_nothing,
    tear_the_tail,
    cut_a_batch,
    flip_a_bit_in_the_middle,
    lose_the_indexes,
    lose_the_epochs,
    leave_deleted_files,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_after_a_crash_it_shows_what_recovery_would_keep_and_changes_nothing(filled, damage):
    home, log = filled
    log.abandon()
    damage(home.directory)
    before = photograph(home.directory)
    reader = read_only(home, OpenedFrom())
    found = shown(reader)
    reader.close()
    assert photograph(home.directory) == before
    assert found == shown(recovered(home, OpenedFrom()))


@pytest.mark.parametrize("damage", [damage_nothing, lose_the_indexes, leave_deleted_files])
def test_after_a_clean_stop_it_shows_everything(filled, damage):
    home, log = filled
    wanted = shown(log)
    log.close()
    damage(home.directory)
    before = photograph(home.directory)
    reader = read_only(home)
    assert shown(reader) == wanted
    reader.close()
    assert photograph(home.directory) == before


def test_a_recovery_point_spares_what_is_safe(filled):
    home, log = filled
    wanted = shown(log)
    point = log.segment_base_offsets[-1]
    log.sync.sync_now()
    log.abandon()
    before = photograph(home.directory)
    assert shown(read_only(home, OpenedFrom(recovery_point=point))) == wanted
    assert photograph(home.directory) == before


def test_the_log_start_offset_of_the_checkpoint_holds(filled):
    home, log = filled
    log.close()
    reader = read_only(home, replace(CLEAN, log_start_offset=4))
    assert reader.log_start_offset == 4
    assert records_of(reader)[0].offset == 4


def test_a_finished_compaction_counts_before_it_is_put_in_place(filled):
    home, log = filled
    log.close()
    second = home.directory / f"{log.segment_base_offsets[1]:020d}.log"
    first, end = log.segment_base_offsets[1:3]
    wanted = {record.offset for record in records_of(log)} - set(range(first + 1, end))
    log.abandon()
    # Only the first batch of the second segment was kept.
    size = int.from_bytes(second.read_bytes()[8:12], "big") + 12
    second.with_name(second.name + ".swap").write_bytes(second.read_bytes()[:size])
    before = photograph(home.directory)
    reader = read_only(home)
    found = {record.offset for record in records_of(reader)}
    reader.close()
    assert photograph(home.directory) == before
    assert found == wanted


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_without_a_log_is_an_empty_one(home, is_there):
    made = home()
    if not is_there:
        made.directory.rmdir()
    reader = read_only(made, OpenedFrom(log_start_offset=7))
    assert (reader.log_start_offset, reader.log_end_offset) == (7, 7)
    assert reader.read(7, 1000, up_to_offset=7, min_one_batch=True) == b""
    assert list(reader.batches(0)) == []
    reader.close()
    assert made.directory.exists() == is_there
    assert not is_there or os.listdir(made.directory) == []


def test_it_takes_nothing(filled):
    home, log = filled
    log.close()
    reader = read_only(home)
    with pytest.raises(AppendError, match="open for reading only") as caught:
        append(reader, b"x")
    assert caught.value.code is ErrorCode.POLICY_VIOLATION


class TestReadOnlyFiles:
    @pytest.mark.parametrize(
        "change",
        [
            lambda files, path: files.pwrite(0, b"x", 0),
            lambda files, path: files.ftruncate(0, 0),
            lambda files, path: files.fsync(0),
            lambda files, path: files.rename(path, path + "x"),
            lambda files, path: files.unlink(path),
            lambda files, path: files.mkdir(path + "d"),
            lambda files, path: files.rmdir(path),
            lambda files, path: files.open(path, os.O_RDWR | os.O_CREAT, 0o644),
            lambda files, path: files.open(path, os.O_RDWR | os.O_TRUNC),
        ],
    )
    def test_every_change_is_refused(self, tmp_path, change):
        path = tmp_path / "file"
        path.write_bytes(b"content")
        with pytest.raises(OSError, match="open for reading only") as caught:
            change(ReadOnlyFiles(), str(path))
        assert caught.value.errno == errno.EROFS
        assert path.read_bytes() == b"content"
        assert os.listdir(tmp_path) == ["file"]

    def test_what_is_opened_cannot_be_written(self, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"content")
        descriptor = ReadOnlyFiles().open(str(path), os.O_RDWR)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.pwrite(descriptor, b"x", 0)
        os.close(descriptor)
