"""The offset index against a plain list, and its file against Kafka's layout."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.files import OS_FILES
from ottla.storage.offset_index import CorruptIndex, OffsetIndex

BASE = 5000

entries = st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 1000)), max_size=30).map(
    lambda steps: [
        (BASE + sum(s[0] for s in steps[: i + 1]), sum(s[1] for s in steps[: i + 1])) for i in range(len(steps))
    ]
)


def index_with(path, pairs) -> OffsetIndex:
    index = OffsetIndex(str(path), BASE)
    for offset, position in pairs:
        index.append(offset, position)
    return index


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{BASE:020d}.index"


@given(pairs=entries, offset=st.integers(BASE - 10, BASE + 32_000))
def test_look_up_finds_the_last_entry_that_is_not_beyond(pairs, offset):
    index = index_with("unused", pairs)
    assert index.lookup(offset) == max((p for o, p in pairs if o <= offset), default=0)
    assert index.last_offset == (pairs[-1][0] if pairs else BASE)
    assert len(index) == len(pairs)


@given(pairs=entries, cut=st.integers(BASE - 1, BASE + 32_000), more=entries)
def test_what_is_saved_is_loaded_also_after_truncation_and_more_appends(tmp_path_factory, pairs, cut, more):
    path = tmp_path_factory.getbasetemp() / "an.index"
    path.unlink(missing_ok=True)
    index = index_with(path, pairs)
    index.save(OS_FILES)
    index.truncate_to(cut)
    kept = [(o, p) for o, p in pairs if o < cut]
    assert index.entries() == kept
    for offset, position in more:
        if offset > index.last_offset:
            index.append(offset, position)
    index.save(OS_FILES)
    loaded = OffsetIndex(str(path), BASE)
    loaded.load()
    assert loaded.entries() == index.entries()


def test_an_offset_that_does_not_ascend_is_refused(path):
    index = index_with(path, [(BASE + 5, 100)])
    with pytest.raises(CorruptIndex, match=f"offset {BASE + 5} after {BASE + 5}"):
        index.append(BASE + 5, 200)


def test_it_is_full_when_kafkas_file_is(path):
    index = index_with(path, [(BASE + i, i * 10) for i in range(1, 4)])
    assert index.entries_left(24 + 7) == 0
    assert index.entries_left(32) == 1


class TestFile:
    def test_an_entry_is_two_big_endian_words(self, path):
        index = index_with(path, [(BASE + 7, 4200), (BASE + 300, 70_000)])
        index.save(OS_FILES)
        assert path.read_bytes() == struct.pack(">iiii", 7, 4200, 300, 70_000)

    def test_saving_again_only_adds(self, path):
        index = index_with(path, [(BASE + 7, 4200)])
        index.save(OS_FILES)
        index.append(BASE + 8, 8400)
        index.save(OS_FILES)
        assert path.read_bytes() == struct.pack(">iiii", 7, 4200, 8, 8400)

    def test_an_empty_index_is_an_empty_file(self, path):
        OffsetIndex(str(path), BASE).save(OS_FILES)
        assert path.read_bytes() == b""

    def test_zeros_of_a_preallocated_file_are_trimmed_on_the_next_save(self, path):
        path.write_bytes(struct.pack(">ii", 7, 4200) + bytes(800))
        index = OffsetIndex(str(path), BASE)
        index.load()
        assert index.entries() == [(BASE + 7, 4200)]
        index.save(OS_FILES)
        assert path.stat().st_size == 8

    def test_clearing_empties_it(self, path):
        index = index_with(path, [(BASE + 7, 4200)])
        index.save(OS_FILES)
        index.clear()
        index.save(OS_FILES)
        assert path.read_bytes() == b""

    def test_half_an_entry_is_corrupt(self, path):
        path.write_bytes(bytes(12))
        with pytest.raises(CorruptIndex, match="12 bytes are not whole entries"):
            OffsetIndex(str(path), BASE).load()

    def test_none_there_is_said(self, path):
        with pytest.raises(FileNotFoundError):
            OffsetIndex(str(path), BASE).load()

    @pytest.mark.parametrize(
        ("content", "log_bytes", "named"),
        [
            (struct.pack(">ii", 7, 4200), 4200, "beyond a log of 4200 bytes"),
            (struct.pack(">II", 0xFFFFFFFF, 10), 4200, "beyond a log"),
            (struct.pack(">iiii", 7, 100, 7, 200), 4200, "offsets do not ascend"),
        ],
    )
    def test_an_index_of_another_log_is_corrupt(self, path, content, log_bytes, named):
        path.write_bytes(content)
        index = OffsetIndex(str(path), BASE)
        index.load()
        with pytest.raises(CorruptIndex, match=named):
            index.check(log_bytes)

    def test_a_fitting_one_passes(self, path):
        path.write_bytes(struct.pack(">ii", 7, 4200))
        index = OffsetIndex(str(path), BASE)
        index.load()
        index.check(4201)


def test_the_first_entry_at_or_behind_a_position(tmp_path):
    index = OffsetIndex(str(tmp_path / "i"), 100)
    assert index.offset_at(0) is None
    index.append(105, 4096)
    index.append(110, 8192)
    assert [index.offset_at(position) for position in (0, 4096, 4097, 8192, 8193)] == [105, 105, 110, 110, None]
