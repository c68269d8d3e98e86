"""What read_committed consumers need of a log: the last stable offset, and which transactions were aborted."""

from __future__ import annotations

from ottla.storage.append import AppendOrigin

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, append, append_raw, whole_batches


class TestTransactions:
    def transactional(self, log, producer_id, sequence, value=b"v"):
        options = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": sequence}
        return append(log, value, is_transactional=True, **options)

    def end(self, log, producer_id, *, commit):
        marker = end_txn_batch(
            commit=commit, base_offset=0, producer_id=producer_id, producer_epoch=0, coordinator_epoch=0, timestamp_ms=1
        )
        return append_raw(log, marker, origin=AppendOrigin.COORDINATOR)

    def test_an_open_transaction_holds_the_last_stable_offset(self, home):
        log = home().open()
        append(log, b"plain")
        self.transactional(log, 1, 0)
        self.transactional(log, 2, 0)
        assert log.last_stable_offset == 1
        self.end(log, 2, commit=True)
        assert log.last_stable_offset == 1
        assert whole_batches(log.read(0, 1 << 20, up_to_offset=log.last_stable_offset, min_one_batch=True)) == [(0, 0)]
        self.end(log, 1, commit=True)
        assert log.last_stable_offset == log.log_end_offset == 5

    def test_a_marker_counts_once_it_is_below_the_high_watermark(self, home):
        log = home().open()
        self.transactional(log, 1, 0)
        marker = end_txn_batch(
            commit=True, base_offset=0, producer_id=1, producer_epoch=0, coordinator_epoch=0, timestamp_ms=1
        )
        log.append(memoryview(marker), leader_epoch=0, now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR)
        assert (log.high_watermark, log.last_stable_offset) == (1, 0)
        log.high_watermark = 2
        assert log.last_stable_offset == 2

    def test_it_is_never_above_the_high_watermark_nor_below_the_start(self, home):
        log = home().open()
        append(log, b"plain")
        self.transactional(log, 1, 0)
        append(log, b"plain")
        log.high_watermark = 1
        assert log.last_stable_offset == 1
        log.high_watermark = 3
        log.advance_log_start_offset(2)
        assert log.last_stable_offset == 2

    def test_aborted_ones_are_told_across_segments_and_restarts(self, home):
        place = home(segment_bytes=200)
        log = place.open()
        for producer_id, commit in ((1, False), (2, True), (3, False)):
            self.transactional(log, producer_id, 0, bytes(30))
            self.end(log, producer_id, commit=commit)
        expected = [(1, 0, 1, 2), (3, 4, 5, 6)]
        assert len(log.segment_base_offsets) == 3
        assert log.aborted_transactions(0, 6) == expected
        assert log.aborted_transactions(2, 4) == []
        log = place.reopen_after_close(log)
        assert log.aborted_transactions(0, 6) == expected
        log = place.reopen_after_crash(log, recovery_point=0)
        assert log.aborted_transactions(0, 6) == expected

    def test_truncating_a_marker_opens_its_transaction_again(self, home):
        log = home().open()
        self.transactional(log, 1, 0)
        self.end(log, 1, commit=False)
        log.truncate_to(1, NOW_MS)
        assert log.last_stable_offset == 0
        assert log.aborted_transactions(0, 1) == []
        self.end(log, 1, commit=True)
        assert log.last_stable_offset == 2
