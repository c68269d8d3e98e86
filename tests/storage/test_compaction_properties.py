"""Random logs, cleaned again and again, against a model that is a dict.

Whatever was written and however often it is cleaned: replaying gives the same last committed value of each key.
Offsets never change, nothing at or above the first uncleanable offset is touched, tombstones live as long as they must,
and producers can go on.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ottla.protocol.compression import Compression
from ottla.protocol.records import Record, RecordHeader, build_batch
from ottla.storage.append import AppendOrigin
from ottla.storage.cleanable import log_to_clean
from ottla.storage.compaction import CleaningBuffers

from ..harness.markers import end_txn_batch
from .compaction_home import batches_of, clean
from .log_home import NOW_MS, LogHome, append_raw

pytestmark = pytest.mark.timeout(600)  # thousands of files on a busy machine

DELETE_RETENTION_MS = 1000
elapsed = st.sampled_from([0, 1, DELETE_RETENTION_MS - 1, DELETE_RETENTION_MS, 90_000_000])
keys = st.integers(0, 6).map(lambda number: b"k%d" % number)
values = st.none() | st.binary(max_size=40)
producer_ids = st.sampled_from([-1, -1, 1, 2, 11, 12])
contents = st.lists(st.tuples(keys, values, st.integers(-5, 5)), min_size=1, max_size=4)


class CompactedLog(RuleBasedStateMachine):
    """`records` is everything that was written, by offset; `committed` the committed value of each key."""

    @initialize(
        segment_bytes=st.integers(300, 2000), map_entries=st.integers(3, 60), io_bytes=st.sampled_from([61, 300, 4096])
    )
    def start(self, segment_bytes, map_entries, io_bytes):
        self.folder = Path(tempfile.mkdtemp())
        self.place = LogHome(
            self.folder / "t-0",
            cleanup_policy=frozenset({"compact"}),
            segment_bytes=segment_bytes,
            index_interval_bytes=100,
            delete_retention_ms=DELETE_RETENTION_MS,
        )
        self.buffers = CleaningBuffers(24 * map_entries, 0.9, io_bytes)
        self.log = self.place.open()
        self.now_ms = NOW_MS
        self.checkpoint: int | None = None
        self.written: dict[int, tuple] = {}
        self.committed: dict[bytes, tuple[int, bytes | None]] = {}
        self.leader_epoch = 0
        self.sequences: dict[int, int] = {}
        self.open: dict[int, list[tuple[int, bytes, bytes | None]]] = {}

    def teardown(self):
        if hasattr(self, "folder"):
            self.log.abandon()
            shutil.rmtree(self.folder)

    # ------------------------------------------------------------------ writing

    @rule(
        batches=st.lists(st.tuples(contents, st.sampled_from(Compression), producer_ids), max_size=6),
        elapsed_ms=elapsed,
        cleans=st.booleans(),
    )
    def write(self, batches, elapsed_ms, cleans):
        self.now_ms += elapsed_ms
        self.log.expire_producers(self.now_ms)
        for content, codec, producer_id in batches:
            self._append(content, codec, producer_id)
        if cleans:
            self._clean()

    def _append(self, content, codec, producer_id):
        records = [
            Record(offset, self.now_ms + delta, key, value, (RecordHeader("h", value),))
            for offset, (key, value, delta) in enumerate(content)
        ]
        options = {"compression": codec}
        if producer_id > 0:
            sequence = self.sequences.get(producer_id, 0)
            self.sequences[producer_id] = sequence + len(records)
            options |= {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": sequence}
            options |= {"is_transactional": producer_id > 10}
        batch = build_batch(records, base_offset=0, **options)
        base = self._put(batch, AppendOrigin.CLIENT)
        for record in records:
            self.written[base + record.offset] = (*record[1:], codec, producer_id, self.leader_epoch)
            self._count(producer_id, base + record.offset, record.key, record.value)

    def _put(self, batch, origin) -> int:
        return append_raw(
            self.log, batch, origin=origin, leader_epoch=self.leader_epoch, now_ms=self.now_ms
        ).base_offset

    @rule()
    def next_leader(self):
        self.leader_epoch += 1

    def _count(self, producer_id, offset, key, value):
        if producer_id > 10:
            self.open.setdefault(producer_id, []).append((offset, key, value))
        else:
            self.committed[key] = max(self.committed.get(key, (-1, None)), (offset, value), key=lambda pair: pair[0])

    @precondition(lambda self: self.open)
    @rule(data=st.data(), commit=st.booleans())
    def end_transaction(self, data, commit):
        producer_id = data.draw(st.sampled_from(sorted(self.open)))
        marker = end_txn_batch(
            commit=commit,
            base_offset=0,
            producer_id=producer_id,
            producer_epoch=0,
            coordinator_epoch=0,
            timestamp_ms=self.now_ms,
        )
        self._put(marker, AppendOrigin.COORDINATOR)
        for offset, key, value in self.open.pop(producer_id):
            if commit and offset > self.committed.get(key, (-1, None))[0]:
                self.committed[key] = (offset, value)

    # ------------------------------------------------------------------ cleaning

    def _clean(self):
        self.log.roll(self.now_ms)
        self.log.flush()
        cleanable = log_to_clean(self.log, self.checkpoint, self.now_ms)
        if not cleanable.cleanable_bytes:
            return
        end_offset = cleanable.first_uncleanable_offset
        before = batches_of(self.log)
        untouched = [bytes(data) for data, header in self.log.batches(end_offset) if header.base_offset >= end_offset]
        self.checkpoint = clean(self.log, self.checkpoint, now_ms=self.now_ms, buffers=self.buffers)
        assert cleanable.first_dirty_offset < self.checkpoint <= end_offset
        assert untouched == [
            bytes(data) for data, header in self.log.batches(end_offset) if header.base_offset >= end_offset
        ]
        self._check_what_went(before, batches_of(self.log))

    def _check_what_went(self, before, after):
        left = {header.base_offset: (header, records) for header, records in after}
        for header, records in before:
            kept_header, kept_records = left.get(header.base_offset, (None, []))
            if kept_header is not None:
                assert kept_header[9:12] == header[9:12]  # producer id, epoch, sequence
                assert kept_header.last_offset == header.last_offset
                assert kept_header.partition_leader_epoch == header.partition_leader_epoch
                assert (kept_header.is_control, kept_header.is_transactional) == (
                    header.is_control,
                    header.is_transactional,
                )
            kept = {record.offset for record in kept_records}
            for record in records:
                if record.offset not in kept:
                    self._check_may_go(header, record)

    def _check_may_go(self, header, record):
        is_over = header.has_delete_horizon and header.base_timestamp <= self.now_ms
        if header.is_control or (
            record.value is None and self.committed.get(record.key, (-1, None))[0] == record.offset
        ):
            assert is_over

    @rule(crash=st.booleans())
    def restart(self, crash):
        if crash:
            self.log = self.place.reopen_after_crash(self.log)
        else:
            self.log = self.place.reopen_after_close(self.log)

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def replaying_gives_the_last_committed_values(self):
        aborted = self.log.aborted_transactions(0, self.log.log_end_offset)
        found: dict[bytes, tuple[int, bytes | None]] = {}
        for header, records in batches_of(self.log):
            for record in [] if header.is_control else records:
                assert (*record[1:], header.compression, header.producer_id, header.partition_leader_epoch) == (
                    self.written[record.offset]
                )
                is_open = any(record.offset == entry[0] for txn in self.open.values() for entry in txn)
                if not is_open and not is_aborted(header, aborted):
                    found[record.key] = (record.offset, record.value)
        expected = {key: pair for key, pair in self.committed.items() if pair[1] is not None}
        assert {key: pair for key, pair in found.items() if pair[1] is not None} == expected

    @invariant()
    def producers_can_go_on(self):
        for producer_id, entry in self.log.producers.entries.items():
            assert entry.last_sequence == self.sequences[producer_id] - 1
        for header, _ in batches_of(self.log):
            assert header.base_offset <= header.last_offset < self.log.log_end_offset

    @invariant()
    def batches_follow_each_other(self):
        last = -1
        for header, records in batches_of(self.log):
            assert last < header.base_offset
            last = header.last_offset
            assert all(header.base_offset <= record.offset <= header.last_offset for record in records)


def is_aborted(header, aborted) -> bool:
    return header.is_transactional and any(
        txn.producer_id == header.producer_id and txn.first_offset <= header.base_offset <= txn.last_offset
        for txn in aborted
    )


TestCompactedLog = CompactedLog.TestCase
TestCompactedLog.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
