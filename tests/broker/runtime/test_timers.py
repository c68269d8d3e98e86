from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.runtime.timers import Timers


def test_due_callbacks_run_in_the_order_of_their_deadlines() -> None:
    timers, ran = Timers(), []
    for deadline_ms in (30, 10, 20, 10):
        timers.schedule(deadline_ms, lambda deadline_ms=deadline_ms: ran.append(deadline_ms))
    assert timers.next_deadline_ms() == 10
    assert timers.run_due(20) == 3
    assert ran == [10, 10, 20]
    assert timers.next_deadline_ms() == 30


def test_a_cancelled_callback_never_runs() -> None:
    timers, ran = Timers(), []
    handle = timers.schedule(10, lambda: ran.append("cancelled"))
    timers.schedule(20, lambda: ran.append("kept"))
    handle.cancel()
    handle.cancel()
    assert timers.next_deadline_ms() == 20
    assert timers.run_due(100) == 1
    assert ran == ["kept"]
    assert timers.next_deadline_ms() is None


def test_a_callback_may_cancel_another_of_the_same_moment() -> None:
    timers, ran = Timers(), []
    timers.schedule(10, lambda: second.cancel())
    second = timers.schedule(10, lambda: ran.append("second"))
    assert timers.run_due(10) == 1
    assert ran == []


def test_what_a_callback_schedules_for_now_waits_for_the_next_round() -> None:
    timers, ran = Timers(), []

    def again() -> None:
        ran.append(1)
        timers.schedule(10, again)

    timers.schedule(10, again)
    assert timers.run_due(10) == 1
    assert timers.run_due(10) == 1
    assert ran == [1, 1]


def test_a_callback_that_raises_does_not_lose_those_behind_it() -> None:
    timers, ran = Timers(), []

    def broken() -> None:
        raise KeyError("a bug")

    timers.schedule(10, broken)
    timers.schedule(10, lambda: ran.append("second"))
    with pytest.raises(KeyError):
        timers.run_due(10)
    assert timers.next_deadline_ms() == 10
    assert timers.run_due(10) == 1
    assert ran == ["second"]


def test_the_owner_is_woken_for_an_earlier_deadline_only() -> None:
    woken: list[int] = []
    timers = Timers(woken.append)
    for deadline_ms in (50, 70, 20, 20, 60):
        timers.schedule(deadline_ms, lambda: None)
    assert woken == [50, 20]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60), st.integers(0, 50))
def test_exactly_the_live_and_due_ones_run(plan: list[tuple[int, bool]], now_ms: int) -> None:
    timers, ran = Timers(), []
    handles = [
        timers.schedule(deadline_ms, lambda number=number: ran.append(number))
        for number, (deadline_ms, _) in enumerate(plan)
    ]
    for handle, (_, cancelled) in zip(handles, plan, strict=True):
        if cancelled:
            handle.cancel()
    timers.run_due(now_ms)
    live = [number for number, (deadline_ms, cancelled) in enumerate(plan) if not cancelled and deadline_ms <= now_ms]
    assert sorted(ran) == live
    rest = [deadline_ms for deadline_ms, cancelled in plan if not cancelled and deadline_ms > now_ms]
    assert timers.next_deadline_ms() == (min(rest) if rest else None)


def test_many_cancelled_timers_take_no_room() -> None:
    timers = Timers()
    for _ in range(10_000):
        timers.schedule(1_000_000, lambda: None).cancel()
    assert len(timers._heap) < 2_100
