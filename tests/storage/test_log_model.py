"""The log against a dictionary, through any order of appends, truncations, deletions, stops and crashes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ottla.protocol.compression import Compression
from ottla.storage.append import OffsetOutOfRange
from ottla.storage.recovery import OpenedFrom

from .log_home import NOW_MS, LogHome, append, records_of, whole_batches

PRODUCER_ID = 5


class LogMachine(RuleBasedStateMachine):
    """`batches` is what must be in the log: (base offset, [(value, timestamp)]), one batch an entry."""

    @initialize(segment_bytes=st.sampled_from([200, 400, 1000]), index_interval_bytes=st.sampled_from([0, 100, 300]))
    def begin(self, segment_bytes, index_interval_bytes):
        self.directory = Path(tempfile.mkdtemp(prefix="ottla-log-"))
        self.home = LogHome(
            self.directory / "t-0", segment_bytes=segment_bytes, index_interval_bytes=index_interval_bytes
        )
        self.log = self.home.open()
        self.batches: list[tuple[int, list[tuple[bytes, int]]]] = []
        self.start = self.end = 0
        self.counter = 0
        self.sequences: dict[int, int] = {}  # base offset -> base sequence, of the idempotent batches

    def expected(self) -> dict[int, tuple[bytes, int]]:
        found = {}
        for base, records in self.batches:
            found |= {base + i: record for i, record in enumerate(records) if base + i >= self.start}
        return found

    # What may happen

    @rule(
        count=st.integers(1, 4),
        size=st.integers(0, 40),
        time=st.integers(0, 50),
        codec=st.sampled_from([Compression.NONE, Compression.NONE, Compression.GZIP]),
        idempotent=st.booleans(),
    )
    def append(self, count, size, time, codec, idempotent):
        values = [b"%d:" % (self.counter + i) + b"x" * (size // count) for i in range(count)]
        self.counter += count
        times = [NOW_MS + time + (i * 7) % 5 for i in range(count)]
        options = {}
        if idempotent:
            sequence = self.next_sequence()
            options = {"producer_id": PRODUCER_ID, "producer_epoch": 0, "base_sequence": sequence}
            self.sequences[self.end] = sequence
        appended = append(self.log, *values, timestamps=times, compression=codec, **options)
        assert (appended.base_offset, appended.is_duplicate) == (self.end, False)
        self.batches.append((self.end, list(zip(values, times, strict=True))))
        self.end += count

    def next_sequence(self) -> int:
        """After the last batch that the log still knows of; an unknown producer may begin where it likes."""
        known = self.log.producers.entries.get(PRODUCER_ID)
        return 0 if known is None else known.last_sequence + 1

    @precondition(lambda self: self.batches)
    @rule(back=st.integers(0, 12))
    def truncate(self, back):
        offset = max(self.end - back, self.start)
        self.log.truncate_to(offset, NOW_MS)
        self.forget_from(offset)
        self.end = offset

    def forget_from(self, offset):
        self.batches = [(base, records) for base, records in self.batches if base + len(records) <= offset]
        kept = {base for base, _ in self.batches}
        self.sequences = {base: sequence for base, sequence in self.sequences.items() if base in kept}

    def restarted(self):
        """A log that was cut inside a batch ended behind its last one; after a start it ends there."""
        last_end = self.batches[-1][0] + len(self.batches[-1][1]) if self.batches else 0
        self.end = max(self.start, self.log.active_base_offset, last_end)

    @rule(forward=st.integers(0, 8))
    def delete_before(self, forward):
        offset = min(self.start + forward, self.end)
        assert self.log.advance_log_start_offset(offset) is (offset > self.start)
        self.start = offset

    @rule()
    def apply_retention(self):
        """Time is not over for any record, so only what is below the start offset goes."""
        self.log.apply_retention(NOW_MS)
        self.log.released_files.remove_due(NOW_MS + 10**9)

    @rule()
    def flush(self):
        self.log.flush()

    @rule()
    def stop_and_start(self):
        self.log = self.home.reopen_after_close(self.log)
        self.restarted()

    @rule()
    def crash(self):
        self.log = self.home.reopen_after_crash(self.log)
        self.restarted()

    @precondition(lambda self: self.batches and self.log.recovery_point <= self.batches[-1][0])
    @rule(data=st.data())
    def crash_that_tears_the_last_batch(self, data):
        base = self.batches[-1][0]
        path = self.home.path(self.log.active_base_offset, ".log")
        headers = [header for _, header in self.log.batches(self.log.active_base_offset)]
        self.log.abandon()
        if not headers:
            self.log = self.home.reopen_after_crash(self.log)
            self.restarted()
            return
        last = headers[-1].size_bytes
        os.truncate(path, path.stat().st_size - data.draw(st.integers(1, last), label="torn bytes"))
        self.log = self.home.open(OpenedFrom(self.log.log_start_offset, self.log.recovery_point))
        self.forget_from(base)
        self.restarted()

    # What must hold

    @invariant()
    def it_reads_as_the_model(self):
        expected = self.expected()
        found = {record.offset: (record.value, record.timestamp) for record in records_of(self.log)}
        assert found == expected
        assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)
        assert self.log.size_bytes == sum(header.size_bytes for _, header in self.log.batches(0))

    @invariant()
    def every_offset_is_found_where_it_is(self):
        for base, records in self.batches:
            for offset in range(max(base, self.start), base + len(records)):
                data = self.log.read(offset, 1, up_to_offset=self.end, min_one_batch=True)
                assert whole_batches(data)[0] == (base, base + len(records) - 1)
        for outside in (self.start - 1, self.end + 1):
            with pytest.raises(OffsetOutOfRange):
                self.log.read(outside, 1, up_to_offset=self.end, min_one_batch=True)

    @invariant()
    def every_time_is_found_where_it_is(self):
        expected = self.expected()
        for asked in range(NOW_MS - 1, NOW_MS + 56, 4):
            wanted = next(((time, offset, 0) for offset, (_, time) in sorted(expected.items()) if time >= asked), None)
            assert self.log.offset_for_timestamp(asked) == wanted

    @invariant()
    def the_last_idempotent_batch_is_known(self):
        """Unless its records are below the start of the log: its producer may be forgotten with them."""
        if self.sequences and max(self.sequences) >= self.start:
            base = max(self.sequences)
            count = len(dict(self.batches)[base])
            entry = self.log.producers.entries[PRODUCER_ID]
            assert entry.batches[-1].first_offset == base
            assert entry.last_sequence == self.sequences[base] + count - 1

    def teardown(self):
        if hasattr(self, "log"):
            self.log.abandon()
            shutil.rmtree(self.directory)


LogMachine.TestCase.settings = settings(max_examples=250, stateful_step_count=30, deadline=None)
TestLogAgainstModel = LogMachine.TestCase
