"""The verdicts as plain text: each broker's figure, Ottla's part of it, what that may be at most, met or by whose not.

Below it, what is not met alone, by how much, and what holds it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from .profiles import dearest, what_holds
from .verdicts import ITSELF, OTHERS, limit_counts, unmet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .profiles import Profile
    from .verdicts import Verdict

_DEAREST = 3
_OTTLA, _SOMETIMES = "ottla", "ottla-uvloop"


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
    return [verdict.figure, *values, *ratios, _limits(verdict), _met(verdict)]


def _limits(verdict: Verdict) -> str:
    if not verdict.limits:
        return ""
    if ITSELF in verdict.limits:
        return f"{verdict.limits[ITSELF]:g}"
    return "; ".join(f"{verdict.limits[other]:g}" if other in verdict.limits else "-" for other in OTHERS)


def _met(verdict: Verdict) -> str:
    if verdict.met is None:
        return ""
    by = " and ".join(other for other in verdict.broken if other != ITSELF)
    return "met" if verdict.met else f"NOT MET: {by}" if by else "NOT MET"


def summary(verdicts: Iterable[Verdict]) -> str:
    """What is not met, subject by subject, the worst first; nothing but a sentence where all is."""
    verdicts = list(verdicts)
    met, asked = limit_counts(verdicts)
    pieces = [f"{met} of {asked} limits are met"]
    head = ("", "row", "figure", "ottla", "allowed", "over", "the limit")
    rows: list[Sequence[str]] = [head]
    ordered = sorted(verdicts, key=lambda each: _first_places(verdicts)[each.subject])
    for subject, group in itertools.groupby(ordered, key=lambda each: each.subject):
        of_subject = list(group)
        met, asked = limit_counts(of_subject)
        if asked:
            pieces.append(f"  {subject}: {met} of {asked}")
        rows += [(subject, *cells) for cells in broken_limits(of_subject)]
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        pieces += ["", "Not met, by how many times what is allowed:", *(_broken_line(row, widths) for row in rows)]
    return "\n".join(pieces)


def _first_places(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Subjects in the order in which they appear first."""
    return {subject: at for at, subject in enumerate(dict.fromkeys(verdict.subject for verdict in verdicts))}


def broken_limits(verdicts: Iterable[Verdict]) -> list[Sequence[str]]:
    """Row, figure, what Ottla takes, what is allowed, how many times that it takes, and the limit; the worst first."""
    found: list[tuple[float, Sequence[str]]] = []
    for verdict in verdicts:
        for other, part in verdict.broken.items():
            most = verdict.limits[other]
            allowed = most if other == ITSELF else most * verdict.values[other]
            what = "flat" if other == ITSELF else f"{most:g} of {other}'s {number(verdict.values[other])}"
            cells = (verdict.row, verdict.figure, number(verdict.values["ottla"]), number(allowed))
            found.append((part / most, (*cells, f"{part / most:.2f}x", what)))
    found.sort(key=lambda each: -each[0])
    return [cells for _, cells in found]


def holders(verdicts: Iterable[Verdict], found: Mapping[str, Profile]) -> str:
    """For each row that is not met what its profile says, in two lines; nothing where there is no profile."""
    lines = []
    for name in dict.fromkeys(verdict.row for verdict in unmet(verdicts)):
        profile = found.get(name)
        if profile is not None:
            run = "" if profile.row == name else f" (of {profile.row})"
            lines += [f"  {name}{run}", f"      {what_holds(profile)}", f"      {dearest(profile, _DEAREST)}"]
    return "\n".join(["", "What holds them, Ottla alone, by samples of its CPU time:", *lines]) if lines else ""


def _broken_line(row: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)]
    right = [cell.rjust(width) for cell, width in zip(row[3:-1], widths[3:], strict=False)]
    return "  ".join(["", *left, *right, row[-1]]).rstrip()


def number(value: float | None) -> str:
    """Three figures that mean something; empty for None."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
