"""From rounds to a verdict: medians, ratios of Ottla to the others, and whether a limit is met. Nothing is run here."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .workload import Limit, Series

OTHERS = ("kafka", "kfake")
ITSELF = "itself"
"""What a figure that must be flat is compared with."""
FLAT_MAX = 1.5
"""How much a figure that should not grow may grow from the smallest to the largest point: noise, not a slope."""


class Verdict(NamedTuple):
    """One line of the table."""

    row: str
    figure: str
    values: Mapping[str, float]
    """The median of each broker."""
    ratios: Mapping[str, float]
    limits: Mapping[str, float]
    met: bool | None
    """None where nothing is asked, or where nothing that is asked for could be compared."""
    subject: str = ""

    @property
    def compared(self) -> dict[str, float]:
        """Of each limit that could be looked at, by whom it is measured: what Ottla's figure is to it."""
        parts = {**self.ratios, ITSELF: self.values["ottla"]} if "ottla" in self.values else self.ratios
        return {other: parts[other] for other in self.limits if other in parts}

    @property
    def broken(self) -> dict[str, float]:
        """The same of the limits that are not met."""
        return {other: part for other, part in self.compared.items() if part > self.limits[other]}


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds that have it."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: statistics.median(figures[name] for figures in rounds if name in figures) for name in names}


def ratio(ottla: float, other: float) -> float | None:
    """Ottla's part of the other; None where the other's figure is nothing."""
    return ottla / other if other > 0 else None


def judge(row: str, figures: Mapping[str, Mapping[str, float]], limits: Mapping[str, Limit]) -> list[Verdict]:
    """A line for each figure of a row, judged ones first. `figures` has each broker's medians."""
    names = dict.fromkeys([*limits, *(name for each in figures.values() for name in each)])
    return [_judge_figure(row, name, figures, limits.get(name)) for name in names]


def _judge_figure(row: str, name: str, figures: Mapping[str, Mapping[str, float]], limit: Limit | None) -> Verdict:
    values = {broker: each[name] for broker, each in figures.items() if name in each}
    ratios = {}
    if "ottla" in values:
        for other in OTHERS:
            found = ratio(values["ottla"], values[other]) if other in values else None
            if found is not None:
                ratios[other] = found
    asked = {} if limit is None else {other: most for other in OTHERS if (most := getattr(limit, other)) is not None}
    return Verdict(row, name, values, ratios, asked, is_met(ratios, asked))


def is_met(ratios: Mapping[str, float], limits: Mapping[str, float]) -> bool | None:
    """Whether every ratio that has a limit is within it; None where there is none to compare."""
    compared = [ratios[other] <= most for other, most in limits.items() if other in ratios]
    return all(compared) if compared else None


def judge_flat(series: Series, points: Mapping[str, Sequence[tuple[float, Sequence[float]]]]) -> Verdict:
    """How much a figure grows from the smallest to the largest point of a series, broker by broker.

    A point is where it stands and its rounds.
    """
    growth = {broker: grown for broker, each in points.items() if (grown := _grown(each, series.is_level)) is not None}
    met = growth["ottla"] <= FLAT_MAX if "ottla" in growth else None
    places = sorted({at for each in points.values() for at, _ in each}) or [series.at]
    name = f"growth: {series.name}, {places[0]:g} to {places[-1]:g}"
    return Verdict(name, f"{series.figure}, times", growth, {}, {ITSELF: FLAT_MAX}, met)


def _grown(points: Sequence[tuple[float, Sequence[float]]], is_level: bool) -> float | None:
    """The median of each round's ratio, since a round's points were measured side by side; of a level the extremes."""
    if len(points) <= 1:
        return None
    (_, smallest), *_, (_, largest) = sorted(points)
    if is_level:
        return ratio(max(largest), min(smallest))
    ratios = [found for small, large in zip(smallest, largest, strict=False) if (found := ratio(large, small))]
    return statistics.median(ratios) if ratios else None


def unmet(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those that are not met."""
    return [verdict for verdict in verdicts if verdict.met is False]


def limit_counts(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """How many limits are met, of how many that could be looked at; a figure may have one for each other broker."""
    verdicts = list(verdicts)
    asked = sum(len(verdict.compared) for verdict in verdicts)
    return asked - sum(len(verdict.broken) for verdict in verdicts), asked


def as_json(verdict: Verdict) -> dict[str, Any]:
    """For the file of results."""
    return {name: dict(value) if hasattr(value, "items") else value for name, value in verdict._asdict().items()}
