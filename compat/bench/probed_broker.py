"""`ottla serve` with a probe on its event loop that measures how late the loop comes to what is due.

A timer each millisecond notes how late it ran. A loop that was held up for 50 ms kept everybody waiting who came within
that time, and not only the one timer, so each pause counts for the ticks that it swallowed too. Beside the longer
pauses stands what the loop's thread did meanwhile: computed, waited for a CPU, or was blocked (disk, or another thread
that held the interpreter). What is left without the wait for a CPU is the broker's own part: on a machine that others
use, the rest says nothing of it. SIGUSR1 begins anew; at the stop everything goes into the file that OTTLA_PROBE names.
With OTTLA_PROBE_STACKS a thread looks at what the loop is doing whenever it is late.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from array import array
from collections import Counter
from pathlib import Path

import ottla.broker.app
from ottla.broker.cli import main

TICK_S = 0.001
NOTED_FROM_S = 0.005
STACK_FROM_S = 0.008
STACK_EACH_S = 0.002
_FRAMES_KEPT = 8


class LoopProbe:
    """How late the loop was, since the last reset."""

    def __init__(self) -> None:
        self._schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
        self._due_s = 0.0
        self._stacks: Counter[str] = Counter()
        self._gc_begun_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget what was measured."""
        self._begun_s = time.monotonic()
        self._late_us = array("I")
        self._own_us = array("I")
        self._pauses: list[tuple[float, ...]] = []
        self._collections: dict[int, list[float]] = {0: [], 1: [], 2: []}
        self._stacks.clear()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tick from now on."""
        self._loop = loop
        loop.add_signal_handler(signal.SIGUSR1, self.reset)
        gc.callbacks.append(self._on_collection)
        if os.environ.get("OTTLA_PROBE_STACKS"):
            threading.Thread(
                target=self._watch, args=(threading.get_ident(), threading.get_native_id()), daemon=True
            ).start()
        self._next(time.monotonic())

    def _next(self, now_s: float) -> None:
        self._cpu_s = time.thread_time()
        self._waited_s = self._waited_for_cpu_s()
        self._due_s = now_s + TICK_S
        self._loop.call_at(self._loop.time() + TICK_S, self._tick)

    def _tick(self) -> None:
        now_s = time.monotonic()
        late_s = max(now_s - self._due_s, 0.0)
        waited_s = min(self._waited_for_cpu_s() - self._waited_s, late_s)
        self._late_us.append(int(late_s * 1e6))
        self._own_us.append(int((late_s - waited_s) * 1e6))
        if late_s >= NOTED_FROM_S:
            computed_s = time.thread_time() - self._cpu_s
            self._pauses.append((now_s - self._begun_s, late_s, computed_s, waited_s))
        self._next(now_s)

    def _waited_for_cpu_s(self) -> float:
        return int(os.pread(self._schedstat, 100, 0).split()[1]) / 1e9

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_begun_s = time.perf_counter()
        else:
            self._collections[info["generation"]].append(time.perf_counter() - self._gc_begun_s)

    def _watch(self, loop_thread: int, native_id: int) -> None:
        """Each 2 ms of a pause: where the loop's thread is, and what it waits for in the kernel."""
        task = Path(f"/proc/self/task/{native_id}")
        while True:
            time.sleep(STACK_EACH_S)
            if time.monotonic() - self._due_s > STACK_FROM_S:
                state = (task / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "R":
                    state += f" {(task / 'wchan').read_text()}"
                frames = traceback.extract_stack(sys._current_frames()[loop_thread])[-_FRAMES_KEPT:]
                where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
                self._stacks[f"{state}: {where}"] += 1

    def write_report(self) -> None:
        """Leave everything as JSON; times in seconds, unless they say otherwise."""
        report = {
            "seconds": time.monotonic() - self._begun_s,
            "late_us": self._late_us.tolist(),
            "own_us": self._own_us.tolist(),
            "pauses": self._pauses,
            "collections": self._collections,
            "stacks": self._stacks.most_common(20),
        }
        Path(os.environ["OTTLA_PROBE"]).write_text(json.dumps(report))


class ProbedBroker(ottla.broker.app.Broker):
    """The broker, probed from its start to its stop."""

    async def start(self) -> None:
        await super().start()
        self._probe = LoopProbe()
        self._probe.start(asyncio.get_running_loop())

    async def stop(self) -> None:
        self._probe.write_report()
        await super().stop()


if __name__ == "__main__":
    ottla.broker.app.Broker = ProbedBroker  # type: ignore[misc]
    sys.exit(main())
