"""Starts on an empty directory, and resident memory: after a start, and of the broker that did all the other work."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .. import opponents
from ..workload import Limit, Sample, Stopwatch, Target, Workload

_AT_REST_AFTER_S = 1.0


@dataclass(frozen=True)
class Start(Workload):
    """Another broker of the same kind, until its first answer; what it holds when it has come to rest."""

    subject: ClassVar[str] = "start"
    is_of_cpu: ClassVar[bool] = False

    def measure(self, target: Target) -> Sample:
        with tempfile.TemporaryDirectory(prefix="start-", dir=target.home) as home:
            broker, start_s = opponents.started(target.kind, Path(home) / "fresh")
            try:
                accounts = broker.target.accounts
                figures = {"start s": start_s, "CPU s": accounts.cpu_s}
                time.sleep(_AT_REST_AFTER_S)
                figures["resident MB"] = accounts.resident_mb
            finally:
                broker.stop()
        return Sample(figures)


@dataclass(frozen=True)
class AfterTheRuns(Workload):
    """What the broker holds that was measured, when all is done; and what it takes while nothing happens."""

    subject: ClassVar[str] = "start"
    is_of_cpu: ClassVar[bool] = False
    seconds: float = 5

    def measure(self, target: Target) -> Sample:
        with Stopwatch(target) as watch:
            time.sleep(self.seconds)
        return Sample({"resident MB": target.accounts.resident_mb, "idle CPU ms/s": watch.cpu_s / watch.wall_s * 1e3})


def rows(quick: bool) -> list[Workload]:
    """Starts."""
    limits = {"start s": Limit(kafka=0.15), "resident MB": Limit(kafka=0.1)}
    return [Start("start to first answer", limits, rounds_max=2 if quick else 5, warms_up=False)]


def last_rows(quick: bool) -> list[Workload]:
    """What comes after everything else."""
    limits = {"resident MB": Limit(kafka=0.15, kfake=2.0)}
    return [AfterTheRuns("after the runs", limits, rounds_max=1, warms_up=False, seconds=2 if quick else 5)]
