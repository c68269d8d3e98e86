"""Look-ups in an index file against the same entries in a list, with and without the zeros of a preallocated file."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.index_search import last_entry, last_entry_at_most
from ottla.storage.offset_index import CorruptIndex

ENTRY = struct.Struct(">II")

entries = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 900)), max_size=40).map(
    lambda steps: [(sum(s[0] for s in steps[: i + 1]), sum(s[1] for s in steps[: i + 1])) for i in range(len(steps))]
)


def written(path, pairs, zeros=0) -> str:
    path.write_bytes(b"".join(ENTRY.pack(*pair) for pair in pairs) + bytes(ENTRY.size * zeros))
    return str(path)


@given(pairs=entries, zeros=st.integers(0, 50), key=st.integers(0, 400))
def test_the_same_entry_as_in_a_list(tmp_path_factory, pairs, zeros, key):
    path = written(tmp_path_factory.getbasetemp() / "searched.index", pairs, zeros)
    found = last_entry_at_most(path, ENTRY, key)
    # The one entry of a file that was preallocated and never used cannot be told from zeros; it says the same.
    assert found == max((pair for pair in pairs if pair[0] <= key), default=None) or (not pairs and found == (0, 0))
    last = last_entry(path, ENTRY)
    assert last == (pairs[-1] if pairs else None) or (not pairs and last == (0, 0))


def test_an_empty_file_has_none(tmp_path):
    path = written(tmp_path / "an.index", [])
    assert last_entry(path, ENTRY) is None
    assert last_entry_at_most(path, ENTRY, 5) is None


def test_half_an_entry_is_corrupt(tmp_path):
    path = tmp_path / "an.index"
    path.write_bytes(bytes(12))
    with pytest.raises(CorruptIndex, match="12 bytes are not whole entries of 8"):
        last_entry_at_most(str(path), ENTRY, 1)
    with pytest.raises(CorruptIndex, match="12 bytes are not whole entries of 8"):
        last_entry(str(path), ENTRY)


@pytest.mark.parametrize("last", [(7, 100), (6, 200), (8, 50)])
def test_an_end_that_does_not_ascend_is_corrupt(tmp_path, last):
    path = written(tmp_path / "an.index", [(3, 40), (7, 100), last])
    with pytest.raises(CorruptIndex, match="do not ascend"):
        last_entry(path, ENTRY)


def test_none_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        last_entry(str(tmp_path / "none"), ENTRY)
