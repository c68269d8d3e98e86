"""Which transactions a cleaning meets, and which of their markers may go."""

from __future__ import annotations

import pytest
from ottla.protocol.control_records import leader_change_batch
from ottla.protocol.record_batch import read_header
from ottla.storage.batch_filter import empty_batch
from ottla.storage.cleaned_transactions import CleanedTransactions
from ottla.storage.txn_index import AbortedTxn

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, producer_batch


@pytest.fixture
def met():
    return CleanedTransactions()


def data(met, offset, producer_id, *, is_transactional=True) -> bool:
    batch = producer_batch(
        b"v", base_offset=offset, producer_id=producer_id, producer_epoch=0, is_transactional=is_transactional
    )
    return met.is_aborted(read_header(batch))


def marker(met, offset, producer_id, *, commit) -> bool:
    batch = end_txn_batch(
        commit=commit,
        base_offset=offset,
        producer_id=producer_id,
        producer_epoch=0,
        coordinator_epoch=0,
        timestamp_ms=NOW_MS,
    )
    return met.is_obsolete_marker(memoryview(batch), read_header(batch))


def test_an_aborted_transaction_with_batches(met):
    txn = AbortedTxn(1, 5, 9, 10)
    met.add_aborted([txn])
    assert not data(met, 4, 1)  # an earlier transaction of the same producer
    assert data(met, 5, 1)
    assert not data(met, 6, 2)
    assert data(met, 7, 1)
    assert not marker(met, 9, 1, commit=False)
    assert met.kept == [txn]
    assert not data(met, 10, 1)  # the producer's next one


def test_an_aborted_transaction_whose_batches_are_gone(met):
    met.add_aborted([AbortedTxn(1, 5, 9, 10)])
    assert marker(met, 9, 1, commit=False)
    assert met.kept == []


def test_an_abort_marker_that_the_index_does_not_know(met):
    assert marker(met, 9, 1, commit=False)


def test_a_committed_transaction(met):
    assert not data(met, 1, 1)
    assert not marker(met, 2, 1, commit=True)
    assert marker(met, 3, 1, commit=True)


def test_batches_outside_of_transactions_keep_no_marker(met):
    met.add_aborted([AbortedTxn(1, 0, 3, 4)])
    assert not data(met, 1, 1, is_transactional=False)
    assert marker(met, 3, 1, commit=False)


def test_entries_that_come_twice_and_out_of_order(met):
    first, second = AbortedTxn(1, 5, 9, 10), AbortedTxn(1, 12, 15, 16)
    met.add_aborted([second, first])
    met.add_aborted([first])
    assert data(met, 6, 1)
    met.add_aborted([second])
    assert not marker(met, 9, 1, commit=False)
    assert not data(met, 10, 1)
    assert data(met, 13, 1)
    assert not marker(met, 15, 1, commit=False)
    assert met.kept == [first, second]


def test_two_producers_at_a_time(met):
    met.add_aborted([AbortedTxn(1, 0, 7, 8), AbortedTxn(2, 2, 5, 6)])
    assert data(met, 1, 1)
    assert data(met, 3, 2)
    assert not marker(met, 5, 2, commit=False)
    assert data(met, 6, 1)
    assert not marker(met, 7, 1, commit=False)


def test_an_emptied_marker_may_go(met):
    batch = end_txn_batch(
        commit=True, base_offset=3, producer_id=1, producer_epoch=0, coordinator_epoch=0, timestamp_ms=NOW_MS
    )
    emptied = empty_batch(read_header(batch))
    assert met.is_obsolete_marker(memoryview(emptied), read_header(emptied))


def test_other_control_batches_stay(met):
    batch = leader_change_batch(1, [1], base_offset=0, partition_leader_epoch=1, timestamp_ms=NOW_MS)
    assert not met.is_obsolete_marker(memoryview(batch), read_header(batch))
