"""What of a log can be cleaned, how dirty it is, and which segments become one."""

from __future__ import annotations

import pytest
from ottla.storage.cleanable import group_segments, log_to_clean
from ottla.storage.cleaned_segment import SegmentSource
from ottla.storage.log_config import LogConfig

from .log_home import NOW_MS, append

COMPACT = {"cleanup_policy": frozenset({"compact"}), "segment_bytes": 1 << 20}


@pytest.fixture
def filled(home):
    """A log of five segments with two records each, a second apart, all on the disk; the last one is active."""

    def make(**config):
        log = home(**COMPACT, **config).open()
        for number in range(10):
            append(log, b"v" * 100, key=b"k%d" % number, timestamps=NOW_MS + 1000 * number)
            if number % 2 and number < 9:
                log.roll(NOW_MS)
        log.flush()
        return log

    return make


def spans(found):
    return found.first_dirty_offset, found.first_uncleanable_offset


class TestRange:
    def test_all_but_the_active_segment(self, filled):
        log = filled()
        found = log_to_clean(log, None, NOW_MS)
        assert spans(found) == (0, 8)
        assert found.clean_bytes == 0
        assert found.cleanable_bytes == sum(segment.size for segment in log.segments[:-1])
        assert found.dirty_ratio == 1
        assert found.is_due

    def test_behind_the_checkpoint(self, filled):
        log = filled()
        found = log_to_clean(log, 4, NOW_MS)
        assert spans(found) == (4, 8)
        assert found.clean_bytes == found.cleanable_bytes
        assert found.dirty_ratio == 0.5
        assert not found.is_due

    def test_a_checkpoint_within_a_segment_counts_that_segment_twice(self, filled):
        found = log_to_clean(filled(), 5, NOW_MS)
        assert spans(found) == (5, 8)
        assert found.clean_bytes == 1.5 * found.cleanable_bytes

    @pytest.mark.parametrize("checkpoint", [8, 9, 10])
    def test_nothing_is_left_to_be_cleaned(self, filled, checkpoint):
        found = log_to_clean(filled(min_cleanable_dirty_ratio=0.0), checkpoint, NOW_MS)
        assert (found.cleanable_bytes, found.is_due, found.is_checkpoint_wrong) == (0, False, False)

    def test_not_beyond_the_last_stable_offset(self, filled):
        log = filled()
        log.high_watermark = 5
        assert spans(log_to_clean(log, None, NOW_MS)) == (0, 4)

    def test_not_beyond_what_is_on_the_disk(self, home):
        log = home(**COMPACT).open()
        for number in range(4):
            append(log, b"v", key=b"k%d" % number)
            if number == 1:
                log.roll(NOW_MS)
        log.sync.sync_now()
        assert spans(log_to_clean(log, None, NOW_MS)) == (0, 2)

    def test_not_what_is_too_young(self, filled):
        log = filled(min_compaction_lag_ms=5000)
        # The segments' newest records are 1, 3, 5 and 7 seconds behind the first one.
        assert spans(log_to_clean(log, None, NOW_MS + 9999)) == (0, 4)
        assert spans(log_to_clean(log, None, NOW_MS + 10_000)) == (0, 6)
        assert spans(log_to_clean(log, None, NOW_MS)) == (0, 0)
        assert not log_to_clean(log, None, NOW_MS).is_due

    def test_the_log_start_offset_is_the_first_dirty_one(self, filled):
        log = filled()
        log.advance_log_start_offset(3)
        assert spans(log_to_clean(log, None, NOW_MS)) == (3, 8)

    @pytest.mark.parametrize("checkpoint", [2, 11])
    def test_a_checkpoint_outside_of_the_log_is_wrong(self, filled, checkpoint):
        log = filled()
        log.advance_log_start_offset(3)
        found = log_to_clean(log, checkpoint, NOW_MS)
        assert found.is_checkpoint_wrong
        assert found.first_dirty_offset == 3


class TestWhen:
    def test_the_ratio_must_be_exceeded(self, filled):
        log = filled(min_cleanable_dirty_ratio=0.5)
        assert not log_to_clean(log, 4, NOW_MS).is_due
        assert log_to_clean(log, 2, NOW_MS).is_due

    def test_max_compaction_lag(self, filled):
        log = filled(min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=60_000)
        # The oldest dirty segment's first batch is 4 seconds behind the first one.
        assert not log_to_clean(log, 4, NOW_MS + 64_000).is_due
        assert log_to_clean(log, 4, NOW_MS + 64_001).is_due
        assert not log_to_clean(log, 8, NOW_MS + 99_000).is_due

    def test_an_empty_log_is_not_dirty(self, home):
        found = log_to_clean(home(**COMPACT).open(), None, NOW_MS)
        assert (found.dirty_ratio, found.is_due) == (0, False)


class TestGroups:
    def groups(self, sources, end_offset=1000, **config):
        found = group_segments(sources, LogConfig(**{"segment_bytes": 100, **config}), end_offset)
        return [[source.base_offset for source in group] for group in found]

    def sources(self, folder, *described):
        return [SegmentSource(str(folder / f"{base:020d}"), base, size) for base, size in described]

    def test_by_bytes(self, tmp_path):
        sources = self.sources(tmp_path, (0, 40), (10, 40), (20, 20), (30, 1), (40, 100), (50, 0), (60, 5))
        assert self.groups(sources) == [[0, 10, 20], [30], [40, 50], [60]]

    def test_a_segment_that_is_too_large_stays_alone(self, tmp_path):
        assert self.groups(self.sources(tmp_path, (0, 400), (10, 1), (20, 400))) == [[0], [10], [20]]

    @pytest.mark.parametrize("suffix", [".index", ".timeindex"])
    def test_by_index_bytes(self, tmp_path, suffix):
        sources = self.sources(tmp_path, (0, 1), (10, 1), (20, 1))
        for source, size in zip(sources, (24, 24, 48), strict=True):
            (tmp_path / (source.stem + suffix)).write_bytes(b"\1" * size + b"\0" * 1000)
        assert self.groups(sources, segment_index_bytes=60) == [[0, 10], [20]]

    def test_by_offsets(self, tmp_path):
        sources = self.sources(tmp_path, (0, 1), (10, 1))
        assert self.groups(sources, 1 << 31) == [[0, 10]]
        assert self.groups(sources, (1 << 31) + 1) == [[0], [10]]
        assert self.groups(self.sources(tmp_path, (0, 1), (10, 0)), (1 << 31) + 1) == [[0, 10]]
        assert self.groups(self.sources(tmp_path, (0, 1), (10, 1), (1 << 31, 1)), 1 << 33) == [[0, 10], [1 << 31]]

    def test_by_number(self, tmp_path):
        groups = self.groups(self.sources(tmp_path, *((number, 0) for number in range(250))))
        assert [len(group) for group in groups] == [100, 100, 50]

    def test_nothing_makes_no_group(self):
        assert self.groups([]) == []
