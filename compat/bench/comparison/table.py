"""The verdicts as plain text: each broker's figure, Ottla's part of it, what that may be at most, met or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .verdicts import OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .verdicts import Verdict

_OTTLA, _SOMETIMES = "ottla", "ottla-uvloop"
_MET = {True: "met", False: "NOT MET", None: ""}


def table(verdicts: Iterable[Verdict]) -> str:
    """Columns as wide as what is in them; the name of a row stands once."""
    verdicts = list(verdicts)
    is_there = any(_SOMETIMES in verdict.values for verdict in verdicts)
    brokers = [_OTTLA, *([_SOMETIMES] if is_there else []), *OTHERS]
    rows: list[Sequence[str]] = [("row", "figure", *brokers, *(f"to {other}" for other in OTHERS), "at most", "")]
    last = None
    for verdict in verdicts:
        rows.append(("" if verdict.row == last else verdict.row, *_cells(verdict, brokers)))
        last = verdict.row
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
    right = [cell.rjust(width) for cell, width in zip(row[2:-1], widths[2:], strict=False)]
    return "  ".join([*left, *right, row[-1]]).rstrip()


def _cells(verdict: Verdict, brokers: Sequence[str]) -> list[str]:
    values = [number(verdict.values.get(broker)) for broker in brokers]
    ratios = [number(verdict.ratios.get(other)) for other in OTHERS]
    return [verdict.figure, *values, *ratios, _limits(verdict), _MET[verdict.met]]


def _limits(verdict: Verdict) -> str:
    if not verdict.limits:
        return ""
    if "itself" in verdict.limits:
        return f"{verdict.limits['itself']:g}"
    return "; ".join(f"{verdict.limits[other]:g}" if other in verdict.limits else "-" for other in OTHERS)


def number(value: float | None) -> str:
    """Three figures that mean something; empty for None."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
