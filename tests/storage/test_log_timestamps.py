"""Look-ups by timestamp: down to the record, across segments, inside compressed batches."""

from __future__ import annotations

import pytest
from ottla.protocol.compression import Compression

from .log_home import NOW_MS, append

CODECS = [Compression.NONE, Compression.GZIP, Compression.ZSTD]


@pytest.mark.parametrize("codec", CODECS)
class TestTimestamps:
    def filled(self, home, codec, **config):
        """Offsets 0 to 29 in batches of three; each later by 10 ms, but the middle of a batch is its newest."""
        log = home(segment_bytes=400, index_interval_bytes=100, **config).open()
        for first in range(0, 30, 3):
            times = [NOW_MS + 10 * first + delta for delta in (0, 20, 10)]
            append(log, b"a" * 20, b"b" * 20, b"c" * 20, timestamps=times, compression=codec)
        assert len(log.segment_base_offsets) > 2
        return log

    def test_the_first_record_that_is_not_older(self, home, codec):
        log = self.filled(home, codec)
        times = [NOW_MS + 10 * first + delta for first in range(0, 30, 3) for delta in (0, 20, 10)]
        for asked in range(NOW_MS - 5, NOW_MS + 295, 5):
            expected = next(((time, offset, 0) for offset, time in enumerate(times) if time >= asked), None)
            assert log.offset_for_timestamp(asked) == expected

    def test_the_newest_record(self, home, codec):
        assert self.filled(home, codec).offset_of_max_timestamp() == (NOW_MS + 290, 28, 0)

    def test_all_records_of_a_batch_have_the_time_of_its_append(self, home, codec):
        log = home(message_timestamp_type="LogAppendTime").open()
        for number in range(3):
            append(log, b"a", b"b", timestamps=[1, 2], now_ms=NOW_MS + number, compression=codec)
        assert log.offset_for_timestamp(NOW_MS + 1) == (NOW_MS + 1, 2, 0)
        assert log.offset_for_timestamp(NOW_MS + 3) is None
        assert log.offset_of_max_timestamp() == (NOW_MS + 2, 4, 0)


class TestTimestampsOfAll:
    def test_the_first_of_equal_ones_is_the_newest(self, home):
        log = home().open()
        for timestamps in ([5, 9], [9, 9], [3, 3]):
            append(log, b"a", b"b", timestamps=timestamps)
        assert log.offset_of_max_timestamp() == (9, 1, 0)

    def test_a_log_without_any(self, home):
        log = home().open()
        assert log.offset_of_max_timestamp() is None
        append(log, b"a", timestamps=-1)
        assert log.offset_of_max_timestamp() == (-1, 0, 0)
        assert log.offset_for_timestamp(0) is None

    def test_the_leader_epoch_is_that_of_the_record(self, home):
        log = home().open()
        append(log, b"a", timestamps=5, leader_epoch=3)
        append(log, b"b", timestamps=6, leader_epoch=8)
        assert log.offset_for_timestamp(5) == (5, 0, 3)
        assert log.offset_of_max_timestamp() == (6, 1, 8)
