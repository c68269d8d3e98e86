"""Runs rows against all brokers in turn. It knows workloads by their interface alone.

All brokers run at once and stay warm over the whole run: each row goes round by round from one broker to the next, and
each round begins with another one. Before the first row every broker works for a while, and each row has a round of its
own before those that count, so that a just-in-time compiler has seen the work before it is measured. A broker that
fails a row loses that row alone.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from .client import run_phase
from .results import Row
from .workload import NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .client import Phase
    from .results import Results
    from .workload import Sample, Target, Workload

_MEMORY_EVERY_S = 0.5


class Runner:
    """One run over some targets."""

    def __init__(self, targets: Sequence[Target], results: Results, rounds: int, say: Callable[[str], None]) -> None:
        self._targets = targets
        self._results = results
        self._rounds = rounds
        self._say = say

    def warm_up(self, workloads: Sequence[Workload], seconds: float) -> None:
        """Have every broker work for so long, in turn."""
        for target in self._targets:
            self._say(f"warming up {target.kind}")
            for workload in workloads:
                self._warm_up_with(workload, target, seconds / len(workloads))

    def _warm_up_with(self, workload: Workload, target: Target, seconds: float) -> None:
        row = Row(workload)
        self._phase(row, "prepare", target)
        until = time.monotonic() + seconds
        while time.monotonic() < until and not row.failures:
            self._phase(row, "measure", target)
        self._phase(row, "clean", target)

    def run(self, workloads: Sequence[Workload]) -> None:
        """Measure row by row; the brokers' memory is watched meanwhile."""
        ended = threading.Event()
        begun = time.monotonic()
        watcher = threading.Thread(target=self._watch_memory, args=(ended,))
        watcher.start()
        try:
            for number, workload in enumerate(workloads, 1):
                gone_min = (time.monotonic() - begun) / 60
                self._say(f"[{number}/{len(workloads)}, {gone_min:.0f} min gone] {workload.name}")
                self._results.rows.append(self._measure(workload))
        finally:
            ended.set()
            watcher.join()

    def _measure(self, workload: Workload) -> Row:
        row = Row(workload)
        begun = time.monotonic()
        for target in self._targets:
            self._phase(row, "prepare", target)
        rounds = min(self._rounds, workload.rounds_max or self._rounds)
        for number in range(-1 if workload.warms_up else 0, rounds):
            for at in range(len(self._targets)):
                target = self._targets[(at + number) % len(self._targets)]
                sample = self._phase(row, "measure", target)
                if sample is not None and number >= 0:
                    row.samples[target.kind].append(sample)
                    self._say(f"    {target.kind} round {number + 1} of {rounds}: {_shown(sample)}")
        for target in self._targets:
            self._phase(row, "clean", target)
        row.took_s = time.monotonic() - begun
        return row

    def _phase(self, row: Row, phase: Phase, target: Target) -> Sample | None:
        """Run it, unless the row has failed on this broker already; what it has prepared is always cleaned."""
        if target.kind in row.failures and phase != "clean":
            return None
        try:
            if not target.accounts.is_running:
                raise NotDone("the broker has ended")
            return run_phase(row.workload, phase, target)
        except NotDone as failure:
            self._say(f"    {target.kind}: {failure}")
            row.failures.setdefault(target.kind, str(failure))
            return None

    def _watch_memory(self, ended: threading.Event) -> None:
        begun = time.monotonic()
        while not ended.wait(_MEMORY_EVERY_S):
            for target in self._targets:
                at = round(time.monotonic() - begun, 1)
                self._results.memory_mb[target.kind].append((at, round(target.accounts.resident_mb, 1)))


def _shown(sample: Sample) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sample.figures.items())
