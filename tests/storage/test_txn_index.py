"""The index of aborted transactions: what a read_committed consumer is told, and Kafka's layout of the file."""

from __future__ import annotations

import struct

import pytest
from ottla.storage.files import OS_FILES
from ottla.storage.offset_index import CorruptIndex
from ottla.storage.txn_index import AbortedTxn, TxnIndex

FIRST = AbortedTxn(producer_id=1, first_offset=0, last_offset=10, last_stable_offset=2)
SECOND = AbortedTxn(producer_id=2, first_offset=2, last_offset=20, last_stable_offset=5)
THIRD = AbortedTxn(producer_id=1, first_offset=22, last_offset=30, last_stable_offset=31)


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{0:020d}.txnindex"


@pytest.fixture
def index(path):
    index = TxnIndex(str(path))
    for aborted in (FIRST, SECOND, THIRD):
        index.append(OS_FILES, aborted)
    return index


def test_an_entry_has_kafkas_34_bytes(index, path):
    expected = b"".join(struct.pack(">hqqqq", 0, *aborted) for aborted in (FIRST, SECOND, THIRD))
    assert path.read_bytes() == expected
    assert len(expected) == 3 * 34


def test_it_is_read_again_as_it_was_written(index, path):
    assert TxnIndex(str(path)).entries() == [FIRST, SECOND, THIRD]


def test_a_segment_without_aborts_has_no_file(path):
    index = TxnIndex(str(path))
    assert index.entries() == []
    index.truncate_to(OS_FILES, 0)
    assert not path.exists()


@pytest.mark.parametrize(
    ("fetch_offset", "upper_bound", "found", "complete"),
    [
        (0, 5, [FIRST, SECOND], True),  # the second one's stable offset says that there cannot be another
        (0, 2, [FIRST], True),  # the second one begins where the fetch ends
        (10, 31, [FIRST, SECOND, THIRD], True),
        (11, 31, [SECOND, THIRD], True),
        (11, 22, [SECOND], True),
        (31, 40, [], False),
        (0, 100, [FIRST, SECOND, THIRD], False),
    ],
)
def test_it_finds_what_overlaps_a_fetch(index, fetch_offset, upper_bound, found, complete):
    assert index.collect(fetch_offset, upper_bound) == (found, complete)


def test_a_marker_that_is_not_after_the_last_one_is_refused(index):
    with pytest.raises(CorruptIndex, match="marker 30 after 30"):
        index.append(OS_FILES, THIRD)


def test_truncation_forgets_the_transactions_whose_marker_goes(index, path):
    index.truncate_to(OS_FILES, 20)
    assert index.entries() == [FIRST]
    assert TxnIndex(str(path)).entries() == [FIRST]
    index.append(OS_FILES, SECOND)
    assert TxnIndex(str(path)).entries() == [FIRST, SECOND]


def test_clearing_removes_also_a_file_that_cannot_be_read(path):
    path.write_bytes(b"rubbish")
    index = TxnIndex(str(path))
    index.clear(OS_FILES)
    assert index.entries() == []
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [(bytes(33), "33 bytes are not whole entries"), (struct.pack(">hqqqq", 1, *FIRST), "an entry of version 1")],
)
def test_what_cannot_be_one_is_corrupt(path, content, named):
    path.write_bytes(content)
    with pytest.raises(CorruptIndex, match=named):
        TxnIndex(str(path)).entries()
