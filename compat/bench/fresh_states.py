"""What a fresh Kafka costs a test: a thousand embedded brokers one after the other, and a thousand resets of one.

Each broker starts with a topic, takes a record and stops; each reset empties a broker with topics, records, a group and
its offsets, while a client is connected. Times are printed, and what the process holds in the first rounds and in the
last: memory, descriptors and threads, none of which may grow.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from broker_process import Connection, ask_metadata, print_table, progress
from ottla.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

START_MS_MAX, STOP_MS_MAX, RESET_MS_MAX = 50, 50, 20
TOPICS = {"orders": 6, "bills": 1}
INTERNAL = {"__consumer_offsets", "__transaction_state"}
TITLES = {
    "resident_mb": "resident MB",
    "trimmed_mb": "resident MB, heap trimmed",
    "descriptors": "descriptors",
    "threads": "threads",
    "objects": "objects of Python",
}
# The first rounds load modules and compile codecs; growth is what comes after them.
WARM_UP_ROUNDS = 50


class Held(NamedTuple):
    """What the process holds at one moment."""

    resident_mb: float
    trimmed_mb: float
    """Resident once the C library has given back what it only keeps, which for threads that come and go is a lot."""
    descriptors: int
    threads: int
    objects: int


class Times(NamedTuple):
    """How long each round took, in milliseconds."""

    name: str
    each_ms: list[float]
    meant_ms: int

    def row(self) -> list[object]:
        ordered = sorted(self.each_ms)
        p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        return [self.name, len(ordered), statistics.median(ordered), p99, ordered[-1], f"< {self.meant_ms}"]


def held_now() -> Held:
    """Garbage is not counted: it is collected first."""
    gc.collect()
    resident = resident_mb()
    trim_heap()
    return Held(
        resident, resident_mb(), len(os.listdir("/proc/self/fd")), threading.active_count(), len(gc.get_objects())
    )


def resident_mb() -> float:
    """Resident memory of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def trim_heap() -> None:
    """Let the C library give back free memory, where it knows how to (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def took_ms(act: Callable[[], object]) -> float:
    """Milliseconds that a call took."""
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def starts_and_stops(rounds: int) -> tuple[list[Times], list[Held]]:
    """A broker of its own for each round."""
    starts, stops, held = [], [], []
    for number in range(rounds):
        broker = Broker(topics=TOPICS)
        starts.append(took_ms(broker.start))
        broker.produce("orders", "one", key=str(number))
        stops.append(took_ms(broker.stop))
        note(held, number, rounds)
    return [Times("start", starts, START_MS_MAX), Times("stop", stops, STOP_MS_MAX)], held


def resets(rounds: int) -> tuple[list[Times], list[Held]]:
    """One broker that is emptied in each round; somebody is connected and asks after each of them."""
    took, held = [], []
    with Broker(topics=TOPICS) as broker:
        client = Connection(broker.port)
        for number in range(rounds):
            use(broker, number)
            took.append(took_ms(broker.reset))
            names = {topic.name for topic in ask_metadata(client).topics}
            if names - INTERNAL != TOPICS.keys() or broker.groups() or any(broker.end_offsets("orders").values()):
                raise SystemExit(f"reset {number} left something behind: {broker.describe()}")
            note(held, number, rounds)
        client.close()
    return [Times("reset", took, RESET_MS_MAX)], held


def use(broker: Broker, number: int) -> None:
    """What a test does: records, a topic made on the way, a group, and time that passes."""
    for _ in range(10):
        broker.produce("orders", "x" * 100, key=str(number))
    broker.produce(f"made-by-{number}", "x")
    broker.commit("readers", "orders", 0)
    if number % 10 == 0:
        broker.clock.advance(minutes=30)


def note(held: list[Held], number: int, rounds: int) -> None:
    """Look at the process when it is warm, at half-time and at the end."""
    if number + 1 in {min(WARM_UP_ROUNDS, max(1, rounds // 10)), rounds // 2, rounds}:
        held.append(held_now())


def print_held(name: str, held: Iterable[Held]) -> None:
    """What the process held when it was warm and at the end, and how much more that is."""
    moments = list(held)
    rows = []
    for field, title in TITLES.items():
        values = [getattr(moment, field) for moment in moments]
        shown = [f"{value:.1f}" if isinstance(value, float) else value for value in values]
        rows.append([f"{name}: {title}", *shown])
    print()
    print_table([f"after {name}", *(["warm", "half-time", "end"][-len(moments) :])], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000, help="starts, and resets (1000)")
    rounds = parser.parse_args().rounds
    progress(f"{rounds} brokers, one after the other")
    start_times, held_by_starts = starts_and_stops(rounds)
    progress(f"{rounds} resets of one broker")
    reset_times, held_by_resets = resets(rounds)
    print_table(
        ["ms", "rounds", "median", "p99", "most", "meant"], [each.row() for each in (*start_times, *reset_times)]
    )
    print_held("starts", held_by_starts)
    print_held("resets", held_by_resets)


if __name__ == "__main__":
    main()
