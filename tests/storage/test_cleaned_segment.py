"""The files that a cleaning writes, and their way into the place of others."""

from __future__ import annotations

import pytest
from ottla.protocol.record_batch import read_header
from ottla.storage.cleaned_segment import CleanedSegment, CleanedSegmentWriter, SegmentSource, swap_in
from ottla.storage.files import OS_FILES
from ottla.storage.offset_index import OffsetIndex
from ottla.storage.time_index import TimeIndex
from ottla.storage.txn_index import AbortedTxn, TxnIndex

from .log_home import NOW_MS, producer_batch

STEM = f"{40:020d}"


@pytest.fixture
def writer(tmp_path):
    return CleanedSegmentWriter(str(tmp_path), 40, index_interval_bytes=150, buffer_bytes=200, files=OS_FILES)


def put(writer, offset, timestamp=NOW_MS):
    batch = producer_batch(b"v" * 10, base_offset=offset, timestamps=timestamp)
    return batch, writer.append(batch, read_header(batch))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_batches_and_indexes(tmp_path, writer):
    batches, written = [], []
    for offset, timestamp in ((41, 5), (43, 9), (44, 7), (50, 8), (51, 20)):
        batch, count = put(writer, offset, timestamp)
        batches.append(bytes(batch))
        written.append(count)
    size = len(batches[0])
    assert written == [0, 0, 3 * size, 0, 0]  # when the buffer is full
    writer.finish([AbortedTxn(1, 41, 43, 44)], 1_000_000_000)
    assert (tmp_path / f"{STEM}.log.cleaned").read_bytes() == b"".join(batches)
    assert writer.size_bytes == 5 * size
    offsets = OffsetIndex(str(tmp_path / f"{STEM}.index.cleaned"), 40)
    offsets.load()
    assert offsets.entries() == [(44, 2 * size), (51, 4 * size)]
    times = TimeIndex(str(tmp_path / f"{STEM}.timeindex.cleaned"), 40)
    times.load()
    assert times.entries() == [(9, 43), (20, 51)]
    assert TxnIndex(str(tmp_path / f"{STEM}.txnindex.cleaned")).entries() == [AbortedTxn(1, 41, 43, 44)]
    assert (tmp_path / f"{STEM}.log.cleaned").stat().st_mtime == 1


def test_an_empty_segment_has_empty_indexes_and_no_transaction_index(tmp_path, writer):
    writer.finish([], 0)
    assert names(tmp_path) == [f"{STEM}.index.cleaned", f"{STEM}.log.cleaned", f"{STEM}.timeindex.cleaned"]
    assert all(path.stat().st_size == 0 for path in tmp_path.iterdir())


@pytest.mark.parametrize("offset", [39, 40 + (1 << 31)])
def test_an_offset_that_does_not_fit_the_segment(writer, offset):
    with pytest.raises(ValueError, match="too far"):
        put(writer, offset)
    writer.abandon()


def test_what_an_earlier_one_left_is_not_mixed_in(tmp_path):
    for suffix in ("log", "txnindex"):
        (tmp_path / f"{STEM}.{suffix}.cleaned").write_bytes(b"rubbish")
    writer = CleanedSegmentWriter(str(tmp_path), 40, index_interval_bytes=150, buffer_bytes=200, files=OS_FILES)
    writer.finish([], 0)
    assert (tmp_path / f"{STEM}.log.cleaned").read_bytes() == b""
    assert not (tmp_path / f"{STEM}.txnindex.cleaned").exists()


def test_an_abandoned_one_leaves_nothing(tmp_path, writer):
    put(writer, 41)
    writer.abandon()
    assert names(tmp_path) == []


def test_the_swap(tmp_path, writer):
    put(writer, 41)
    writer.finish([], 0)
    sources = []
    for base in (40, 60):
        stem = tmp_path / f"{base:020d}"
        for suffix in (".log", ".index", ".timeindex", ".txnindex")[: 4 if base == 60 else 3]:
            stem.with_suffix(suffix).write_bytes(b"old")
        sources.append(SegmentSource(str(stem), base, 3))
    snapshot = tmp_path / f"{60:020d}.snapshot"
    snapshot.write_bytes(b"old")
    cleaned = CleanedSegment(str(tmp_path / STEM), 40, writer.size_bytes, tuple(sources))
    deleted = swap_in(OS_FILES, cleaned, [str(snapshot), str(tmp_path / "not there")])
    assert sorted(deleted) == [str(tmp_path / name) for name in names(tmp_path) if name.endswith(".deleted")]
    assert len(deleted) == 8
    assert [name for name in names(tmp_path) if not name.endswith(".deleted")] == [
        f"{STEM}.index",
        f"{STEM}.log",
        f"{STEM}.timeindex",
    ]
    assert (tmp_path / f"{STEM}.log").stat().st_size == writer.size_bytes
