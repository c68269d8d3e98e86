"""A log with transactions of several producers, through any order of writes, ends, stops and crashes.

- The last stable offset never passes an open transaction.
- A committed transaction is wholly visible to who reads what is committed, and an aborted one wholly not.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import read_records
from ottla.storage.append import AppendOrigin

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, LogHome, append, producer_batch

PRODUCERS = st.sampled_from([1, 2, 3])


class TransactionalLogMachine(RuleBasedStateMachine):
    """`open` and `committed` are what must be in the log: values by offset, of each producer's open transaction."""

    @initialize(segment_bytes=st.sampled_from([200, 400, 10_000]))
    def begin(self, segment_bytes):
        self.directory = Path(tempfile.mkdtemp(prefix="ottla-log-"))
        self.home = LogHome(self.directory / "t-0", segment_bytes=segment_bytes)
        self.log = self.home.open()
        self.open: dict[int, dict[int, bytes]] = {}
        self.committed: dict[int, bytes] = {}
        self.ended_at: list[tuple[int, int]] = []
        """(first offset, offset of the marker) of each transaction that has ended."""
        self.sequences: dict[int, int] = {}

    def values(self, count: int) -> list[bytes]:
        return [b"%d" % (self.log.log_end_offset + index) for index in range(count)]

    @rule(producer=PRODUCERS, count=st.integers(1, 3), is_replicated=st.booleans())
    def write(self, producer, count, is_replicated):
        values, first = self.values(count), self.log.log_end_offset
        sequence = self.sequences.get(producer, 0)
        said = {"producer_id": producer, "producer_epoch": 0, "base_sequence": sequence, "is_transactional": True}
        batch = producer_batch(*values, **said)
        self.log.append(batch, leader_epoch=0, now_ms=NOW_MS, origin=AppendOrigin.CLIENT)
        self.sequences[producer] = sequence + count
        self.open.setdefault(producer, {}).update({first + index: value for index, value in enumerate(values)})
        if is_replicated:
            self.replicate()

    @rule(count=st.integers(1, 3))
    def write_outside(self, count):
        first = self.log.log_end_offset
        values = self.values(count)
        append(self.log, *values)
        self.committed |= {first + index: value for index, value in enumerate(values)}

    @rule(producer=PRODUCERS, is_commit=st.booleans(), is_replicated=st.booleans())
    def end(self, producer, is_commit, is_replicated):
        if producer not in self.open:
            return
        marker = end_txn_batch(
            commit=is_commit,
            base_offset=0,
            producer_id=producer,
            producer_epoch=0,
            coordinator_epoch=0,
            timestamp_ms=NOW_MS,
        )
        written = self.open.pop(producer)
        self.ended_at.append((min(written), self.log.log_end_offset))
        self.log.append(memoryview(marker), leader_epoch=0, now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR)
        if is_commit:
            self.committed |= written
        if is_replicated:
            self.replicate()

    @rule()
    def replicate(self):
        self.log.high_watermark = self.log.log_end_offset

    @rule()
    def stop_and_start(self):
        self.log = self.home.reopen_after_close(self.log)

    @precondition(lambda self: self.log.log_end_offset)
    @rule(everything=st.booleans())
    def crash(self, everything):
        self.log = self.home.reopen_after_crash(self.log, recovery_point=0 if everything else None)

    # ---- what must hold

    @invariant()
    def the_last_stable_offset_never_passes_an_open_transaction(self):
        if not hasattr(self, "log"):
            return
        high_watermark = self.log.high_watermark
        still_open = [min(written) for written in self.open.values()]
        # One whose marker nobody may see yet is as good as open.
        still_open += [first for first, marker in self.ended_at if marker >= high_watermark]
        assert self.log.last_stable_offset == min([high_watermark, *still_open])

    @invariant()
    def a_committed_transaction_is_wholly_visible_and_an_aborted_one_wholly_not(self):
        if hasattr(self, "log"):
            stable = self.log.last_stable_offset
            visible = {offset: value for offset, value in self.committed.items() if offset < stable}
            assert self.read_committed(stable) == visible

    def read_committed(self, stable: int) -> dict[int, bytes]:
        """What a consumer hands to its application: the records up to there, without those of aborted transactions."""
        aborted = sorted((entry.first_offset, entry.producer_id) for entry in self.log.aborted_transactions(0, stable))
        in_aborted: set[int] = set()
        found: dict[int, bytes] = {}
        offset = 0
        while offset < stable:
            data = self.log.read(offset, 1 << 20, up_to_offset=stable, min_one_batch=True)
            for position, header in read_headers(data):
                while aborted and aborted[0][0] <= header.last_offset:
                    in_aborted.add(aborted.pop(0)[1])
                offset = header.next_offset
                if header.is_control:
                    in_aborted.discard(header.producer_id)
                elif header.producer_id not in in_aborted:
                    found |= {record.offset: bytes(record.value) for record in read_records(data, position, header)}
        return found

    def teardown(self):
        if hasattr(self, "log"):
            self.log.abandon()
            shutil.rmtree(self.directory)


TestTransactionalLog = TransactionalLogMachine.TestCase
TestTransactionalLog.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
