"""Runs rows against all brokers in turn. It knows workloads by their interface alone.

All brokers run at once and stay warm over the whole run: each row goes round by round from one broker to the next, and
each round begins with another one. Before the first row every broker works for a while, and each row has a smaller
round before those that count, so that a just-in-time compiler has seen the work before it is measured. The rows of a
series take turns on a broker within each round, upwards and downwards, so that what they are compared by was measured
within seconds. A broker that fails a row loses that row alone.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from .client import run_phase
from .results import Row
from .workload import NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .client import Phase
    from .results import Results
    from .workload import Sample, Target, Workload

_MEMORY_EVERY_S = 0.5
_WARM_UP = -1


class Turn(NamedTuple):
    """A row on a broker, once; `number` is negative for a round that does not count."""

    number: int
    target: Target
    row: Row


def side_by_side(workloads: Sequence[Workload]) -> list[list[Workload]]:
    """Rows that follow each other and belong to one series; each of the others alone."""
    grouped = itertools.groupby(workloads, key=lambda each: each.series[0].name if each.series else each)
    return [list(group) for _, group in grouped]


def turns(targets: Sequence[Target], rows: Sequence[Row], rounds: int) -> Iterator[Turn]:
    """Who does what in which order."""
    for number in range(_WARM_UP, max(_rounds_of(row.workload, rounds) for row in rows)):
        due = [row for row in rows if _is_due(row.workload, number, rounds)]
        if number % 2:
            due.reverse()
        for at in range(len(targets)):
            target = targets[(at + number) % len(targets)]
            for row in due:
                yield Turn(number, target, row)


def _is_due(workload: Workload, number: int, rounds: int) -> bool:
    return workload.warms_up if number == _WARM_UP else number < _rounds_of(workload, rounds)


def _rounds_of(workload: Workload, rounds: int) -> int:
    return min(rounds, workload.rounds_max or rounds) * workload.rounds_factor


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
            for group in side_by_side(workloads):
                gone_min = (time.monotonic() - begun) / 60
                number = len(self._results.rows) + len(group)
                names = "; ".join(workload.name for workload in group)
                self._say(f"[{number}/{len(workloads)}, {gone_min:.0f} min gone] {names}")
                self._measure(group)
        finally:
            ended.set()
            watcher.join()

    def _measure(self, workloads: Sequence[Workload]) -> None:
        rows = [Row(workload) for workload in workloads]
        # What was measured is shown, also where somebody stops the run in the midst of a row.
        self._results.rows += rows
        for target, row in itertools.product(self._targets, rows):
            self._phase(row, "prepare", target)
        for turn in turns(self._targets, rows, self._rounds):
            sample = self._phase(turn.row, "measure", turn.target, is_warm_up=turn.number == _WARM_UP)
            if sample is not None and turn.number != _WARM_UP:
                turn.row.samples[turn.target.kind].append(sample)
                which = f", {turn.row.workload.name}" if len(rows) > 1 else ""
                self._say(f"    {turn.target.kind} round {turn.number + 1}{which}: {_shown(sample)}")
        for target, row in itertools.product(self._targets, rows):
            self._phase(row, "clean", target)

    def _phase(self, row: Row, phase: Phase, target: Target, *, is_warm_up: bool = False) -> Sample | None:
        """Run it, unless the row has failed on this broker already; what it has prepared is always cleaned."""
        if target.kind in row.failures and phase != "clean":
            return None
        begun = time.monotonic()
        try:
            if not target.accounts.is_running:
                raise NotDone("the broker has ended")
            return run_phase(row.workload.warm_up_round() if is_warm_up else row.workload, phase, target)
        except NotDone as failure:
            self._say(f"    {target.kind}: {failure}")
            row.failures.setdefault(target.kind, str(failure))
            return None
        finally:
            row.took_s[phase] += time.monotonic() - begun

    def _watch_memory(self, ended: threading.Event) -> None:
        begun = time.monotonic()
        while not ended.wait(_MEMORY_EVERY_S):
            for target in self._targets:
                at = round(time.monotonic() - begun, 1)
                self._results.memory_mb[target.kind].append((at, round(target.accounts.resident_mb, 1)))


def _shown(sample: Sample) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sample.figures.items())
