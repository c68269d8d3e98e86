"""What compaction leaves of one batch."""

from __future__ import annotations

import pytest
from ottla.protocol.compression import Compression
from ottla.protocol.record_batch import check_crc, read_header
from ottla.protocol.records import Record, build_batch, read_records
from ottla.storage.batch_filter import BatchFilter, FilterRules, LastRecord, empty_batch
from ottla.storage.cleaned_transactions import CleanedTransactions
from ottla.storage.offset_map import OffsetMap

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS

RETENTION_MS = 1000
IDEMPOTENT = {"producer_id": 7, "producer_epoch": 3, "base_sequence": 40}


@pytest.fixture
def filter_batch():
    """filter_batch(batch, newest={key: offset}, ...) is (what stays, its header or None)."""
    maps = []

    def run(batch, newest=None, *, mapped_to=100, last_records=None, end_offset=1000, now_ms=NOW_MS):
        offsets = OffsetMap(1 << 16, 0.9, 100)
        maps.append(offsets)
        for key, offset in (newest or {}).items():
            offsets.put(key, offset)
        offsets.latest_offset = mapped_to
        rules = FilterRules(now_ms, RETENTION_MS, last_records or {}, end_offset)
        batches = BatchFilter(offsets, CleanedTransactions(), rules, lambda: None)
        data = memoryview(bytes(batch))
        left = batches.filter(data, read_header(data))
        if left is None or left is data:
            return left, None if left is None else read_header(data)
        check_crc(left, 0, read_header(left))
        return left, read_header(left)

    yield run
    for offsets in maps:
        offsets.close()


def batch_of(*records, **options):
    """Records as (key, value), from offset 10 on."""
    made = [Record(10 + i, NOW_MS + i, key, value) for i, (key, value) in enumerate(records)]
    return build_batch(made, base_offset=10, **options)


def offsets_in(left):
    return [record.offset for record in read_records(left, 0, read_header(left))]


class TestRecords:
    def test_all_stay_and_so_do_the_bytes(self, filter_batch):
        batch = batch_of((b"a", b"1"), (b"b", b"2"), compression=Compression.GZIP)
        left, _ = filter_batch(batch, {b"a": 10, b"b": 5})
        assert bytes(left) == bytes(batch)

    def test_older_ones_go(self, filter_batch):
        left, header = filter_batch(batch_of((b"a", b"1"), (b"b", b"2"), (b"c", b"3")), {b"a": 50, b"b": 11, b"c": 13})
        assert offsets_in(left) == [11]
        assert (header.base_offset, header.last_offset, header.record_count) == (10, 12, 1)
        assert header.base_timestamp == NOW_MS + 1

    def test_nothing_is_left(self, filter_batch):
        assert filter_batch(batch_of((b"a", b"1")), {b"a": 11}) == (None, None)

    def test_behind_the_map_everything_stays_even_without_a_key(self, filter_batch):
        batch = batch_of((b"a", b"1"), (None, b"2"), (None, b"3"))
        left, _ = filter_batch(batch, {b"a": 50}, mapped_to=10)
        assert offsets_in(left) == [11, 12]


class TestTombstones:
    def test_the_first_cleaning_writes_their_horizon(self, filter_batch):
        left, header = filter_batch(batch_of((b"a", None), (b"b", b"2")))
        assert offsets_in(left) == [10, 11]
        assert header.has_delete_horizon
        assert header.base_timestamp == NOW_MS + RETENTION_MS
        assert header.max_timestamp == NOW_MS + 1

    @pytest.mark.parametrize(("elapsed_ms", "kept"), [(-1, [10, 11]), (0, [11])])
    def test_at_the_horizon_they_go(self, filter_batch, elapsed_ms, kept):
        batch = batch_of((b"a", None), (b"b", b"2"), delete_horizon_ms=NOW_MS)
        left, header = filter_batch(batch, now_ms=NOW_MS + elapsed_ms)
        assert offsets_in(left) == kept
        assert header.base_timestamp == NOW_MS  # the horizon stays while the batch does

    def test_behind_the_map_they_get_one_too(self, filter_batch):
        _, header = filter_batch(batch_of((b"a", None)), mapped_to=5)
        assert header.has_delete_horizon

    def test_without_a_tombstone_there_is_none(self, filter_batch):
        _, header = filter_batch(batch_of((b"a", b"1"), (b"b", b"2")), {b"a": 90})
        assert not header.has_delete_horizon


class TestBatchesThatStayEmpty:
    def test_the_last_one_of_a_producer(self, filter_batch):
        batch = batch_of((b"a", b"1"), (b"a", b"2"), compression=Compression.GZIP, **IDEMPOTENT)
        _, header = filter_batch(batch, {b"a": 90}, last_records={7: LastRecord(11, 3)})
        assert (header.base_offset, header.last_offset, header.record_count) == (10, 11, 0)
        assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, 40)
        assert (header.compression, header.base_timestamp, header.max_timestamp) == (Compression.NONE, -1, NOW_MS + 1)

    @pytest.mark.parametrize("last", [LastRecord(12, 3), LastRecord(-1, 3), None])
    def test_not_an_earlier_one(self, filter_batch, last):
        batch = batch_of((b"a", b"1"), **IDEMPOTENT)
        assert filter_batch(batch, {b"a": 90}, last_records={} if last is None else {7: last}) == (None, None)

    def test_the_last_one_of_the_cleaned_part(self, filter_batch):
        _, header = filter_batch(batch_of((b"a", b"1")), {b"a": 90}, end_offset=11)
        assert header.record_count == 0

    def test_an_empty_one_goes_when_nothing_needs_it(self, filter_batch):
        emptied = empty_batch(read_header(batch_of((b"a", b"1"), **IDEMPOTENT)))
        assert filter_batch(emptied) == (None, None)
        left, _ = filter_batch(emptied, last_records={7: LastRecord(10, 3)})
        assert bytes(left) == bytes(emptied)

    @pytest.mark.parametrize(("epoch", "stays"), [(3, True), (4, False)])
    def test_a_marker_that_alone_has_the_producers_epoch(self, filter_batch, epoch, stays):
        batch = end_txn_batch(
            commit=True, base_offset=10, producer_id=7, producer_epoch=3, coordinator_epoch=0, timestamp_ms=NOW_MS
        )
        _, first = filter_batch(batch)
        assert first.has_delete_horizon
        left, _ = filter_batch(batch)
        later = NOW_MS + RETENTION_MS
        _, header = filter_batch(left, last_records={7: LastRecord(-1, epoch)}, now_ms=later)
        assert (header is not None) == stays
        assert not stays or (header.is_control, header.record_count) == (True, 0)
