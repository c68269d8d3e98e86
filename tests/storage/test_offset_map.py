"""The map of the newest offsets: right, bounded by its setting, and no larger than what is to be entered."""

from __future__ import annotations

import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ottla.storage.offset_map import ENTRY_BYTES, OffsetMap

MEBIBYTE = 1 << 20


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=3), st.integers(0, 2**62)), max_size=200), st.integers(0, 300))
def test_it_is_a_dict(entries, room):
    offsets = OffsetMap(MEBIBYTE, 0.9, len(entries) + room)
    expected: dict[bytes, int] = {}
    for key, offset in entries:
        assert offsets.get(key) == expected.get(key, -1)
        offsets.put(key, offset)
        expected[key] = offset
    assert offsets.size == len(expected)
    assert {key: offsets.get(key) for key in expected} == expected
    assert offsets.get(b"never entered") == -1
    offsets.close()


@pytest.mark.parametrize(
    ("memory_bytes", "load_factor", "entries_max"),
    [
        (ENTRY_BYTES * 1000, 0.9, 900),
        (ENTRY_BYTES * 1000 + 23, 0.5, 500),
        (ENTRY_BYTES * 2, 1.0, 1),
        (1 << 40, 0.1, 8947848),
    ],
)
def test_how_many_keys_it_takes_follows_from_its_memory(memory_bytes, load_factor, entries_max):
    offsets = OffsetMap(memory_bytes, load_factor, 1 << 40)
    try:
        assert offsets.utilization == 0
        for number in range(min(entries_max, 1000)):
            assert not offsets.is_full
            offsets.put(b"%d" % number, number)
        assert offsets.is_full == (entries_max <= 1000)
        assert offsets.utilization == min(entries_max, 1000) / entries_max
        assert offsets.get(b"0") == 0
        assert offsets.get(b"not there") == -1
    finally:
        offsets.close()


@pytest.mark.parametrize(("memory_bytes", "load_factor"), [(0, 0.9), (ENTRY_BYTES, 0.9), (ENTRY_BYTES * 10, 0.05)])
def test_a_map_without_room_for_a_key_is_refused(memory_bytes, load_factor):
    with pytest.raises(ValueError, match=r"log\.cleaner\.dedupe\.buffer\.size"):
        OffsetMap(memory_bytes, load_factor, 10)


def test_a_few_keys_take_little_memory():
    before = resident_bytes()
    offsets = OffsetMap(128 * MEBIBYTE, 0.9, 1000)
    for number in range(1000):
        offsets.put(b"%d" % number, number)
    assert resident_bytes() - before < MEBIBYTE
    offsets.close()


def test_a_large_map_is_given_back():
    before = resident_bytes()
    offsets = OffsetMap(64 * MEBIBYTE, 0.9, 1 << 40)
    assert resident_bytes() - before < MEBIBYTE
    for number in range(20_000):
        offsets.put(b"%d" % number, number)
    assert resident_bytes() - before > 16 * MEBIBYTE
    offsets.close()
    assert resident_bytes() - before < 2 * MEBIBYTE


def resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
