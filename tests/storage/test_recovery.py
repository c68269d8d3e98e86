"""Opening a folder in whatever state the last process left it: what was acknowledged and whole is there again."""

from __future__ import annotations

import logging
import os
import struct

import pytest
from ottla.protocol.control_records import ControlRecordType, control_key
from ottla.protocol.record_batch import stamp
from ottla.protocol.records import Record, build_batch
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.log_config import LogConfig
from ottla.storage.recovery import NOTHING_KNOWN, OpenedFrom, segment_paths

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, append, append_raw, producer_batch, values_of

VALUES = {offset: b"value-%02d" % offset + bytes(20) for offset in range(12)}


@pytest.fixture
def place(home):
    """A folder with offsets 0 to 11, a record a batch, in segments 0, 4 and 8; idempotent producer 5."""
    return home(segment_bytes=400, index_interval_bytes=150)


@pytest.fixture
def log(place):
    log = place.open()
    for offset, value in VALUES.items():
        append(log, value, timestamps=NOW_MS + offset, producer_id=5, producer_epoch=0, base_sequence=offset)
    assert log.segment_base_offsets == [0, 4, 8]
    return log


def kept(end: int) -> dict[int, bytes]:
    return {offset: value for offset, value in VALUES.items() if offset < end}


def checked(log, end: int):
    """The log holds offsets below `end`, finds each by time, knows the producer's sequence, and takes more."""
    assert values_of(log) == kept(end)
    assert log.log_end_offset == end
    for offset in range(end):
        assert log.offset_for_timestamp(NOW_MS + offset) == (NOW_MS + offset, offset, 0)
    if end:
        assert log.offset_of_max_timestamp() == (NOW_MS + end - 1, end - 1, 0)
    assert log.size_bytes == sum(header.size_bytes for _, header in log.batches(0))
    options = {"producer_id": 5, "producer_epoch": 0}
    if end:
        with pytest.raises(AppendError, match="Out of order sequence"):
            append(log, b"gap", base_sequence=end + 1, **options)
    assert append(log, b"new", base_sequence=end, timestamps=NOW_MS + 99, **options).base_offset == end
    return log


class TestAfterACrash:
    def test_everything_that_was_written_is_there(self, place, log):
        checked(place.reopen_after_crash(log), 12)

    @pytest.mark.parametrize("recovery_point", [0, 3, 4, 8, 11, 12, 50])
    def test_whatever_the_recovery_point_said(self, place, log, recovery_point):
        checked(place.reopen_after_crash(log, recovery_point=recovery_point), 12)

    @pytest.mark.parametrize(("preallocate", "level"), [(True, "INFO"), (False, "WARNING")])
    def test_space_that_was_preallocated_is_no_loss(self, place, log, caplog, preallocate, level):
        caplog.set_level(logging.INFO)
        place.config = LogConfig(segment_bytes=400, index_interval_bytes=150, preallocate=preallocate)
        with place.path(8, ".log").open("ab") as file:
            file.write(bytes(1 << 20))
        checked(place.reopen_after_crash(log), 12)
        assert [record.levelname for record in caplog.records if "Recovered" in record.message] == [level]

    @pytest.mark.parametrize(("start", "level"), [(12, "INFO"), (11, "WARNING")])
    def test_epochs_of_deleted_records_are_not_missed(self, place, log, caplog, start, level):
        caplog.set_level(logging.INFO)
        log.advance_log_start_offset(start)
        (place.directory / "leader-epoch-checkpoint").write_text("0\n0\n")
        reopened = place.reopen_after_crash(log)
        assert (reopened.log_start_offset, reopened.log_end_offset) == (start, 12)
        assert [record.levelname for record in caplog.records if "Recovered" in record.message] == [level]

    def test_a_tail_torn_at_any_byte_is_cut(self, place, log):
        path = place.path(8, ".log")
        whole = path.read_bytes()
        last = len(whole) // 4 * 3
        log.abandon()
        for end in range(last, len(whole)):
            path.write_bytes(whole[:end])
            torn = place.open(OpenedFrom(0, 8))
            assert (torn.log_end_offset, torn.size_bytes, path.stat().st_size) == (11, 2 * len(whole) + last, last)
            torn.abandon()
        checked(place.open(OpenedFrom(0, 8)), 11)

    @pytest.mark.parametrize("rubbish", [b"\0" * 1000, b"\xff" * 1000, bytes(range(256)) * 4, b"x"])
    def test_what_follows_the_last_batch_is_cut(self, place, log, rubbish):
        with place.path(8, ".log").open("ab") as file:
            file.write(rubbish)
        checked(place.reopen_after_crash(log), 12)

    def test_an_old_batch_again_at_the_end_is_cut(self, place, log):
        with place.path(8, ".log").open("ab") as file:
            file.write(place.path(8, ".log").read_bytes()[:100])
            file.write(place.path(0, ".log").read_bytes())
        checked(place.reopen_after_crash(log), 12)

    @pytest.mark.parametrize(("segment", "kept_to"), [(0, 2), (4, 6), (8, 10)])
    @pytest.mark.parametrize("byte", [8, 11, 16, 20, 22, 26, 30, 50, 80])
    def test_a_flipped_byte_ends_the_log_before_its_batch(self, place, log, segment, kept_to, byte):
        path = place.path(segment, ".log")
        content = bytearray(path.read_bytes())
        content[len(content) // 2 + byte] ^= 0x40
        path.write_bytes(content)
        checked(place.reopen_after_crash(log, recovery_point=0), kept_to)
        assert place.names(".log")[-1] == f"{segment:020d}.log"

    def test_a_flipped_byte_below_the_recovery_point_is_not_looked_for(self, place, log):
        path = place.path(0, ".log")
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        opened = place.reopen_after_crash(log, recovery_point=4)
        assert opened.log_end_offset == 12

    def test_an_offset_that_goes_back_ends_the_log(self, place, log):
        path = place.path(8, ".log")
        content = bytearray(path.read_bytes())
        stamp(content, len(content) // 2, 3, 0)  # its CRC stays right
        path.write_bytes(content)
        checked(place.reopen_after_crash(log), 10)

    def test_leader_epochs_come_back_from_the_batches(self, home):
        place = home()
        log = place.open()
        for epoch in (1, 4, 4, 6):
            append(log, b"v", leader_epoch=epoch)
        epochs = log.leader_epochs.entries()
        (place.directory / "leader-epoch-checkpoint").unlink()
        assert place.reopen_after_crash(log).leader_epochs.entries() == epochs

    def test_epochs_beyond_a_cut_tail_go(self, home):
        place = home()
        log = place.open()
        append(log, b"v", leader_epoch=1)
        size = log.size_bytes
        for epoch in (2, 3):
            append(log, b"v", leader_epoch=epoch)
        os.truncate(place.path(0, ".log"), size)
        log = place.reopen_after_crash(log)
        assert [entry for entry in log.leader_epochs.entries() if entry.start_offset > 1] == []
        assert log.leader_epochs.epoch_for_offset(0) == 1

    @pytest.mark.parametrize("start", [1, 4, 6, 9, 11, 12])
    @pytest.mark.parametrize("recovery_point", [0, 5, 12])
    def test_deleted_records_stay_deleted_and_the_others_stay(self, place, log, start, recovery_point):
        log.advance_log_start_offset(start)
        log = place.reopen_after_crash(log, recovery_point=recovery_point)
        assert (log.log_start_offset, log.log_end_offset) == (start, 12)
        assert values_of(log) == {offset: value for offset, value in VALUES.items() if offset >= start}

    def test_a_log_that_lost_its_end_begins_at_its_start_offset(self, place, log):
        log.abandon()
        for base in (4, 8):
            for path in segment_paths(str(place.directory), base):
                if os.path.exists(path):
                    os.unlink(path)
        log = place.open(OpenedFrom(log_start_offset=7, recovery_point=9))
        assert (log.log_start_offset, log.log_end_offset, log.segment_base_offsets) == (7, 7, [7])
        assert append(log, b"v").base_offset == 7

    def test_aborted_transactions_are_indexed_again(self, home):
        place = home()
        log = place.open()
        append(log, b"v", producer_id=1, producer_epoch=0, base_sequence=0, is_transactional=True)
        append(log, b"v", producer_id=2, producer_epoch=0, base_sequence=0, is_transactional=True)
        marker = end_txn_batch(
            commit=False, base_offset=0, producer_id=1, producer_epoch=0, coordinator_epoch=0, timestamp_ms=NOW_MS
        )
        append_raw(log, marker, origin=AppendOrigin.COORDINATOR)
        before = log.aborted_transactions(0, 3)
        place.path(0, ".txnindex").unlink()
        log = place.reopen_after_crash(log)
        assert log.aborted_transactions(0, 3) == before == [(1, 0, 2, 1)]
        assert log.last_stable_offset == 1

    def test_producers_are_noted_at_each_segment_again(self, place, log):
        log.abandon()
        for name in place.names(".snapshot"):
            (place.directory / name).unlink()
        log = place.open()
        assert place.names(".snapshot") == [f"{base:020d}.snapshot" for base in (4, 8)]
        assert log.truncate_to(9, NOW_MS)
        checked(log, 9)

    def test_one_line_says_what_was_done(self, place, log, caplog):
        os.truncate(place.path(8, ".log"), 150)
        with caplog.at_level(logging.INFO):
            place.reopen_after_crash(log, recovery_point=4)
        (line,) = caplog.messages
        assert line.startswith(f"Recovered t-0 in {place.directory}: read 5 batches from offset 4, cut 51 bytes, ends ")
        assert caplog.records[0].levelno == logging.WARNING


class TestIndexes:
    @pytest.mark.parametrize("base", [0, 4, 8])
    @pytest.mark.parametrize("suffix", [".index", ".timeindex"])
    @pytest.mark.parametrize("ended", ["cleanly", "by a crash"])
    @pytest.mark.parametrize("damage", ["lost", "half an entry", "beyond the log", "emptied"])
    def test_a_damaged_one_is_built_again(self, place, log, base, suffix, ended, damage):
        path = place.path(base, suffix)
        if ended == "cleanly":
            log.close()
        else:
            log.flush()
            log.active.save_indexes()
            log.abandon()
        content = path.read_bytes()
        if damage == "lost":
            path.unlink()
        elif damage == "half an entry":
            path.write_bytes(content[:-5])
        elif damage == "beyond the log":
            entry = struct.pack(">ii", 2**30, 2**30) if suffix == ".index" else struct.pack(">qi", 0, 1) * 2
            path.write_bytes(content + entry)
        elif suffix == ".index":
            path.write_bytes(b"")
        checked(place.open(OpenedFrom(0, 12, clean_shutdown=ended == "cleanly")), 12)

    def test_nothing_but_rubbish_in_one_that_nobody_needed_yet_is_noticed_when_it_is(self, place, log, caplog):
        log.close()
        path = place.path(0, ".index")
        path.write_bytes(b"\xff" * path.stat().st_size)
        log = place.open(OpenedFrom(0, 12, clean_shutdown=True))
        assert caplog.messages == []
        checked(log, 12)
        assert "both indexes are built again" in caplog.text
        assert b"\xff" not in path.read_bytes()

    @pytest.mark.parametrize("segment", [0, 2])
    @pytest.mark.parametrize("damage", [b"", b"rubbish"])
    def test_half_an_aborted_transaction_is_built_again(self, home, segment, damage):
        place = home(segment_bytes=200)
        log = place.open()
        for producer_id in (1, 2):
            options = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": 0}
            append(log, bytes(30), is_transactional=True, **options)
            marker = end_txn_batch(
                commit=False,
                base_offset=0,
                producer_id=producer_id,
                producer_epoch=0,
                coordinator_epoch=0,
                timestamp_ms=1,
            )
            append_raw(log, marker, origin=AppendOrigin.COORDINATOR)
        assert log.segment_base_offsets == [0, 2]
        aborted = log.aborted_transactions(0, 4)
        log.close()
        path = place.path(segment, ".txnindex")
        path.write_bytes(path.read_bytes()[:-1] + damage)
        log = place.open(OpenedFrom(0, 4, clean_shutdown=True))
        assert log.aborted_transactions(0, 4) == aborted == [(1, 0, 1, 2), (2, 2, 3, 4)]

    def test_of_a_segment_that_is_gone_are_removed(self, place, log):
        log.abandon()
        place.path(99, ".index").write_bytes(b"")
        place.path(99, ".timeindex").write_bytes(b"")
        checked(place.open(), 12)
        assert not [name for name in place.names() if "99." in name]


class TestCleanStop:
    def test_nothing_is_read_nor_said(self, place, log, caplog):
        log.close()
        content = place.path(0, ".log").read_bytes()
        place.path(0, ".log").write_bytes(bytes(len(content)))  # nobody looks
        opened = place.open(OpenedFrom(0, 12, clean_shutdown=True))
        assert caplog.messages == []
        assert (opened.log_end_offset, opened.recovery_point) == (12, 12)
        assert opened.producers.entries[5].last_sequence == 11

    def test_the_log_is_as_it_was(self, place, log):
        checked(place.reopen_after_close(log), 12)

    def test_the_snapshot_says_what_producers_wrote_last(self, place, log):
        log = place.reopen_after_close(log)
        options = {"producer_id": 5, "producer_epoch": 0}
        assert append(log, b"", base_sequence=11, **options).is_duplicate
        with pytest.raises(AppendError, match="Out of order"):  # only the last batch is in the snapshot, as in Kafka's
            append(log, b"", base_sequence=10, **options)

    def test_a_broken_snapshot_is_replaced_by_reading_the_log(self, place, log, caplog):
        log.close()
        for name in place.names(".snapshot"):
            (place.directory / name).write_bytes(b"rubbish")
        log = checked(place.open(OpenedFrom(0, 12, clean_shutdown=True)), 12)
        assert "producers read from the log" in caplog.text

    def test_producers_are_known_also_where_the_last_batch_was_cut_inside(self, place, log):
        append(log, b"a", b"b")
        log.truncate_to(13, NOW_MS)  # the log ends at 13, its last batch at 12
        checked(place.reopen_after_close(log), 12)

    def test_an_empty_log_stays_one(self, home):
        place = home()
        log = place.reopen_after_close(place.open())
        assert (log.log_start_offset, log.log_end_offset) == (0, 0)
        assert append(log, b"v").base_offset == 0

    def test_a_log_without_records_keeps_its_place(self, home):
        place = home()
        log = place.open()
        append(log, b"v")
        log.apply_retention(NOW_MS + 10**12)
        log = place.reopen_after_close(log)
        assert (log.log_start_offset, log.log_end_offset) == (1, 1)


class TestLeftovers:
    def test_deleted_and_half_written_files_are_removed(self, place, log):
        log.abandon()
        for name in (f"{0:020d}.log.deleted", f"{4:020d}.snapshot.tmp", "leader-epoch-checkpoint.tmp"):
            (place.directory / name).write_bytes(b"x")
        checked(place.open(), 12)
        assert not [name for name in place.names() if name.endswith((".deleted", ".tmp"))]

    def test_deleted_snapshots_of_the_metadata_log_are_its_own_matter(self, place, log):
        log.abandon()
        name = f"{7:020d}-0000000001.checkpoint.deleted"
        (place.directory / name).write_bytes(b"x")
        place.open()
        assert name in place.names()

    def test_a_compaction_that_did_not_end_is_undone(self, place, log):
        log.abandon()
        for base, suffix in ((4, ".log.cleaned"), (4, ".index.cleaned"), (4, ".log.swap"), (8, ".log.swap")):
            place.path(base, suffix).write_bytes(b"rubbish")
        checked(place.open(), 12)
        assert not [name for name in place.names() if name.endswith((".cleaned", ".swap"))]

    def test_a_compaction_that_ended_is_put_in_place(self, place, log):
        log.abandon()
        compacted = bytes(producer_batch(b"left", base_offset=2, partition_leader_epoch=0)) + bytes(
            producer_batch(b"over", base_offset=7, partition_leader_epoch=0)
        )
        place.path(0, ".log.swap").write_bytes(compacted)
        log = place.open()
        assert log.segment_base_offsets == [0, 8]
        assert values_of(log) == {2: b"left", 7: b"over"} | {o: v for o, v in VALUES.items() if o >= 8}
        assert not place.names(".swap")

    def test_index_swaps_alone_take_their_place(self, place, log):
        log.close()
        for suffix in (".index", ".timeindex"):
            place.path(4, suffix).rename(place.path(4, suffix + ".swap"))
        checked(place.open(OpenedFrom(0, 12, clean_shutdown=True)), 12)

    def test_strange_files_are_left_alone(self, place, log):
        log.abandon()
        (place.directory / "notes.txt").write_text("mine")
        checked(place.open(), 12)
        assert (place.directory / "notes.txt").read_text() == "mine"


class TestLeaderEpochFile:
    def test_a_broken_one_is_built_again_from_the_log(self, home, caplog):
        place = home()
        log = place.open()
        for epoch in (1, 4):
            append(log, b"v", leader_epoch=epoch)
        log.close()
        (place.directory / "leader-epoch-checkpoint").write_text("0\n9\n")
        log = place.open(OpenedFrom(0, 2, clean_shutdown=True))
        assert log.leader_epochs.entries() == [(1, 0), (4, 1)]
        assert "leader epochs read from the log" in caplog.text


def test_an_empty_folder_becomes_an_empty_log(home):
    log = home().open(NOTHING_KNOWN)
    assert (log.log_start_offset, log.log_end_offset, log.segment_base_offsets) == (0, 0, [0])


def test_an_empty_folder_with_a_known_start_begins_there(home):
    log = home().open(OpenedFrom(log_start_offset=41))
    assert (log.log_start_offset, log.log_end_offset, log.segment_base_offsets) == (41, 41, [41])


class TestMarkers:
    """What ends a transaction is read by recovery, so it may be wrong there."""

    @pytest.mark.parametrize("value", [b"", b"\0\0", b"\0\0\0\0\0"])
    def test_a_marker_that_is_too_short_ends_the_log(self, home, value):
        place = home()
        log = place.open()
        append(log, b"kept")
        control = build_batch(
            [Record(1, NOW_MS, control_key(ControlRecordType.ABORT), value)],
            base_offset=1,
            partition_leader_epoch=0,
            producer_id=9,
            producer_epoch=0,
            is_transactional=True,
            is_control=True,
        )
        with place.path(0, ".log").open("ab") as file:
            file.write(control)
        assert values_of(place.reopen_after_crash(log)) == {0: b"kept"}


class TestNamesThatAreNoSegments:
    @pytest.mark.parametrize("name", ["notes.cleaned", "x.swap", "1.log.cleaned", "00000000000000000000.cleaned.log"])
    def test_they_stay(self, home, name):
        place = home()
        log = place.open()
        append(log, b"kept")
        (place.directory / name).write_bytes(b"somebody's")
        assert values_of(place.reopen_after_crash(log)) == {0: b"kept"}
        assert (place.directory / name).read_bytes() == b"somebody's"


class TestEmptiedSegments:
    @pytest.mark.parametrize("clean", [True, False])
    def test_a_segment_that_lost_its_records_is_named_and_the_others_are_read(self, place, log, caplog, clean):
        log.close()
        os.truncate(place.path(4, ".log"), 0)
        opened = place.open(OpenedFrom(0, 12, clean_shutdown=clean))
        assert values_of(opened) == {offset: VALUES[offset] for offset in VALUES if not 4 <= offset < 8}
        assert "00000000000000000004.log is empty: offsets 4 to 7 are missing" in caplog.text


class TestLeaderEpochFiles:
    @pytest.fixture
    def epochs(self, home):
        """A log with epochs 1, 4 and 6 at offsets 0, 1 and 2, closed."""
        place = home()
        log = place.open()
        for epoch in (1, 4, 6):
            append(log, b"v", leader_epoch=epoch)
        log.close()
        return place, place.directory / "leader-epoch-checkpoint"

    @pytest.mark.parametrize("clean", [True, False])
    @pytest.mark.parametrize("content", ["", "0\n0\n", "0\n1\n6 2\n", "0\n1\n"])
    def test_one_that_does_not_reach_back_is_read_from_the_log(self, epochs, caplog, content, clean):
        place, path = epochs
        path.write_text(content)
        opened = place.open(OpenedFrom(0, 3, clean_shutdown=clean))
        assert opened.leader_epochs.entries() == [(1, 0), (4, 1), (6, 2)]
        assert "leader epochs read from the log, since" in caplog.text

    @pytest.mark.parametrize("clean", [True, False])
    def test_an_epoch_that_begins_at_the_end_is_forgotten(self, epochs, clean):
        """As in Kafka (`LogLoader.load`): it has no records, and the next one begins there."""
        place, path = epochs
        path.write_text("0\n4\n1 0\n4 1\n6 2\n7 3\n")
        opened = place.open(OpenedFrom(0, 3, clean_shutdown=clean))
        assert opened.leader_epochs.entries() == [(1, 0), (4, 1), (6, 2)]
