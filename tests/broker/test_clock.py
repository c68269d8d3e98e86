"""Both clocks in one call tell what each tells alone."""

from __future__ import annotations

import pytest
from ottla.broker.clock import ManualClock, SystemClock
from ottla.broker.embedded.moving_clock import MovingClock


def test_a_manual_clock():
    clock = ManualClock(now_ms=5_000, monotonic_ms=10)
    clock.advance(7)
    assert clock.both_ms() == (clock.monotonic_ms(), clock.now_ms()) == (17, 5_007)


@pytest.mark.parametrize("clock", [SystemClock(), MovingClock()], ids=["system", "moving"])
def test_the_machines_clocks(clock):
    before = clock.monotonic_ms(), clock.now_ms()
    both = clock.both_ms()
    after = clock.monotonic_ms(), clock.now_ms()
    assert before[0] <= both[0] <= after[0]
    assert before[1] <= both[1] <= after[1]


def test_a_clock_that_was_moved():
    clock = MovingClock()
    clock.move(3_600_000)
    clock.return_to_real_time()
    monotonic_ms, now_ms = clock.both_ms()
    assert monotonic_ms >= SystemClock().monotonic_ms() + 3_000_000
    assert abs(now_ms - SystemClock().now_ms()) < 600_000
