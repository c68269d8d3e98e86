"""Tables, amounts and times as a terminal shows them."""

from __future__ import annotations

import pytest
from ottla.broker.inspection.text_table import Column, bytes_text, count_text, number, printable, render, time_text

COLUMNS = (Column("NAME"), number("SIZE"), Column("WHAT"))


def test_numbers_stand_right_and_texts_left():
    assert render(COLUMNS, [["a", "1", "x"], ["long-name", "1000", ""]], None) == [
        "NAME       SIZE  WHAT",
        "a             1  x",
        "long-name  1000",
    ]


def test_the_widest_text_is_cut_where_the_terminal_ends():
    lines = render(COLUMNS, [["n" * 40, "123456", "short"]], 40)
    assert max(map(len, lines)) == 40
    assert lines[1] == "n" * 23 + "..  123456  short"


def test_nothing_is_cut_to_nothing():
    lines = render(COLUMNS, [["n" * 40, "1", "w" * 40]], 5)
    assert lines[1] == "n" * 10 + "..     1  " + "w" * 10 + ".."


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("a\x1b[2J\nb") == "a\\x1b[2J\\nb"
    assert render((Column("N"),), [["\x1b[31mred"]], None)[1] == "\\x1b[31mred"
    assert printable("größe ✓") == "größe ✓"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 60, "3072.0 PiB")],
)
def test_bytes(count, text):
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("timestamp_ms", "text"),
    [(-1, "-"), (0, "1970-01-01 00:00:00"), (1_700_000_000_999, "2023-11-14 22:13:20"), (1 << 62, str(1 << 62))],
)
def test_times(timestamp_ms, text):
    assert time_text(timestamp_ms) == text


def test_counts():
    assert [count_text(n, "entry", "entries") for n in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
    assert count_text(3, "file") == "3 files"
