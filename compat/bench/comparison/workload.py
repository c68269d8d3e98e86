"""What the runner knows of a row of the table: its name, what it measures, and what that must reach.

A workload is a value that is sent to a client process, where `prepare`, `measure` and `clean` run. It remembers nothing
between them: what it needs again it finds by name in the broker.
"""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .accounting import Accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


_WARM_UP_PART = 4
BEGIN_PROFILE, PAUSE_PROFILE = signal.SIGUSR1, signal.SIGUSR2
"""What a broker is told that is sampled: that what is measured begins, and that it is over."""
OFF_BEAT = 0.97
"""Makes a rate one that no kernel counts its time by."""


class NotDone(Exception):
    """The work was not all done, so there is nothing to measure; the message says what is missing."""


class Limit(NamedTuple):
    """What Ottla's figure may be at most, as a multiple of another broker's; None where nothing is asked."""

    kafka: float | None = None
    kfake: float | None = None


@dataclass(frozen=True)
class Target:
    """The broker that is measured: `kind` is ottla, ottla-uvloop, kafka or kfake."""

    kind: str
    port: int
    pid: int
    home: Path
    is_profiled: bool = False
    """Whether it understands BEGIN_PROFILE and PAUSE_PROFILE."""

    @property
    def data_dir(self) -> Path:
        """Where its log is."""
        return self.home / "data"

    @property
    def bootstrap_servers(self) -> str:
        """As clients want it."""
        return f"127.0.0.1:{self.port}"

    @property
    def accounts(self) -> Accounts:
        """What the operating system counts of it."""
        return Accounts(self.pid)


class Sample(NamedTuple):
    """One round: figures by name (lower is better where one has a limit), and the latencies behind them, if any."""

    figures: dict[str, float]
    latencies_ms: Sequence[float] = ()


class Stopwatch:
    """CPU of the broker and time of the client between entering and leaving."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._accounts = target.accounts
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self.kernel_s = 0.0

    def __enter__(self) -> Stopwatch:
        self._tell(BEGIN_PROFILE)
        self._kernel_before_s = self._accounts.kernel_s
        self._cpu_before_s = self._accounts.cpu_s
        self._begun = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.wall_s += time.perf_counter() - self._begun
        self.cpu_s += self._accounts.cpu_s - self._cpu_before_s
        self.kernel_s += self._accounts.kernel_s - self._kernel_before_s
        self._tell(PAUSE_PROFILE)

    def _tell(self, what: signal.Signals) -> None:
        if self._target.is_profiled:
            os.kill(self._target.pid, what)

    def cpu_figures(self, done: int, of: str) -> dict[str, float]:
        """What one of `done` cost, in microseconds, and which part of that the kernel took."""
        part = min(1.0, self.kernel_s / self.cpu_s) if self.cpu_s else 0.0
        return {f"CPU us/{of}": self.cpu_s / done * 1e6, "kernel's part": part}


@dataclass(frozen=True)
class Series:
    """Rows that are one another's points: what grows, where this row stands, and the figure that must stay flat.

    The rows of a series stand behind one another and are measured side by side, round by round, on each broker.
    """

    name: str
    unit: str
    at: float
    figure: str
    is_level: bool = False
    """A level that stays where it once was (memory) is judged by its extremes; a cost, by each round for itself."""


@dataclass(frozen=True)
class Workload:
    """One row. Subclasses add their parameters and do the work."""

    subject: ClassVar[str]
    sized_by: ClassVar[str | None] = None
    """The field that says how much a round does."""
    is_of_cpu: ClassVar[bool] = True
    """Whether what the broker takes its CPU time for says something of it."""
    name: str
    limits: Mapping[str, Limit] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    rounds_max: int | None = None
    """Fewer rounds than asked for, where one takes long."""
    rounds_factor: int = 1
    """So many rounds for each that is asked for, where one is short and uncertain."""
    warms_up: bool = True
    """Whether a first, smaller round that does not count comes before the others."""
    timeout_s: float = 180
    """How long `prepare` or one `measure` may take."""

    @property
    def topic(self) -> str:
        """A topic of its own."""
        return "bench-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def warm_up_round(self) -> Workload:
        """What comes before the rounds that count: the same on the same topic, and less of it."""
        if self.sized_by is None:
            return self
        size = getattr(self, self.sized_by)
        less = max(1, size // _WARM_UP_PART) if isinstance(size, int) else size / _WARM_UP_PART
        return replace(self, **{self.sized_by: less})

    def to_be_sampled(self) -> Workload:
        """What is run where a sampler looks for what the broker does: the same, in portions that it sees enough of.

        The kernel has samples taken in a beat of its own, of some milliseconds. What comes by the clock must not come
        in that beat, or it is always met at the same point, or never.
        """
        return self

    def prepare(self, target: Target) -> None:
        """Make what the rounds share."""

    def measure(self, target: Target) -> Sample:
        """Do the work once. Raises NotDone when it was not all done."""
        raise NotImplementedError

    def clean(self, target: Target) -> None:
        """Take away what `prepare` made."""
