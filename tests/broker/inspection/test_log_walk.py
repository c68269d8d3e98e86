"""Every byte of a log file belongs to a whole batch or to a hole, wherever it is broken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ottla.broker.inspection.log_walk import Hole, WholeBatch, walk
from ottla.protocol.record_batch import stamp
from ottla.protocol.records import Record, build_batch
from ottla.storage.batch_reader import BatchReader


def batches(count: int, value: bytes = b"value") -> list[bytes]:
    return [bytes(build_batch([Record(i, 0, b"k", value)], base_offset=i)) for i in range(count)]


def walked(path, content: bytes) -> list[tuple[str, int, int]]:
    """(kind, position, size) of each piece; together they are the file."""
    path.write_bytes(content)
    found = []
    with BatchReader(str(path)) as reader:
        for piece in walk(reader):
            size = piece.header.size_bytes if isinstance(piece, WholeBatch) else piece.size
            found.append((type(piece).__name__, piece.position, size))
    assert sum(size for _, _, size in found) == len(content)
    assert [position for _, position, _ in found] == [sum(s for _, _, s in found[:i]) for i in range(len(found))]
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "00000000000000000000.log"


def kinds(found) -> str:
    return "".join("b" if kind == "WholeBatch" else "-" for kind, _, _ in found)


def test_a_sound_file(path):
    assert kinds(walked(path, b"".join(batches(5)))) == "bbbbb"
    assert walked(path, b"") == []


@pytest.mark.parametrize("place", [0, 8, 11, 16, 17, 30, 61, 70])
def test_one_broken_batch_costs_one_batch(path, place):
    parts = batches(5)
    broken = bytearray(parts[2])
    broken[place] ^= 0x80
    assert kinds(walked(path, b"".join([*parts[:2], broken, *parts[3:]]))) == ("bbbbb" if place < 8 else "bb-bb")


def test_two_broken_ones_in_a_row_are_one_hole_or_two(path):
    parts = [bytearray(part) for part in batches(6)]
    parts[2][70] ^= 1
    parts[3][70] ^= 1
    found = walked(path, b"".join(parts))
    assert kinds(found) in ("bb-bb", "bb--bb")
    assert sum(kind == "WholeBatch" for kind, _, _ in found) == 4


def test_zeros_and_garbage_at_the_end(path):
    whole = b"".join(batches(2))
    assert kinds(walked(path, whole + bytes(5000))) == "bb-"
    assert kinds(walked(path, whole + b"\x02" * 5000)) == "bb-"
    assert kinds(walked(path, whole + batches(3)[2][:-1])) == "bb-"
    path.write_bytes(whole + bytes(100))
    with BatchReader(str(path)) as reader:
        *_, hole = walk(reader)
    assert isinstance(hole, Hole)
    assert hole.is_zeros


def test_a_batch_inside_a_records_value_is_not_taken_for_one_of_the_log(path):
    """Its offsets are older than where the log is."""
    inner = batches(1)[0]
    outer = bytearray(build_batch([Record(7, 0, None, inner * 3)], base_offset=7))
    outer[16] = 9  # its magic
    content = b"".join(batches(3)) + bytes(outer) + bytes(build_batch([Record(8, 0, None, b"v")], base_offset=8))
    found = walked(path, content)
    assert kinds(found) == "bbb-b"


def test_a_large_hole_is_searched_in_pieces(path):
    late = bytearray(batches(1)[0])
    stamp(late, 0, 9, 0)
    for gap in ((1 << 20) - 30, 1 << 20, (1 << 20) + 61):
        found = walked(path, batches(1)[0] + b"\xff" * gap + bytes(late))
        assert kinds(found) == "b-b"
        assert found[1][2] == gap


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_damage_leaves_the_walk_whole(tmp_path_factory, data):
    content = bytearray(b"".join(batches(6, b"v" * 20)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    walked(tmp_path_factory.getbasetemp() / "walked.log", bytes(content[:cut]))
