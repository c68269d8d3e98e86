"""A process that makes many brokers, or empties one many times, holds no more at the end than at the beginning."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ottla.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_ROUNDS = 40
ROUNDS = 100
TIMEOUT_S = 20
# Threads of pools begin when there is work for all others; once there they stay.
POOLED_THREADS_MAX = 10


class Held(NamedTuple):
    descriptors: int
    threads: int
    objects: int


def held() -> Held:
    gc.collect()
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), len(gc.get_objects()))


def grown(before: Held, after: Held) -> bool:
    return (
        after.descriptors > before.descriptors
        or after.threads - before.threads > POOLED_THREADS_MAX
        # One object in two rounds: what each round leaves shows, what caches keep once does not.
        or after.objects - before.objects >= ROUNDS / 2
    )


def assert_no_growth(rounds: Callable[[int], None]) -> None:
    """Nothing more is held after many rounds, or as soon as the brokers' threads have done what they are busy with.

    The limit only ends a test that has failed.
    """
    rounds(WARM_UP_ROUNDS)
    before = held()
    rounds(ROUNDS)
    deadline = time.monotonic() + TIMEOUT_S
    while grown(before, after := held()):
        assert time.monotonic() < deadline, f"{before} before, {after} after {ROUNDS} rounds"


def use(broker: Broker, topic: str, group: str) -> None:
    for number in range(3):
        broker.produce(topic, "x", key=str(number))
    broker.commit(group, topic, 1)
    broker.clock.advance(seconds=1)
    assert broker.groups()[group].lag == 2


def test_brokers_that_stop_leave_nothing():
    def rounds(count: int) -> None:
        for _ in range(count):
            with Broker(topics={"orders": 1}) as broker:
                use(broker, "orders", "kitchen")

    assert_no_growth(rounds)


@pytest.mark.parametrize("names", ["the same", "new"])
def test_resets_leave_nothing(names):
    with Broker(topics={"orders": 1}) as broker:
        numbers = iter(range(WARM_UP_ROUNDS + ROUNDS))

        def rounds(count: int) -> None:
            for _ in range(count):
                use(broker, "orders" if names == "the same" else f"orders-{next(numbers)}", "kitchen")
                broker.reset()

        assert_no_growth(rounds)
