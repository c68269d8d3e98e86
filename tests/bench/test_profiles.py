"""A profile as text."""

from __future__ import annotations

import cProfile

from compat.bench.comparison.profiles import write_readable


def busy():
    return sum(range(10_000))


def test_a_profile_can_be_read_with_the_rows_that_it_is_of(tmp_path):
    profile = cProfile.Profile()
    profile.runcall(busy)
    profile.dump_stats(tmp_path / "found")
    readable = write_readable(tmp_path / "found", ["one-record requests, acks 1"])
    assert readable == tmp_path / "found.txt"
    text = readable.read_text()
    assert "one-record requests, acks 1" in text
    assert "tottime" in text
    assert "(busy)" in text


def test_nothing_is_written_where_nothing_was_profiled(tmp_path):
    cProfile.Profile().dump_stats(tmp_path / "empty")
    assert write_readable(tmp_path / "empty", []) is None
    assert write_readable(tmp_path / "absent", []) is None
    assert not (tmp_path / "empty.txt").exists()
