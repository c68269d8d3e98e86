"""A partition's log: what is appended can be read, at every offset, under every limit, until it is let go."""

from __future__ import annotations

import errno
import os

import pytest
from ottla.protocol.errors import ErrorCode
from ottla.protocol.record_batch import check_crc, read_header, read_headers
from ottla.protocol.records import Record, build_batch
from ottla.storage.append import Appended, AppendError, AppendOrigin, OffsetOutOfRange
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import Descriptors, OsFiles

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, append, append_raw, producer_batch, values_of, whole_batches

HOUR_MS = 3_600_000


def read(log, offset, max_bytes=1 << 20, *, up_to_offset=None, min_one_batch=True) -> bytes:
    end = log.log_end_offset if up_to_offset is None else up_to_offset
    return log.read(offset, max_bytes, up_to_offset=end, min_one_batch=min_one_batch)


class Disk(OsFiles):
    """A disk that takes only `room_bytes` more."""

    room_bytes: int | None = None

    def pwrite(self, descriptor, data, position):
        if self.room_bytes is None:
            return os.pwrite(descriptor, data, position)
        if not self.room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.pwrite(descriptor, data[: self.room_bytes], position)
        self.room_bytes -= written
        return written


class TestAppend:
    def test_offsets_go_on_and_the_answer_names_them(self, home):
        log = home().open()
        assert append(log, b"a", b"b") == Appended(0, 1, -1, 0)
        assert append(log, b"c", b"d", b"e") == Appended(2, 4, -1, 0)
        assert log.log_end_offset == 5
        assert values_of(log) == {0: b"a", 1: b"b", 2: b"c", 3: b"d", 4: b"e"}

    def test_offset_and_leader_epoch_are_stamped_and_the_rest_is_untouched(self, home):
        log = home().open()
        append(log, b"a")
        sent = bytes(producer_batch(b"b", producer_id=9, producer_epoch=1, base_sequence=0))
        append_raw(log, bytearray(sent), origin=AppendOrigin.CLIENT)
        append(log, b"c", leader_epoch=6)
        stored = read(log, 1)
        header = read_header(stored)
        assert (header.base_offset, header.partition_leader_epoch) == (1, 0)
        assert stored[16 : len(sent)] == sent[16:]
        assert [h.partition_leader_epoch for _, h in read_headers(stored)] == [0, 6]
        assert log.leader_epochs.entries() == [(0, 0), (6, 2)]

    def test_bytes_after_the_batch_that_are_no_batch_are_not_kept(self, home):
        log = home().open()
        append_raw(log, bytearray(producer_batch(b"a")) + b"tail", origin=AppendOrigin.CLIENT)
        append(log, b"b")
        assert values_of(log) == {0: b"a", 1: b"b"}

    def test_a_refused_batch_changes_nothing(self, home):
        log = home().open()
        append(log, b"a")
        before = (log.log_end_offset, log.size_bytes, read(log, 0))
        broken = producer_batch(b"b")
        broken[-1] ^= 1
        with pytest.raises(AppendError) as refused:
            append_raw(log, broken, origin=AppendOrigin.CLIENT)
        assert refused.value.code is ErrorCode.CORRUPT_MESSAGE
        assert (log.log_end_offset, log.size_bytes, read(log, 0)) == before

    def test_log_append_time_is_answered_and_stored(self, home):
        log = home(message_timestamp_type="LogAppendTime").open()
        assert append(log, b"a", timestamps=5, now_ms=NOW_MS).log_append_time_ms == NOW_MS
        stored = read(log, 0)
        header = read_header(stored)
        check_crc(stored, 0, header)
        assert (header.is_log_append_time, header.max_timestamp) == (True, NOW_MS)

    def test_a_batch_larger_than_a_segment_is_refused(self, home):
        log = home(segment_bytes=200).open()
        append(log, b"a")
        with pytest.raises(AppendError, match="exceeds the maximum configured segment size of 200") as refused:
            append(log, bytes(300))
        assert refused.value.code is ErrorCode.RECORD_LIST_TOO_LARGE
        assert values_of(log) == {0: b"a"}


class TestBrokersOwnAppends:
    def test_a_coordinator_appends_several_batches_at_once(self, home):
        log = home().open()
        appended = append_raw(
            log,
            bytearray(producer_batch(b"a", b"b")) + bytearray(producer_batch(b"c")),
            origin=AppendOrigin.COORDINATOR,
        )
        assert (appended.base_offset, appended.last_offset) == (0, 2)
        assert values_of(log) == {0: b"a", 1: b"b", 2: b"c"}

    def test_when_one_of_them_is_broken_none_stays(self, home):
        log = home().open()
        append(log, b"first")
        broken = bytearray(producer_batch(b"b"))
        broken[-1] ^= 1
        with pytest.raises(AppendError) as refused:
            append_raw(log, bytearray(producer_batch(b"a")) + broken, origin=AppendOrigin.COORDINATOR)
        assert refused.value.code is ErrorCode.CORRUPT_MESSAGE
        assert values_of(log) == {0: b"first"}
        append(log, b"next")
        assert values_of(log) == {0: b"first", 1: b"next"}

    @pytest.mark.parametrize("data", [b"", producer_batch(b"a")[:-1]])
    def test_nothing_whole_is_refused(self, home, data):
        with pytest.raises(AppendError):
            append_raw(home().open(), bytearray(data), origin=AppendOrigin.COORDINATOR)

    def test_a_control_batch_keeps_its_time_under_log_append_time(self, home):
        log = home(message_timestamp_type="LogAppendTime").open()
        marker = end_txn_batch(
            commit=True, base_offset=0, producer_id=1, producer_epoch=0, coordinator_epoch=0, timestamp_ms=77
        )
        append_raw(log, marker, origin=AppendOrigin.COORDINATOR)
        header = read_header(read(log, 0))
        assert (header.is_log_append_time, header.max_timestamp) == (False, 77)

    def test_replication_keeps_offsets_and_epochs_with_gaps(self, home):
        log = home().open()
        for base_offset, epoch in ((5, 2), (9, 4)):
            batch = producer_batch(b"v", base_offset=base_offset, partition_leader_epoch=epoch)
            append_raw(log, batch, origin=AppendOrigin.REPLICATION)
        assert values_of(log) == {5: b"v", 9: b"v"}
        assert log.leader_epochs.entries() == [(2, 5), (4, 9)]
        with pytest.raises(AppendError, match="9 is below the log end offset 10"):
            append_raw(log, producer_batch(b"v", base_offset=9), origin=AppendOrigin.REPLICATION)


class TestFullDisk:
    def test_a_write_that_fails_half_way_leaves_the_log_as_it_was(self, home):
        disk = Disk()
        place = home(files=disk)
        log = place.open()
        append(log, b"a")
        before = place.path(0, ".log").read_bytes()
        disk.room_bytes = 30
        with pytest.raises(AppendError, match="No space left") as refused:
            append(log, b"b", producer_id=7, producer_epoch=0, base_sequence=0)
        assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert place.path(0, ".log").read_bytes() == before
        assert log.producers.entries == {}
        disk.room_bytes = None
        assert append(log, b"c", producer_id=7, producer_epoch=0, base_sequence=0).base_offset == 1
        assert values_of(log) == {0: b"a", 1: b"c"}

    def test_an_epoch_that_cannot_be_saved_keeps_its_records_out(self, home):
        disk = Disk()
        place = home(files=disk)
        log = place.open()
        append(log, b"a", leader_epoch=1)
        log.leader_epochs.announce(2, 1)
        disk.room_bytes = 0
        with pytest.raises(AppendError, match="No space left") as refused:
            append(log, b"b", leader_epoch=2)
        assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert log.log_end_offset == 1
        disk.room_bytes = None
        append(log, b"c", leader_epoch=2)
        assert (place.directory / "leader-epoch-checkpoint").read_text() == "0\n2\n1 0\n2 1\n"

    def test_a_roll_that_fails_is_tried_again_by_the_next_append(self, home):
        disk = Disk()
        log = home(files=disk, segment_bytes=200).open()
        append(log, bytes(60))
        disk.room_bytes = 0
        with pytest.raises(AppendError) as refused:
            append(log, bytes(60))
        assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        disk.room_bytes = None
        append(log, bytes(61))
        assert log.segment_base_offsets == [0, 1]
        assert values_of(log) == {0: bytes(60), 1: bytes(61)}


@pytest.fixture
def threes(home):
    """Batches of three records, offsets 0 to 59, in several segments, an index entry for nearly each batch."""
    log = home(segment_bytes=600, index_interval_bytes=100).open()
    for first in range(0, 60, 3):
        append(log, *(b"value-%d" % (first + i) for i in range(3)))
    assert len(log.segment_base_offsets) > 3
    return log


class TestRead:
    @pytest.mark.parametrize("order", ["ascending", "descending"])
    def test_at_every_offset_begins_with_the_batch_that_holds_it(self, threes, order):
        for offset in range(60) if order == "ascending" else reversed(range(60)):
            assert whole_batches(read(threes, offset))[0] == (offset - offset % 3, offset - offset % 3 + 2)

    def test_stops_at_the_end_of_a_segment(self, threes):
        second = threes.segment_base_offsets[1]
        assert whole_batches(read(threes, 0))[-1][1] == second - 1
        assert whole_batches(read(threes, second))[0][0] == second

    def test_at_the_end_is_empty_and_outside_is_refused(self, threes):
        assert read(threes, 60) == b""
        for offset in (-1, 61):
            with pytest.raises(OffsetOutOfRange) as refused:
                read(threes, offset)
            assert (refused.value.log_start_offset, refused.value.log_end_offset) == (0, 60)

    def test_max_bytes_cuts_anywhere_but_the_first_batch_comes_whole(self, home):
        log = home().open()
        for value in (b"a", b"b", b"c"):
            append(log, value)
        whole = read(log, 0)
        first = read_header(whole).size_bytes
        for max_bytes in range(len(whole) + 2):
            wanted = whole[: max(max_bytes, first)]
            assert read(log, 0, max_bytes) == wanted
            assert read(log, 0, max_bytes, min_one_batch=False) == (wanted if max_bytes >= first else b"")

    @pytest.mark.parametrize("up_to_offset", range(0, 60, 7))
    def test_no_batch_that_holds_the_upper_bound_is_read(self, threes, up_to_offset):
        offset, seen = 0, []
        while data := read(threes, offset, up_to_offset=up_to_offset):
            seen += whole_batches(data)
            offset = seen[-1][1] + 1
        assert seen == [(first, first + 2) for first in range(0, up_to_offset - up_to_offset % 3, 3)]

    def test_an_upper_bound_below_the_offset_reads_nothing(self, threes):
        assert read(threes, 10, up_to_offset=10) == read(threes, 10, up_to_offset=4) == b""

    def test_a_reader_at_the_end_goes_on_where_it_stopped(self, home):
        log = home().open()
        for number in range(20):
            append(log, b"%d" % number)
            assert whole_batches(read(log, number)) == [(number, number)]
            assert read(log, number + 1) == b""

    def test_batches_replays_from_the_one_that_holds_an_offset(self, threes):
        assert [header.base_offset for _, header in threes.batches(31)] == list(range(30, 60, 3))
        assert [header.base_offset for _, header in threes.batches(0)] == list(range(0, 60, 3))
        assert list(threes.batches(60)) == []

    def test_a_replay_survives_that_its_file_is_closed_for_want_of_descriptors(self, home, tmp_path):
        descriptors = Descriptors(1)
        logs = []
        for name in ("t-0", "u-0"):
            place = home(name)
            place.environment = StorageEnvironment(descriptors=descriptors)
            log = place.open()
            for _ in range(3):
                append(log, name.encode() * 200_000)
            logs.append(log)
        seen = 0
        for data, _ in logs[0].batches(0):
            assert bytes(data).count(b"t-0") == 200_000
            read(logs[1], seen)
            seen += 1
        assert seen == 3


class TestRolling:
    def test_by_size(self, home):
        log = home(segment_bytes=250).open()
        for _ in range(4):
            append(log, bytes(30))  # 102 bytes each
        assert log.segment_base_offsets == [0, 2]
        assert values_of(log) == dict.fromkeys(range(4), bytes(30))

    def test_by_the_records_time(self, home):
        log = home(segment_ms=HOUR_MS).open()
        for timestamp in (NOW_MS - HOUR_MS, NOW_MS, NOW_MS + 1, NOW_MS - HOUR_MS):
            append(log, b"v", timestamps=timestamp)
        assert log.segment_base_offsets == [0, 2]

    def test_by_the_clock_where_records_have_no_time(self, home):
        log = home(segment_ms=HOUR_MS).open(now_ms=NOW_MS)
        for now_ms in (NOW_MS + 2 * HOUR_MS, NOW_MS + 2 * HOUR_MS, NOW_MS + 5 * HOUR_MS):
            append(log, b"v", timestamps=-1, now_ms=now_ms)
        assert log.segment_base_offsets == [0, 1, 2]

    def test_by_a_full_offset_index(self, home):
        log = home(index_interval_bytes=0, segment_index_bytes=24).open()
        for _ in range(8):
            append(log, b"v", timestamps=-1)
        assert log.segment_base_offsets == [0, 4]

    @pytest.mark.parametrize("cut", [1, 2, 3])
    def test_by_an_offset_index_that_is_full_again_after_something_was_cut_off(self, home, cut):
        log = home(index_interval_bytes=0, segment_index_bytes=24).open()
        for _ in range(3):
            append(log, b"v", timestamps=-1)
        log.truncate_to(cut, NOW_MS)
        for _ in range(8 - cut):
            append(log, b"v", timestamps=-1)
        assert [len(segment.offset_index) for segment in log.segments[:-1]] == [3]

    def test_by_a_full_time_index(self, home):
        log = home(index_interval_bytes=0, segment_index_bytes=36).open()
        for number in range(5):
            append(log, b"v", timestamps=NOW_MS + number)
        assert log.segment_base_offsets == [0, 3]

    def test_by_an_offset_too_far_from_the_base(self, home):
        log = home().open()
        for base_offset in (0, 2**31 - 1, 2**31):
            append_raw(log, producer_batch(b"v", base_offset=base_offset), origin=AppendOrigin.REPLICATION)
        assert log.segment_base_offsets == [0, 2**31]
        assert values_of(log) == {0: b"v", 2**31 - 1: b"v", 2**31: b"v"}

    def test_jitter_takes_at_most_its_bound_and_not_the_same_everywhere(self, home):
        def rolls_after_ms(name: str) -> int:
            log = home(name, segment_ms=HOUR_MS, segment_jitter_ms=HOUR_MS // 2).open()
            log.name = name
            log.update_config(log.config)
            append(log, b"v", timestamps=NOW_MS)
            for waited in range(0, HOUR_MS + 60_001, 60_000):
                append(log, b"v", timestamps=NOW_MS + waited)
                if len(log.segment_base_offsets) > 1:
                    return waited
            raise AssertionError("it did not roll")

        waits = {rolls_after_ms(f"t-{index}") for index in range(5)}
        assert len(waits) > 1
        assert all(HOUR_MS // 2 < waited <= HOUR_MS + 60_000 for waited in waits)

    def test_a_changed_config_holds_from_the_next_append_on(self, home):
        place = home()
        log = place.open()
        append(log, bytes(30))
        place_small = home(segment_bytes=150)
        log.update_config(place_small.config)
        append(log, bytes(30))
        assert log.segment_base_offsets == [0, 1]

    def test_an_empty_segment_does_not_roll(self, home):
        log = home().open()
        log.roll(NOW_MS)
        assert log.segment_base_offsets == [0]
        append(log, b"v")
        log.roll(NOW_MS)
        log.roll(NOW_MS)
        assert log.segment_base_offsets == [0, 1]

    def test_each_roll_leaves_a_producer_snapshot_and_finished_indexes(self, home):
        place = home()
        log = place.open()
        append(log, b"v", producer_id=5, producer_epoch=0, base_sequence=0)
        log.roll(NOW_MS)
        assert place.names(".snapshot") == [f"{1:020d}.snapshot"]
        assert place.path(0, ".timeindex").read_bytes() == NOW_MS.to_bytes(8, "big") + bytes(4)


class TestTruncation:
    @pytest.mark.parametrize("offset", range(0, 61, 4))
    def test_everything_from_an_offset_on_goes_with_the_batch_that_holds_it(self, threes, offset):
        assert threes.truncate_to(offset, NOW_MS) is (offset < 60)
        assert threes.log_end_offset == threes.high_watermark == min(offset, 60)
        kept = range(offset - offset % 3)
        assert values_of(threes) == {i: b"value-%d" % i for i in kept}
        assert append(threes, b"new").base_offset == offset
        assert values_of(threes)[offset] == b"new"
        assert threes.size_bytes == sum(header.size_bytes for _, header in threes.batches(0))

    def test_epochs_and_producers_go_back_as_well(self, home):
        log = home().open()
        for sequence in range(4):
            append(log, b"v", leader_epoch=sequence, producer_id=5, producer_epoch=0, base_sequence=sequence)
        log.truncate_to(2, NOW_MS)
        assert log.leader_epochs.entries() == [(0, 0), (1, 1)]
        with pytest.raises(AppendError, match=r"3 .incoming seq. number., 1 .current end sequence number"):
            append(log, b"v", producer_id=5, producer_epoch=0, base_sequence=3)
        assert append(log, b"v", producer_id=5, producer_epoch=0, base_sequence=2).base_offset == 2

    def test_time_look_ups_forget_what_went(self, home):
        log = home(index_interval_bytes=0).open()
        for number in range(5):
            append(log, b"v", timestamps=NOW_MS + number)
        log.truncate_to(3, NOW_MS)
        assert log.offset_for_timestamp(NOW_MS + 3) is None
        assert log.offset_of_max_timestamp() == (NOW_MS + 2, 2, 0)

    def test_fully_and_on_from_another_offset(self, threes):
        threes.truncate_fully_and_start_at(500, NOW_MS)
        assert (threes.log_start_offset, threes.log_end_offset, threes.high_watermark) == (500, 500, 500)
        assert (threes.size_bytes, threes.segment_base_offsets) == (0, [500])
        assert append(threes, b"v").base_offset == 500
        assert values_of(threes) == {500: b"v"}

    def test_below_the_first_segment_is_the_same(self, home):
        log = home().open()
        log.truncate_fully_and_start_at(500, NOW_MS)
        append(log, b"v")
        assert log.truncate_to(100, NOW_MS)
        assert (log.log_start_offset, log.log_end_offset) == (100, 100)


class TestDeleteRecords:
    def test_what_is_below_cannot_be_read(self, threes):
        assert threes.advance_log_start_offset(31)
        with pytest.raises(OffsetOutOfRange):
            read(threes, 30)
        assert whole_batches(read(threes, 31))[0] == (30, 32)  # a batch is not split
        assert sorted(values_of(threes)) == list(range(31, 60))

    def test_it_does_not_go_back_nor_beyond_the_high_watermark(self, threes):
        threes.advance_log_start_offset(31)
        assert not threes.advance_log_start_offset(31)
        assert not threes.advance_log_start_offset(5)
        threes.high_watermark = 40
        with pytest.raises(OffsetOutOfRange):
            threes.advance_log_start_offset(41)
        assert threes.log_start_offset == 31
        assert threes.leader_epochs.entries() == [(0, 31)]

    def test_look_ups_by_time_begin_there(self, home):
        log = home().open()
        append(log, b"a", b"b", b"c", timestamps=[NOW_MS, NOW_MS + 5, NOW_MS + 5])
        log.advance_log_start_offset(2)
        assert log.offset_for_timestamp(0) == (NOW_MS + 5, 2, 0)

    def test_retention_removes_whole_segments_below_it(self, home):
        place = home(segment_bytes=150, cleanup_policy=frozenset({"compact"}), file_delete_delay_ms=1000)
        log = place.open()
        for _ in range(4):
            append(log, bytes(30))
        log.advance_log_start_offset(2)
        size = log.size_bytes
        assert log.apply_retention(NOW_MS) == 2
        assert log.segment_base_offsets == [2, 3]
        assert log.size_bytes == size // 2
        assert f"{0:020d}.log.deleted" in place.names()
        assert log.released_files.remove_due(NOW_MS + 999) == 0
        assert log.released_files.remove_due(NOW_MS + 1000) > 1
        assert not place.names(".deleted")
        assert not log.released_files


class TestRetention:
    def test_by_time(self, home):
        log = home(segment_bytes=150, retention_ms=HOUR_MS).open()
        for number in range(4):
            append(log, bytes(30), timestamps=NOW_MS + number)
        assert log.apply_retention(NOW_MS + HOUR_MS) == 0
        assert log.apply_retention(NOW_MS + HOUR_MS + 2) == 2
        assert (log.log_start_offset, log.segment_base_offsets) == (2, [2, 3])

    def test_a_log_of_which_everything_is_old_goes_on_in_a_new_segment(self, home):
        log = home(segment_bytes=150, retention_ms=HOUR_MS).open()
        for _ in range(3):
            append(log, bytes(30))
        assert log.apply_retention(NOW_MS + 2 * HOUR_MS) == 3
        assert (log.log_start_offset, log.log_end_offset, log.segment_base_offsets) == (3, 3, [3])
        assert log.apply_retention(NOW_MS + 9 * HOUR_MS) == 0
        assert append(log, b"v").base_offset == 3

    def test_by_size(self, home):
        log = home(segment_bytes=150, retention_bytes=250).open()
        for _ in range(5):
            append(log, bytes(30))  # 102 bytes each
        assert log.apply_retention(NOW_MS) == 2
        assert log.log_start_offset == 2

    def test_never_what_is_not_below_the_high_watermark(self, home):
        log = home(segment_bytes=150, retention_ms=HOUR_MS).open()
        for _ in range(4):
            append(log, bytes(30))
        log.high_watermark = 2
        assert log.apply_retention(NOW_MS + 9 * HOUR_MS) == 2
        assert log.segment_base_offsets == [2, 3]

    def test_the_snapshot_goes_with_its_segment(self, home):
        place = home(segment_bytes=150, retention_ms=HOUR_MS)
        log = place.open()
        for number in range(4):
            append(log, bytes(30), timestamps=NOW_MS + number, producer_id=1, producer_epoch=0, base_sequence=number)
        log.apply_retention(NOW_MS + HOUR_MS + 2)
        assert place.names(".snapshot") == [f"{offset:020d}.snapshot" for offset in (2, 3)]
        log.released_files.remove_due(NOW_MS + 9 * HOUR_MS)
        assert not place.names(".deleted")


class TestDuplicates:
    def test_a_repeated_batch_answers_as_the_first_time_and_is_not_written(self, home):
        log = home().open()
        append(log, b"other")
        sent = {"producer_id": 5, "producer_epoch": 0, "base_sequence": 0}
        first = append(log, b"a", b"b", **sent)
        again = append(log, b"a", b"b", **sent)
        assert again == first._replace(log_append_time_ms=NOW_MS, is_duplicate=True)
        assert log.log_end_offset == 3


class TestFlush:
    def test_what_rolls_is_flushed(self, threes):
        assert threes.recovery_point == threes.active_base_offset < 60
        threes.flush()
        assert threes.recovery_point == 60

    def test_a_close_gives_every_descriptor_back(self, home):
        place = home(segment_bytes=150)
        log = place.open()
        for _ in range(4):
            append(log, bytes(30))
        values_of(log)
        assert place.environment.descriptors.open_count > 0
        log.close()
        assert place.environment.descriptors.open_count == 0

    def test_a_renamed_folder_takes_its_files_along(self, home, tmp_path):
        log = home().open()
        append(log, b"a")
        assert log.is_in_place
        log.rename_directory(str(tmp_path / "elsewhere"))
        assert log.is_in_place
        assert (tmp_path / "elsewhere" / f"{0:020d}.log").stat().st_size > 0
        assert not (tmp_path / "t-0").exists()


def test_records_without_offsets_in_between_are_read_past_the_gap(home):
    """Compaction leaves gaps inside and between batches; a reader in a gap gets what comes next."""
    log = home(segment_bytes=150).open()
    for first, last in ((0, 4), (10, 12), (30, 30)):
        records = [Record(first, NOW_MS, b"k", b"first")]
        if last != first:
            records.append(Record(last, NOW_MS, b"k", b"last"))
        append_raw(log, build_batch(records, base_offset=first), origin=AppendOrigin.REPLICATION)
    for offset in range(31):
        batch = (0, 4) if offset < 5 else (10, 12) if offset < 13 else (30, 30)
        assert whole_batches(read(log, offset))[0] == batch
