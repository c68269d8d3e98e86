"""The pace of a cleaning: a rate that all threads share, and an end when it is called off."""

from __future__ import annotations

import threading

import pytest
from ottla.storage.cleaner_pace import CleaningAborted, IoThrottle, Pace


def test_what_comes_too_soon_waits():
    now_s = [100.0]
    throttle = IoThrottle(1000.0, lambda: now_s[0])
    assert throttle.take(300) == 0  # the burst that an idle time leaves over
    assert throttle.take(500) == pytest.approx(0.5)
    assert throttle.take(500) == pytest.approx(1.0)
    now_s[0] += 1.0
    assert throttle.take(100) == pytest.approx(0.1)
    now_s[0] += 100.0
    assert throttle.take(300) == 0


def test_the_rate_may_change():
    throttle = IoThrottle(1.0, lambda: 100.0)
    assert throttle.take(1_000_000) > 900_000
    throttle.change(10.0)
    assert throttle.take(100) == pytest.approx(10.0)
    throttle.change(10.0)
    assert throttle.take(100) == pytest.approx(20.0)


def test_who_waits_at_an_old_rate_goes_on_at_a_new_one():
    throttle = IoThrottle(1.0)
    pace = Pace(throttle)
    waiting = threading.Thread(target=pace.took_bytes, args=(1_000_000,), daemon=True)
    waiting.start()
    throttle.change(1e12)
    waiting.join(60)
    assert not waiting.is_alive()


@pytest.mark.parametrize("rate", [0.0, -5.0])
def test_no_rate_at_all_is_a_very_small_one(rate):
    assert IoThrottle(rate, lambda: 100.0).take(10) == pytest.approx(9.7)


def test_unlimited_never_waits():
    throttle = IoThrottle(1.7976931348623157e308, lambda: 100.0)
    assert throttle.take(1 << 40) == 0


@pytest.mark.parametrize("step", ["breathe", "took_bytes"])
def test_an_aborted_cleaning_ends_at_its_next_step(step):
    pace = Pace(IoThrottle(1e12))
    ask = pace.breathe if step == "breathe" else lambda: pace.took_bytes(5)
    ask()
    pace.abort()
    with pytest.raises(CleaningAborted):
        ask()


def test_a_wait_ends_when_the_cleaning_is_called_off():
    pace = Pace(WaitsForever())
    WaitsForever.pace = pace
    with pytest.raises(CleaningAborted):
        pace.took_bytes(1)


class WaitsForever(IoThrottle):
    """By the time that somebody waits, the cleaning has been called off."""

    pace: Pace

    def __init__(self) -> None:
        super().__init__(1.0)

    def take(self, count: int) -> float:
        self.pace.abort()
        return 1e6
