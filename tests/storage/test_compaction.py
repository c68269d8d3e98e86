"""One cleaning of one log: what stays, where it stays, and what its batches then say."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ottla.protocol.compression import Compression
from ottla.protocol.records import RecordHeader
from ottla.storage.append import AppendOrigin
from ottla.storage.cleanable import log_to_clean
from ottla.storage.cleaner_pace import CleaningAborted, IoThrottle, Pace
from ottla.storage.compaction import CleaningBuffers
from ottla.storage.recovery import OpenedFrom

from ..harness.markers import end_txn_batch
from ..held_background import HeldBackground
from .compaction_home import BUFFERS, UNLIMITED, batches_of, clean, headers_of, kept_of, new_cleaning
from .log_home import NOW_MS, LogHome, append, append_raw

DAY_MS = 86_400_000
COMPACT = {"cleanup_policy": frozenset({"compact"}), "segment_bytes": 1 << 20}


@pytest.fixture
def place(home) -> LogHome:
    return home(**COMPACT)


@pytest.fixture
def log(place):
    return place.open()


def put(log, key: bytes, value: bytes | None, **options):
    return append(log, value, key=key, **options)


def rolled(log, now_ms=NOW_MS):
    """All that was written so far belongs to segments that are not written any more, and is on the disk."""
    log.roll(now_ms)
    log.flush()
    return log


def put_without_key(log, value: bytes, **options):
    """As before the topic became a compacted one."""
    config = log.config
    log.update_config(replace(config, cleanup_policy=frozenset({"delete"})))
    put(log, None, value, **options)
    log.update_config(config)


def marker(log, producer_id: int, *, commit: bool, epoch: int = 0):
    batch = end_txn_batch(
        commit=commit,
        base_offset=0,
        producer_id=producer_id,
        producer_epoch=epoch,
        coordinator_epoch=0,
        timestamp_ms=NOW_MS,
    )
    return append_raw(log, batch, origin=AppendOrigin.COORDINATOR)


class TestRecords:
    def test_the_newest_of_each_key_stays(self, log):
        for number in range(6):
            put(log, b"k%d" % (number % 2), b"v%d" % number)
        assert clean(rolled(log)) == 6
        assert kept_of(log) == {4: (b"k0", b"v4"), 5: (b"k1", b"v5")}
        assert log.log_end_offset == 6
        assert log.log_start_offset == 0

    def test_a_batch_loses_some_records_and_keeps_its_offsets(self, log):
        append(log, b"a", b"b", b"c", key=b"same", producer_id=9, producer_epoch=3, base_sequence=5, leader_epoch=4)
        put(log, b"same", b"newest")
        put(log, b"other", b"x", leader_epoch=4)
        clean(rolled(log))
        assert kept_of(log) == {3: (b"same", b"newest"), 4: (b"other", b"x")}
        emptied = headers_of(log)[0]
        assert (emptied.base_offset, emptied.last_offset, emptied.record_count) == (0, 2, 0)
        assert (emptied.producer_id, emptied.producer_epoch, emptied.base_sequence) == (9, 3, 5)
        assert emptied.partition_leader_epoch == 4

    def test_records_without_a_key_go(self, log):
        put_without_key(log, b"x")
        put(log, b"k", b"v")
        cleaning = new_cleaning(rolled(log))
        cleaning.build_map()
        assert log.replace_segments(cleaning.clean_next(), 0, NOW_MS)
        assert kept_of(log) == {1: (b"k", b"v")}
        assert cleaning.counts.records_without_key == 1

    def test_what_is_not_cleanable_is_not_touched(self, log):
        for number in range(3):
            put(log, b"k", b"v%d" % number)
        rolled(log)
        put(log, b"k", b"active")
        assert clean(log) == 3
        assert kept_of(log) == {2: (b"k", b"v2"), 3: (b"k", b"active")}

    @pytest.mark.parametrize("codec", list(Compression), ids=lambda codec: codec.name)
    def test_codec_headers_and_timestamps_stay(self, log, codec):
        headers = (RecordHeader("h", b"1"), RecordHeader("h", None))
        append(
            log,
            *[b"v%d" % number * 40 for number in range(3)],
            key=b"k",
            timestamps=[NOW_MS + 5, NOW_MS + 9, NOW_MS + 2],
            compression=codec,
            headers=headers,
        )
        put(log, b"l", b"w", compression=codec)
        clean(rolled(log))
        (header, (record,)), _ = batches_of(log)
        assert header.compression is codec
        assert (header.base_offset, header.last_offset) == (0, 2)
        assert (header.base_timestamp, header.max_timestamp) == (NOW_MS + 2, NOW_MS + 2)
        assert record == (2, NOW_MS + 2, b"k", b"v2" * 40, headers)

    def test_append_times_stay(self, home):
        log = home(message_timestamp_type="LogAppendTime", **COMPACT).open()
        append(log, b"old", b"new", key=b"k", now_ms=NOW_MS + 7, timestamps=1)
        append(log, None, b"x", key=b"l", now_ms=NOW_MS + 8, timestamps=1)
        put(log, b"m", None, now_ms=NOW_MS + 9)
        clean(rolled(log))
        first, second, third = batches_of(log)
        assert [header.is_log_append_time for header, _ in (first, second, third)] == [True, True, True]
        assert [(r.offset, r.timestamp) for _, records in (first, second, third) for r in records] == [
            (1, NOW_MS + 7),
            (3, NOW_MS + 8),
            (4, NOW_MS + 9),
        ]
        assert third[0].has_delete_horizon
        assert third[0].max_timestamp == NOW_MS + 9

    def test_a_batch_that_keeps_everything_keeps_its_bytes(self, place, log):
        put(log, b"l", b"old")
        for number in range(3):
            put(log, b"k%d" % number, b"v" * 300, compression=Compression.GZIP)
        put(log, b"l", b"new")
        before = [bytes(data) for data, _ in log.batches(1)]
        clean(rolled(log))
        assert [bytes(data) for data, _ in log.batches(0)] == before


class TestTombstones:
    def test_they_stay_until_their_time_is_over(self, log):
        put(log, b"k", b"v")
        put(log, b"k", None)
        put(log, b"other", b"x")
        checkpoint = clean(rolled(log), now_ms=NOW_MS)
        assert kept_of(log) == {1: (b"k", None), 2: (b"other", b"x")}
        tombstone = headers_of(log)[0]
        assert tombstone.has_delete_horizon
        assert tombstone.base_timestamp == NOW_MS + DAY_MS
        put(log, b"later", b"y")
        checkpoint = clean(rolled(log), checkpoint, now_ms=NOW_MS + DAY_MS - 1)
        assert 1 in kept_of(log)
        assert headers_of(log)[0].base_timestamp == NOW_MS + DAY_MS
        put(log, b"later", b"z")
        clean(rolled(log), checkpoint, now_ms=NOW_MS + DAY_MS)
        assert kept_of(log) == {2: (b"other", b"x"), 4: (b"later", b"z")}

    def test_timestamps_survive_the_new_base(self, log):
        put(log, b"k", None, timestamps=NOW_MS - 5)
        put(log, b"x", b"")
        clean(rolled(log))
        (header, (record,)), _ = batches_of(log)
        assert (record.timestamp, header.max_timestamp) == (NOW_MS - 5, NOW_MS - 5)

    def test_the_configured_retention_counts(self, home):
        log = home(delete_retention_ms=50, **COMPACT).open()
        put(log, b"k", None)
        put(log, b"l", b"v")
        checkpoint = clean(rolled(log))
        assert headers_of(log)[0].base_timestamp == NOW_MS + 50
        put(log, b"m", b"v")
        clean(rolled(log), checkpoint, now_ms=NOW_MS + 50)
        assert set(kept_of(log)) == {1, 2}


class TestTransactions:
    def test_aborted_records_go_at_once_and_the_marker_later(self, place, log):
        options = {"producer_id": 1, "producer_epoch": 0, "is_transactional": True}
        put(log, b"k", b"kept")
        put(log, b"k", b"aborted", base_sequence=0, **options)
        marker(log, 1, commit=False)
        put(log, b"x", b"y")
        checkpoint = clean(rolled(log))
        assert kept_of(log) == {0: (b"k", b"kept"), 3: (b"x", b"y")}
        assert [(h.base_offset, h.record_count, h.is_control) for h in headers_of(log)] == [
            (0, 1, False),
            (1, 0, False),  # the producer's last batch, for its sequence
            (2, 1, True),
            (3, 1, False),
        ]
        assert log.aborted_transactions(0, 4) == [(1, 1, 2, 3)]
        assert place.names(".txnindex") == [place.path(0, ".txnindex").name]
        put(log, b"z", b"later")
        clean(rolled(log), checkpoint)
        assert not any(header.has_delete_horizon for header in headers_of(log))
        assert log.aborted_transactions(0, 4) == [(1, 1, 2, 3)]  # while the empty batch stands for its transaction

    def test_a_marker_goes_after_its_data_and_its_horizon(self, log):
        options = {"producer_id": 1, "producer_epoch": 0, "is_transactional": True}
        put(log, b"k", b"aborted", base_sequence=0, **options)
        marker(log, 1, commit=False)
        log.producers.clear(log.log_end_offset)  # the producer has expired
        checkpoint = 0
        seen = []
        for number, now_ms in enumerate((NOW_MS, NOW_MS + 1, NOW_MS + 1 + DAY_MS)):
            put(log, b"k%d" % number, b"v")
            checkpoint = clean(rolled(log), checkpoint, now_ms=now_ms)
            seen.append([(h.base_offset, h.has_delete_horizon) for h in headers_of(log) if h.is_control])
        assert seen == [[(1, False)], [(1, True)], []]
        assert log.aborted_transactions(0, 10) == []

    def test_a_committed_marker_stays_with_its_data(self, log):
        options = {"producer_id": 1, "producer_epoch": 0, "is_transactional": True}
        put(log, b"k", b"committed", base_sequence=0, **options)
        marker(log, 1, commit=True)
        log.producers.clear(log.log_end_offset)
        checkpoint = None
        for number in range(2):
            put(log, b"x", b"%d" % number)
            checkpoint = clean(rolled(log), checkpoint)
            assert [(h.base_offset, h.has_delete_horizon) for h in headers_of(log) if h.is_control] == [(1, False)]
        for has_horizon in (False, True):
            put(log, b"k", b"newer")
            checkpoint = clean(rolled(log), checkpoint)
            assert [(h.base_offset, h.has_delete_horizon) for h in headers_of(log) if h.is_control] == [
                (1, has_horizon)
            ]

    def test_a_transaction_over_several_segments(self, place, log):
        options = {"producer_id": 1, "producer_epoch": 0, "is_transactional": True}
        for number in range(3):
            put(log, b"k", b"aborted%d" % number, base_sequence=number, **options)
            log.roll(NOW_MS)
        put(log, b"k", b"plain")
        rolled(log)
        assert log.last_stable_offset == 0
        marker(log, 1, commit=False)
        rolled(log)
        put(log, b"z", b"active")
        clean(log)
        assert kept_of(log) == {3: (b"k", b"plain"), 5: (b"z", b"active")}
        assert log.aborted_transactions(0, 6) == [(1, 0, 4, 5)]

    def test_an_abort_marker_behind_the_cleanable_part_counts(self, log):
        aborted = {"producer_id": 1, "producer_epoch": 0, "is_transactional": True, "base_sequence": 0}
        put(log, b"k", b"aborted", **aborted)
        rolled(log)
        put(log, b"m", b"open", **(aborted | {"producer_id": 2}))
        marker(log, 1, commit=False)
        assert clean(log) == 1
        assert kept_of(log) == {2 - 1: (b"m", b"open")}

    def test_an_open_transaction_is_not_touched(self, log):
        put(log, b"k", b"old")
        put(log, b"k", b"new")
        put(log, b"k", b"open", producer_id=1, producer_epoch=0, is_transactional=True, base_sequence=0)
        cleanable = log_to_clean(rolled(log), None, NOW_MS)
        assert (cleanable.first_uncleanable_offset, cleanable.cleanable_bytes, cleanable.is_due) == (0, 0, False)


class TestProducers:
    def test_the_last_batch_of_each_stays(self, place, log):
        for number in range(3):
            put(log, b"k", b"v%d" % number, producer_id=7, producer_epoch=2, base_sequence=number)
        put(log, b"k", b"newest")
        clean(rolled(log))
        assert [(h.base_offset, h.record_count) for h in headers_of(log)] == [(2, 0), (3, 1)]
        for path in place.names(".snapshot"):
            (place.directory / path).unlink()
        log.abandon()
        log = place.open(OpenedFrom(0, 0))
        put(log, b"k", b"next", producer_id=7, producer_epoch=2, base_sequence=3)
        assert log.producers.entries[7].last_sequence == 3

    def test_it_goes_when_the_producer_has_written_more_or_has_expired(self, log):
        put(log, b"k", b"v", producer_id=7, producer_epoch=2, base_sequence=0)
        put(log, b"k", b"newest")
        checkpoint = clean(rolled(log))
        put(log, b"l", b"more", producer_id=7, producer_epoch=2, base_sequence=1)
        clean(rolled(log), checkpoint)
        assert [(h.base_offset, h.record_count) for h in headers_of(log)] == [(1, 1), (2, 1)]

    def test_the_last_batch_of_the_cleaned_part_stays_even_if_empty(self, log):
        put(log, b"k", b"v")
        put_without_key(log, b"no key")
        clean(rolled(log))
        assert [(h.base_offset, h.record_count) for h in headers_of(log)] == [(0, 1), (1, 0)]


class TestSegments:
    def test_small_ones_become_one(self, place, log):
        for number in range(6):
            put(log, b"k%d" % number, b"v")
            log.roll(NOW_MS)
        log.flush()
        before = log.size_bytes
        clean(log)
        assert log.segment_base_offsets == [0, 6]
        assert log.size_bytes == before
        assert len(kept_of(log)) == 6
        assert place.names(".snapshot") == [place.path(6, ".snapshot").name]
        assert place.names(".log") == [place.path(base, ".log").name for base in (0, 6)]
        assert len(place.names(".log.deleted")) == 6
        log.released_files.remove_due(NOW_MS + 60_000)
        assert not place.names(".deleted")

    def test_sources_are_not_removed_before_the_folder_is_synced(self, place):
        held = HeldBackground()
        place.environment = replace(place.environment, background=held)
        log = place.open()
        put(log, b"k", b"v")
        rolled(log)
        held.hold = True
        clean(log)
        assert log.released_files.remove_due(NOW_MS + 60_000) == 0
        held.finish_all()
        assert log.released_files.remove_due(NOW_MS + 60_000) == 3
        held.finish_all()
        assert not place.names(".deleted")

    def test_they_stay_within_the_segment_size(self, home):
        log = home(cleanup_policy=frozenset({"compact"}), segment_bytes=700).open()
        for number in range(12):
            put(log, b"k%d" % number, b"v" * 100)
            if number % 2:
                log.roll(NOW_MS)
        log.flush()
        sizes = [segment.size for segment in log.segments[:-1]]
        clean(log)
        assert sum(segment.size for segment in log.segments) == sum(sizes)
        assert all(segment.size <= 700 for segment in log.segments)
        assert len(log.segments) < len(sizes)

    def test_indexes_of_the_cleaned_segment_lead_to_its_batches(self, home):
        place = home(index_interval_bytes=200, **COMPACT)
        log = place.open()
        for number in range(100):
            put(log, b"k%d" % (number % 60), b"v" * 30, timestamps=NOW_MS + number)
        clean(rolled(log))
        assert len(log.segments[0].offset_index) > 10
        for offset in kept_of(log):
            data = log.read(offset, 1 << 20, up_to_offset=100, min_one_batch=True)
            assert int.from_bytes(data[:8], "big") == offset
            assert log.offset_for_timestamp(NOW_MS + offset).offset == offset
        assert log.read(3, 1 << 20, up_to_offset=100, min_one_batch=True)[:8] == (40).to_bytes(8, "big")
        log = place.reopen_after_close(log)
        assert len(log.segments[0].offset_index) > 10
        assert log.offset_of_max_timestamp().offset == 99

    def test_the_cleaned_segment_is_as_old_as_its_sources(self, place, log):
        put(log, b"k", b"v")
        rolled(log)
        os.utime(place.path(0, ".log"), (1000, 1000))
        clean(log)
        assert place.path(0, ".log").stat().st_mtime == 1000

    def test_a_segment_may_become_empty(self, place, log):
        put(log, b"k", b"old")
        log.roll(NOW_MS)
        put(log, b"k", b"new" * 100)
        rolled(log)
        log.update_config(replace(log.config, segment_bytes=100))
        clean(log)
        assert [(segment.base_offset, segment.size > 0) for segment in log.segments] == [
            (0, False),
            (1, True),
            (2, False),
        ]
        assert kept_of(log) == {1: (b"k", b"new" * 100)}
        log = place.reopen_after_close(log)
        assert kept_of(log) == {1: (b"k", b"new" * 100)}
        log = place.reopen_after_crash(log, recovery_point=0)
        assert kept_of(log) == {1: (b"k", b"new" * 100)}


class TestBounds:
    def test_a_full_map_ends_the_cleaning_and_the_next_one_goes_on(self, log):
        for number in range(40):
            put(log, b"k%d" % (number % 20), b"v%d" % number)
        rolled(log)
        buffers = CleaningBuffers(offset_map_bytes=24 * 11, load_factor=0.9, io_bytes=1000)
        checkpoint, checkpoints = None, []
        while checkpoint != 40:
            checkpoint = clean(log, checkpoint, buffers=buffers)
            checkpoints.append(checkpoint)
        assert checkpoints == [9, 18, 27, 36, 40]
        assert kept_of(log) == {n: (b"k%d" % (n - 20), b"v%d" % n) for n in range(20, 40)}

    def test_without_room_for_a_segment_nothing_is_begun(self, place, log, monkeypatch):
        put(log, b"k", b"v")
        cleaning = new_cleaning(rolled(log))
        size = log.segments[0].size
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=size - 1, f_frsize=1))
        with pytest.raises(OSError, match="No space left on device"):
            cleaning.build_map()
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=size))
        cleaning.build_map()
        cleaning.close()

    def test_a_batch_larger_than_the_buffer(self, log):
        put(log, b"k", b"old" * 5000)
        put(log, b"k", b"new" * 5000)
        put(log, b"l", b"small")
        clean(rolled(log), buffers=CleaningBuffers(1 << 20, 0.9, io_bytes=100))
        assert set(kept_of(log)) == {1, 2}

    def test_an_aborted_cleaning_leaves_nothing(self, place, log):
        put(log, b"k", b"v")
        pace = Pace(IoThrottle(UNLIMITED))
        cleaning = new_cleaning(rolled(log), pace=pace)
        cleaning.build_map()
        pace.abort()
        with pytest.raises(CleaningAborted):
            cleaning.clean_next()
        assert not place.names(".cleaned")

    @pytest.mark.parametrize("change", ["truncation", "retention", "more than one"])
    def test_a_log_that_changed_meanwhile_is_left_alone(self, place, log, change):
        for number in range(4):
            put(log, b"k", b"v%d" % number)
            log.roll(NOW_MS)
        log.flush()
        cleaning = new_cleaning(log, buffers=BUFFERS)
        cleaning.build_map()
        cleaned = cleaning.clean_next()
        if change == "truncation":
            log.truncate_to(2, NOW_MS)
        elif change == "retention":
            log.advance_log_start_offset(1)
            log.apply_retention(NOW_MS)
        else:
            clean(log)
        before = kept_of(log)
        assert not log.replace_segments(cleaned, cleaning.task.truncations, NOW_MS)
        assert kept_of(log) == before
        assert not place.names(".cleaned")

    def test_a_broken_batch_ends_it(self, place, log):
        put(log, b"k", b"v")
        rolled(log)
        content = bytearray(place.path(0, ".log").read_bytes())
        content[16] = 9
        place.path(0, ".log").write_bytes(content)
        with pytest.raises(Exception, match="magic 9"):
            clean(log)
        assert not place.names(".cleaned")
