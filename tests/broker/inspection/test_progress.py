"""The line on the terminal: how much, how fast, which file; not more often than anybody can read."""

from __future__ import annotations

import io

from ottla.broker.inspection.progress import ProgressBar, Tally


class Watch:
    now_s = 10.0

    def __call__(self) -> float:
        return self.now_s


def test_the_line():
    watch = Watch()
    bar = ProgressBar(io.StringIO(), 4 << 20, watch)
    bar.begin("/data/orders-0/00000000000000000000.log")
    watch.now_s += 2
    bar.bytes_done = 1 << 20
    assert bar.line(watch.now_s) == (
        "[#####...............]  25%  1.0 MiB of 4.0 MiB  512.0 KiB/s  orders-0/00000000000000000000.log"
    )


def test_it_is_drawn_ten_times_a_second_and_cleared_at_the_end():
    watch, stream = Watch(), io.StringIO()
    bar = ProgressBar(stream, 1000, watch)
    for _ in range(100):
        bar.advance(10)
        watch.now_s += 0.01
    drawn = stream.getvalue().count("\r")
    assert 8 <= drawn <= 10
    bar.end()
    assert stream.getvalue().endswith("\r\x1b[K")
    assert bar.bytes_done == 1000


def test_a_log_that_grows_meanwhile_is_not_more_than_all():
    bar = ProgressBar(io.StringIO(), 10, Watch())
    bar.advance(50)
    assert "100%" in bar.line(11.0)


def test_an_empty_directory_is_done_at_once():
    assert "100%" in ProgressBar(io.StringIO(), 0, Watch()).line(10.0)


def test_without_a_terminal_it_only_counts():
    tally = Tally()
    tally.begin("x")
    tally.advance(3)
    tally.end()
    assert tally.bytes_done == 3
