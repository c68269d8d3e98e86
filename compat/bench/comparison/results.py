"""What a run found: every round of every row, as it goes into the file of results, the table and the pictures."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import pictures, profiles
from .verdicts import Verdict, as_json, judge, judge_flat, medians, unmet
from .wire import percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .profiles import Profile
    from .workload import Sample, Series, Workload

_PARTS = (*(at / 100 for at in range(0, 100, 2)), 0.99, 0.995, 0.999)


@dataclass
class Row:
    """A workload and what came of it, broker by broker."""

    workload: Workload
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, str] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Of each phase, over all brokers."""

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        """The medians."""
        return {
            broker: medians([sample.figures for sample in samples])
            for broker, samples in self.samples.items()
            if samples and broker not in self.failures
        }

    @property
    def verdicts(self) -> list[Verdict]:
        """One for each figure."""
        judged = judge(self.workload.name, self.figures, self.workload.limits)
        return [verdict._replace(subject=self.workload.subject) for verdict in judged]

    def latencies_ms(self, broker: str) -> list[float]:
        """Of all rounds together."""
        return [value for sample in self.samples.get(broker, ()) for value in sample.latencies_ms]

    def rounds_of(self, broker: str, figure: str) -> list[float]:
        """A figure of each round; nothing where the row failed."""
        if broker in self.failures:
            return []
        found = [sample.figures for sample in self.samples.get(broker, ())]
        return [figures[figure] for figures in found if figure in figures]


class Growth(NamedTuple):
    """A series with all its points."""

    series: Series
    subject: str
    points: dict[str, list[tuple[float, list[float]]]]
    """Each broker's: where the point stands, and its rounds."""

    @property
    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """The medians."""
        return {
            broker: sorted((at, statistics.median(rounds)) for at, rounds in points)
            for broker, points in self.points.items()
        }


@dataclass
class Results:
    """A whole run."""

    about: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    memory_mb: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Each broker's resident memory over the seconds of the run."""
    profiles: dict[str, Profile] = field(default_factory=dict)
    """What Ottla does in the rows that are not met."""

    def verdicts(self) -> list[Verdict]:
        """All rows, then what must stay flat."""
        found = [verdict for row in self.rows for verdict in row.verdicts]
        for growth in self._growths():
            verdict = judge_flat(growth.series, growth.points)
            found.append(verdict._replace(subject=growth.subject))
        return found

    def unmet_work(self) -> dict[str, Workload]:
        """By the name of each row that is not met the work whose profile shows why; of a growth its largest point."""
        names = {verdict.row for verdict in unmet(self.verdicts())}
        work = {row.workload.name: row.workload for row in self.rows if row.workload.is_of_cpu}
        for growth in self._growths():
            if not growth.series.is_level:
                work[judge_flat(growth.series, growth.points).row] = self._largest(growth.series.name)
        return {name: workload for name, workload in work.items() if name in names}

    def _largest(self, series: str) -> Workload:
        points = [(each.at, row.workload) for row in self.rows for each in row.workload.series if each.name == series]
        return max(points, key=lambda point: point[0])[1]

    def _growths(self) -> list[Growth]:
        found: dict[str, Growth] = {}
        for row, series in ((each, series) for each in self.rows for series in each.workload.series):
            growth = found.setdefault(series.name, Growth(series, row.workload.subject, defaultdict(list)))
            for broker in row.samples:
                rounds = row.rounds_of(broker, series.figure)
                if rounds:
                    growth.points[broker].append((series.at, rounds))
        return list(found.values())

    def write(self, directory: Path) -> None:
        """`results.json` and the pictures."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "results.json").write_text(json.dumps(self._as_json(), indent=1) + "\n")
        for name, picture in self._pictures().items():
            (directory / f"{name}.svg").write_text(picture)

    def _as_json(self) -> dict[str, Any]:
        rows = [
            {
                "name": row.workload.name,
                "subject": row.workload.subject,
                "rounds": {broker: [sample.figures for sample in each] for broker, each in row.samples.items()},
                "failures": row.failures,
                "took s": {phase: round(took_s, 1) for phase, took_s in row.took_s.items()},
            }
            for row in self.rows
        ]
        verdicts = [as_json(verdict) for verdict in self.verdicts()]
        return {
            "about": self.about,
            "rows": rows,
            "verdicts": verdicts,
            "profiles": {name: profiles.as_json(profile) for name, profile in self.profiles.items()},
            "memory_mb": self.memory_mb,
        }

    def _pictures(self) -> dict[str, str]:
        found = {}
        for name, title, figure in (
            ("throughput", "Throughput", "k messages/s"),
            ("cpu-a-message", "Broker CPU a message", "CPU us/message"),
            ("cpu-a-request", "Broker CPU a request", "CPU us/request"),
        ):
            shown = self._by_row(figure)
            if shown:
                found[name] = pictures.bars(title, figure, shown)
        found["memory"] = pictures.lines(
            "Resident memory over the run", pictures.Axis("s"), pictures.Axis("MB"), self.memory_mb
        )
        for row in self.rows:
            if any(row.latencies_ms(broker) for broker in row.samples):
                found[f"latency-{row.workload.topic}"] = _distribution(row)
        for growth in self._growths():
            name, unit, figure = growth.series.name, growth.series.unit, growth.series.figure
            found[f"growth-{_file_name(name)}"] = pictures.lines(
                f"{name}: {figure}", pictures.Axis(unit), pictures.Axis(figure), growth.curves
            )
        return found

    def _by_row(self, figure: str) -> dict[str, Mapping[str, float]]:
        return {
            row.workload.name: {broker: each[figure] for broker, each in row.figures.items() if figure in each}
            for row in self.rows
            if not row.workload.series and any(figure in each for each in row.figures.values())
        }


def _distribution(row: Row) -> str:
    curves: dict[str, Sequence[tuple[float, float]]] = {}
    for broker in row.samples:
        latencies = row.latencies_ms(broker)
        if latencies:
            curves[broker] = [(part * 100, percentile(latencies, part)) for part in _PARTS]
    y = pictures.Axis("ms", is_logarithmic=True)
    return pictures.lines(f"{row.workload.name}: latency", pictures.Axis("percentile"), y, curves)


def _file_name(text: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
