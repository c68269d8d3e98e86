"""Sequence numbers, epochs and transactions of producers, decided on headers alone."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.protocol.errors import ErrorCode
from ottla.protocol.record_batch import BatchHeader
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.producer_state import (
    MAX_SEQUENCE,
    BatchMetadata,
    CompletedTxn,
    EndTxnMarker,
    ProducerEntry,
    ProducerState,
)

DAY_MS = 86_400_000


def header(sequence, count=1, *, epoch=0, producer_id=5, timestamp=1000, transactional=False, control=False):
    attributes = (0x10 if transactional else 0) | (0x20 if control else 0)
    return BatchHeader(
        0, 100, 0, 2, 0, attributes, count - 1, timestamp, timestamp, producer_id, epoch, sequence, count
    )


class Partition:
    """Producer state with a log end offset, as a log uses it."""

    def __init__(self) -> None:
        self.state = ProducerState("t-0")
        self.end = 0

    def send(self, sequence, count=1, *, origin=AppendOrigin.CLIENT, **options) -> BatchMetadata | None:
        """Append a batch; the earlier batch when it is a duplicate."""
        batch = header(sequence, count, **options)
        duplicate = self.state.check(batch, self.end, origin)
        if duplicate is None:
            self.state.record(batch, self.end)
            self.end += count
        return duplicate

    def refused(self, *args, **options) -> AppendError:
        before = self.end
        with pytest.raises(AppendError) as error:
            self.send(*args, **options)
        assert self.end == before
        return error.value

    def mark(self, *, abort=False, epoch=0, coordinator_epoch=0, producer_id=5) -> CompletedTxn | None:
        """Append a marker."""
        marker = EndTxnMarker(abort, coordinator_epoch)
        batch = header(-1, epoch=epoch, producer_id=producer_id, transactional=True, control=True)
        assert self.state.check(batch, self.end, AppendOrigin.COORDINATOR, marker) is None
        completed = self.state.record(batch, self.end, marker)
        self.end += 1
        return completed


@pytest.fixture
def partition():
    return Partition()


class TestSequences:
    def test_they_go_on_by_the_records_of_each_batch(self, partition):
        partition.send(0, 3)
        partition.send(3, 1)
        partition.send(4, 10)
        assert partition.state.entries[5].last_sequence == 13

    def test_each_of_the_last_five_is_recognised_with_the_offsets_it_has(self, partition):
        for sequence in range(0, 14, 2):
            partition.send(sequence, 2, timestamp=1000 + sequence)
        for sequence in range(4, 14, 2):
            duplicate = partition.send(sequence, 2)
            assert (duplicate.first_offset, duplicate.last_offset) == (sequence, sequence + 1)
            assert duplicate.timestamp == 1000 + sequence

    @pytest.mark.parametrize("sequence", [0, 2])
    def test_an_older_one_is_out_of_order(self, partition, sequence):
        for each in range(0, 14, 2):
            partition.send(each, 2)
        assert partition.refused(sequence, 2).code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    @pytest.mark.parametrize(("sequence", "count"), [(0, 1), (1, 1), (0, 3), (1, 2)])
    def test_a_part_of_a_duplicate_is_none(self, partition, sequence, count):
        partition.send(0, 2)
        assert partition.refused(sequence, count).code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def test_a_gap_is_named(self, partition):
        partition.send(0, 2)
        error = partition.refused(3)
        assert error.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert error.message == (
            "Out of order sequence number for producer 5 at offset 2 in partition t-0: "
            "3 (incoming seq. number), 1 (current end sequence number)"
        )

    @pytest.mark.parametrize("sequence", [0, 1, 77, MAX_SEQUENCE])
    def test_an_unknown_producer_begins_anywhere(self, partition, sequence):
        assert partition.send(sequence) is None

    def test_after_the_largest_comes_zero(self, partition):
        partition.send(MAX_SEQUENCE)
        assert partition.refused(1).code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        partition.send(0)
        partition.send(1)

    def test_a_batch_may_run_over_the_largest(self, partition):
        partition.send(MAX_SEQUENCE - 1, 5)  # MAX-1, MAX, 0, 1, 2
        assert partition.state.entries[5].last_sequence == 2
        duplicate = partition.send(MAX_SEQUENCE - 1, 5)
        assert (duplicate.first_sequence, duplicate.first_offset, duplicate.last_offset) == (MAX_SEQUENCE - 1, 0, 4)
        assert partition.refused(2).code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        partition.send(3)

    def test_producers_do_not_know_of_each_other(self, partition):
        partition.send(0, producer_id=1)
        partition.send(7, producer_id=2)
        partition.send(1, producer_id=1)
        partition.send(8, producer_id=2)

    @pytest.mark.parametrize("origin", [AppendOrigin.COORDINATOR, AppendOrigin.REPLICATION])
    def test_only_those_of_clients_are_checked(self, partition, origin):
        partition.send(0)
        assert partition.send(9, origin=origin) is None
        assert partition.send(9, origin=origin) is None


class TestEpochs:
    def test_a_new_one_begins_with_zero(self, partition):
        partition.send(0, 2)
        error = partition.refused(2, epoch=1)
        assert error.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert "1 (request epoch), 2 (seq. number), 0 (current producer epoch)" in error.message
        partition.send(0, epoch=1)
        partition.send(1, epoch=1)

    def test_an_old_one_is_fenced(self, partition):
        partition.send(0, epoch=3)
        error = partition.refused(1, epoch=2)
        assert error.code is ErrorCode.INVALID_PRODUCER_EPOCH
        assert (
            error.message == "Epoch of producer 5 at offset 1 in t-0 is 2, which is smaller than the last seen epoch 3"
        )

    def test_batches_of_an_old_one_are_no_duplicates(self, partition):
        partition.send(0)
        partition.send(0, epoch=1)
        assert partition.refused(0, epoch=0).code is ErrorCode.INVALID_PRODUCER_EPOCH
        assert partition.send(0, epoch=1).last_offset == 1

    def test_replication_takes_also_an_old_one(self, partition):
        partition.send(0, epoch=3)
        assert partition.send(0, epoch=2, origin=AppendOrigin.REPLICATION) is None

    def test_a_marker_of_a_later_epoch_begins_it(self, partition):
        partition.send(0, transactional=True)
        partition.mark(epoch=1)
        assert partition.refused(1, epoch=0, transactional=True).code is ErrorCode.INVALID_PRODUCER_EPOCH
        assert partition.refused(1, epoch=1).code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        partition.send(0, epoch=1)


class TestTransactions:
    def test_the_oldest_open_one_is_the_first_unstable_offset(self, partition):
        partition.send(0, producer_id=9)
        partition.send(0, 2, transactional=True, producer_id=1)
        partition.send(0, transactional=True, producer_id=2)
        partition.send(2, transactional=True, producer_id=1)
        state = partition.state
        assert state.first_unstable_offset == 1
        assert state.open_transactions() == [(1, 1), (3, 2)]

    def test_a_marker_ends_it_and_counts_when_it_is_below_the_high_watermark(self, partition):
        partition.send(0, transactional=True)
        completed = partition.mark(abort=True)
        assert completed == (5, 0, 1, True)
        state = partition.state
        assert state.open_transactions() == []
        state.high_watermark_moved(1)
        assert state.first_unstable_offset == 0
        state.high_watermark_moved(2)
        assert state.first_unstable_offset is None

    def test_the_stable_offset_after_it_is_where_the_next_open_one_begins(self, partition):
        partition.send(0, transactional=True, producer_id=1)
        partition.send(0, transactional=True, producer_id=2)
        first = partition.mark(producer_id=1)
        assert partition.state.stable_offset_after(first) == 1
        assert partition.state.stable_offset_after(partition.mark(producer_id=2)) == 4

    def test_a_marker_without_transaction_ends_none(self, partition):
        assert partition.mark() is None
        partition.send(0, transactional=True)
        partition.mark()
        assert partition.mark() is None

    def test_a_plain_batch_within_one_is_refused(self, partition):
        partition.send(0, transactional=True)
        error = partition.refused(1)
        assert error.code is ErrorCode.INVALID_TXN_STATE
        partition.mark()
        partition.send(1)

    def test_a_marker_of_an_old_coordinator_is_fenced(self, partition):
        partition.send(0, transactional=True)
        partition.mark(coordinator_epoch=7)
        with pytest.raises(AppendError, match=r"6 \(zombie\), 7 \(current\)") as error:
            partition.mark(coordinator_epoch=6)
        assert error.value.code is ErrorCode.TRANSACTION_COORDINATOR_FENCED
        partition.mark(coordinator_epoch=7)

    def test_a_marker_that_compaction_emptied_ends_nothing(self, partition):
        partition.send(0, transactional=True)
        assert partition.state.record(header(-1, control=True, transactional=True), 1, None) is None
        assert partition.state.open_transactions() == [(0, 5)]


class TestExpiry:
    def test_the_silent_ones_go(self, partition):
        partition.send(0, producer_id=1, timestamp=1000)
        partition.send(0, producer_id=2, timestamp=2000)
        assert partition.state.expire(1000 + DAY_MS - 1, DAY_MS) == 0
        assert partition.state.expire(1000 + DAY_MS, DAY_MS) == 1
        assert list(partition.state.entries) == [2]
        partition.send(55, producer_id=1)

    def test_one_with_an_open_transaction_stays(self, partition):
        partition.send(0, transactional=True, timestamp=1000)
        assert partition.state.expire(1000 + 9 * DAY_MS, DAY_MS) == 0
        partition.mark()
        assert partition.state.expire(1000 + 9 * DAY_MS, DAY_MS) == 1


class TestLoading:
    def test_open_transactions_are_open_again(self, partition):
        entries = [
            ProducerEntry(1, 0, 0, 1000, 30, [BatchMetadata(4, 35, 0, 1000)]),
            ProducerEntry(2, 3, 0, 1000, 10, [BatchMetadata(9, 20, 1, 1000)]),
            ProducerEntry(3, 0),
        ]
        state = partition.state
        state.load(entries, 40)
        assert (state.map_end_offset, state.first_unstable_offset) == (40, 10)
        assert state.open_transactions() == [(10, 2), (30, 1)]

    def test_a_producer_known_without_epoch_begins_anywhere(self, partition):
        partition.state.load([ProducerEntry(5)], 0)
        assert partition.send(44) is None

    def test_clearing_forgets_all(self, partition):
        partition.send(0, transactional=True)
        partition.state.clear(7)
        assert (partition.state.entries, partition.state.first_unstable_offset) == ({}, None)
        assert partition.state.map_end_offset == 7


class Model:
    """KIP-98 in few words: the last sequence, and the last five batches of an epoch."""

    def __init__(self) -> None:
        self.epoch = None
        self.last = None
        self.recent: deque[tuple[int, int, int]] = deque(maxlen=5)

    def answer(self, epoch, sequence, count, offset):
        if self.epoch is not None:
            if epoch == self.epoch:
                for first, size, at in self.recent:
                    if (first, size) == (sequence, count):
                        return ("duplicate", at)
            if epoch < self.epoch:
                return ("fenced",)
            if sequence != ((self.last + 1) % 2**31 if epoch == self.epoch else 0):
                return ("out of order",)
        if epoch != self.epoch:
            self.recent.clear()
        self.epoch, self.last = epoch, (sequence + count - 1) % 2**31
        self.recent.append((sequence, count, offset))
        return ("written",)


sends = st.tuples(
    st.integers(0, 1),  # epochs ahead of the one before
    st.sampled_from([0, 0, 0, 0, 1, -1, -2, -3, -5, -9]),  # from the next sequence in order
    st.integers(1, 4),
)
ERRORS = {ErrorCode.INVALID_PRODUCER_EPOCH: "fenced", ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "out of order"}


@given(st.sampled_from([0, 50, MAX_SEQUENCE - 6]), st.lists(sends, max_size=40))
def test_it_answers_as_the_model_does(start, calls):
    partition, model = Partition(), Model()
    epoch, expected_next = 3, start
    for ahead, skew, count in calls:
        epoch += ahead if skew != -9 else -ahead
        sequence = 0 if ahead and not skew else max(expected_next + skew, 0) % 2**31
        wanted = model.answer(epoch, sequence, count, partition.end)
        try:
            duplicate = partition.send(sequence, count, epoch=epoch)
            got = ("duplicate", duplicate.first_offset) if duplicate else ("written",)
        except AppendError as error:
            got = (ERRORS[error.code],)
        assert got == wanted
        if got == ("written",):
            expected_next = (sequence + count) % 2**31
