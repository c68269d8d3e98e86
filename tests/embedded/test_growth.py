"""A process that makes many brokers, or empties one many times, holds no more at the end than at the beginning."""

from __future__ import annotations

import gc
import os
import threading
from typing import NamedTuple

import pytest
from ottla.broker import Broker

WARM_UP_ROUNDS = 40
ROUNDS = 100
LOOKS_ALIKE = 3
# Threads of pools begin when there is work for all others; once there they stay.
POOLED_THREADS_MAX = 10


class Held(NamedTuple):
    descriptors: int
    threads: int
    objects: int


def held() -> Held:
    """What is held when nothing changes any more: a broker's threads are still busy for a moment."""
    looks = [look() for _ in range(LOOKS_ALIKE)]
    while len(set(looks)) > 1:
        looks = [*looks[1:], look()]
    return looks[0]


def look() -> Held:
    gc.collect()
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), len(gc.get_objects()))


def assert_no_growth(before: Held, after: Held) -> None:
    assert after.descriptors <= before.descriptors
    assert after.threads - before.threads <= POOLED_THREADS_MAX
    # Less than one object in two rounds: what each round leaves shows, what caches keep once does not.
    assert after.objects - before.objects < ROUNDS / 2


def use(broker: Broker, topic: str, group: str) -> None:
    for number in range(3):
        broker.produce(topic, "x", key=str(number))
    broker.commit(group, topic, 1)
    broker.clock.advance(seconds=1)
    assert broker.groups()[group].lag == 2


def test_brokers_that_stop_leave_nothing():
    def rounds(count: int) -> Held:
        for _ in range(count):
            with Broker(topics={"orders": 1}) as broker:
                use(broker, "orders", "kitchen")
        return held()

    assert_no_growth(rounds(WARM_UP_ROUNDS), rounds(ROUNDS))


@pytest.mark.parametrize("names", ["the same", "new"])
def test_resets_leave_nothing(names):
    with Broker(topics={"orders": 1}) as broker:
        numbers = iter(range(WARM_UP_ROUNDS + ROUNDS))

        def rounds(count: int) -> Held:
            for _ in range(count):
                use(broker, "orders" if names == "the same" else f"orders-{next(numbers)}", "kitchen")
                broker.reset()
            return held()

        assert_no_growth(rounds(WARM_UP_ROUNDS), rounds(ROUNDS))
