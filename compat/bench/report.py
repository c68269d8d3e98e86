"""Makes what people read of a run of `compare`: `REPORT.md` with all that is judged, pictures, and the README's table.

    python -m compat.bench.report [.bench [LATER ...]]

The figures are those of `results.json`; nothing is measured here. Rows of a later run stand in the place of the same
rows of the first one, and the report says which these are; pictures and profiles are the first one's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .comparison.profiles import from_json, what_holds
from .comparison.table import broken_limits, number, summary
from .comparison.verdicts import ITSELF, OTHERS, Verdict, limit_counts, unmet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .comparison.profiles import Profile

HOME: Final = Path(__file__).parent
README: Final = HOME.parents[1] / "README.md"
PICTURES: Final = HOME / "pictures"
BEGIN: Final = "<!-- of a run of `make bench-compare`; `python -m compat.bench.report` writes it -->"
END: Final = "<!-- end of the figures -->"
_BROKERS: Final = ("ottla", *OTHERS)
_HOW_IT_IS_FOUND: Final = (
    "Ottla alone in each of these rows, looked at in each tick of its CPU time. The parts have their own time in "
    "Python, and the kernel what they ask of it. [README.md](README.md#what-holds-a-row) says how to see a row."
)


class _Shown(NamedTuple):
    """A line of the README's table, and where its figures are from."""

    label: str
    row: str
    figure: str


_IN_README: Final = (
    _Shown(
        "produce 100 B records in batches, CPU µs a record", "produce 100 B, none, 6 partitions, batches to 16 KB", ""
    ),
    _Shown("produce 10 KB records in large batches", "produce 10000 B, none, 6 partitions, batches to 1 MB", ""),
    _Shown("consume from memory, CPU µs a record", "consume from memory, 1 consumer", ""),
    _Shown("consume 2 GB that are not in memory", "consume a cold log of 2000 MB, 1 consumer", ""),
    _Shown("produce requests of one record, acks all, CPU µs a request", "one-record requests, acks all", ""),
    _Shown("heartbeat of a group's member", "heartbeat", ""),
    _Shown("commit of an offset", "commit of one offset", ""),
    _Shown("a small transaction, CPU µs", "1000 small transactions a second", ""),
    _Shown("1,000 waiting fetches that one record wakes, CPU ms", "1000 parked fetches", ""),
    _Shown("from produce to consume, median, ms", "produce to consume", "p50 ms"),
    _Shown("the 99th percentile, ms", "produce to consume", "p99 ms"),
    _Shown("start to first answer, s", "start to first answer", "start s"),
    _Shown("memory after all this, MB", "after the runs", "resident MB"),
)
_README_PICTURES: Final = (
    ("cpu-a-request", "Broker CPU a request"),
    ("latency-bench-produce-to-consume", "Latency from produce to consume"),
    ("memory", "Resident memory over the run"),
)


def main() -> None:
    """Read a run, write the report, and put its table into the README."""
    options = _options()
    run: Path = options.run
    found = _results(run)
    about, verdicts = found["about"], _verdicts(found)
    for again in options.later:
        verdicts, about["measured again"] = with_later(verdicts, _verdicts(_results(again)), about)
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    names = sorted(path.name for path in run.glob("*.svg"))
    for name in names:
        shutil.copy(run / name, PICTURES / name)
    profiles = {row: from_json(profile) for row, profile in found.get("profiles", {}).items()}
    (HOME / "REPORT.md").write_text("\n".join(report(about, verdicts, profiles, names)) + "\n")
    README.write_text(with_block(README.read_text(), readme_block(about, verdicts)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?", default=Path(".bench"), help="where a run was written (.bench)")
    parser.add_argument("later", type=Path, nargs="*", help="where rows of it were written that were measured again")
    return parser.parse_args()


def _results(run: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((run / "results.json").read_text())
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename} is not there: `make bench-compare` writes it") from None
    return found


def _verdicts(results: dict[str, Any]) -> list[Verdict]:
    return [Verdict(**verdict) for verdict in results["verdicts"]]


def with_later(
    verdicts: Sequence[Verdict], later: Sequence[Verdict], about: Mapping[str, Any]
) -> tuple[list[Verdict], list[str]]:
    """The verdicts with those of a later run in the place of the same, and the names of all rows that have such."""
    found = {(verdict.row, verdict.figure): verdict for verdict in later}
    put = [found.get((verdict.row, verdict.figure), verdict) for verdict in verdicts]
    again = [verdict.row for verdict in verdicts if (verdict.row, verdict.figure) in found]
    return put, [*dict.fromkeys([*about.get("measured again", ()), *again])]


def report(
    about: dict[str, Any], verdicts: Sequence[Verdict], profiles: Mapping[str, Profile], pictures: Sequence[str]
) -> list[str]:
    """Every figure that has a limit, what is not met and what holds it, and the pictures."""
    met, asked = limit_counts(verdicts)
    return [
        "# What the comparison measured",
        "",
        f"{_described(about)} {met} of {asked} limits are met. [README.md](README.md) says how a row is measured.",
        "",
        *_table(["row", "figure"], [([each.row, each.figure], each) for each in verdicts if each.limits]),
        "",
        "```",
        summary(verdicts),
        "```",
        "",
        *_holders(verdicts, profiles),
        *(f"![{Path(name).stem}](pictures/{name})\n" for name in pictures),
    ]


def _holders(verdicts: Sequence[Verdict], profiles: Mapping[str, Profile]) -> list[str]:
    """What Ottla does in each row that is not met; the functions fold out."""
    names = dict.fromkeys(verdict.row for verdict in unmet(verdicts) if verdict.row in profiles)
    if not names:
        return []
    return [
        "## What holds what is not met",
        "",
        _HOW_IT_IS_FOUND,
        "",
        *itertools.chain.from_iterable(_holder(verdicts, name, profiles[name]) for name in names),
    ]


def _holder(verdicts: Sequence[Verdict], name: str, profile: Profile) -> list[str]:
    broken = [
        f"{figure} {ottla}, where {allowed} is allowed ({limit}), {over}"
        for _, figure, ottla, allowed, over, limit in broken_limits(each for each in verdicts if each.row == name)
    ]
    run = "" if profile.row == name else f" Seen in: {profile.row}."
    return [
        f"**{name}**: {'; '.join(broken)}.{run}",
        f"<details><summary>{what_holds(profile)}</summary>",
        "",
        "| own time | in the kernel | line | function |",
        "| ---: | ---: | --- | --- |",
        *(f"| {each.share:.1%} | {each.kernel:.1%} | `{each.place}` | `{each.name}` |" for each in profile.functions),
        "",
        "</details>",
        "",
    ]


def readme_block(about: dict[str, Any], verdicts: Sequence[Verdict]) -> list[str]:
    """Some rows of each kind, between two marks."""
    met, asked = limit_counts(verdicts)
    rows = [([shown.label], verdict) for shown in _IN_README if (verdict := _find(verdicts, shown)) is not None]
    return [
        BEGIN,
        _described(about),
        "",
        *_table([""], rows),
        "",
        f"Of the {asked} limits that we hold ourselves to {met} are met: the [whole table](compat/bench/REPORT.md).",
        "",
        *(f"![{title}](compat/bench/pictures/{name}.svg)" for name, title in _README_PICTURES),
        END,
    ]


def with_block(text: str, block: Sequence[str]) -> str:
    """The text with this block in place of the one that it has. Raises ValueError when it has none."""
    before, _, rest = text.partition(BEGIN)
    _, mark, behind = rest.partition(END)
    if not mark:
        raise ValueError(f"{README.name} has no block between {BEGIN} and {END}")
    return before + "\n".join(block) + behind


def _find(verdicts: Sequence[Verdict], shown: _Shown) -> Verdict | None:
    for verdict in verdicts:
        if verdict.row == shown.row and shown.figure in ("", verdict.figure):
            return verdict
    return None


def _described(about: dict[str, Any]) -> str:
    rounds = "one round" if about["rounds"] == 1 else f"medians of {about['rounds']} rounds"
    again = about.get("measured again")
    runs = f"in one run; {', '.join(again)} in a run of its own" if again else "in one run"
    return (
        f"{about['when'][:10]}, {about['cpus']} CPUs, {about['python']}; {rounds}, the same client and the same work "
        f"for all, {runs}."
    )


def _table(head: Sequence[str], rows: Sequence[tuple[list[str], Verdict]]) -> list[str]:
    titles = [*head, *_BROKERS, *(f"to {other}" for other in OTHERS)]
    lines = [titles, ["---"] * len(head) + ["---:"] * (len(titles) - len(head))]
    for cells, verdict in rows:
        values = [number(verdict.values.get(broker)) for broker in _BROKERS]
        lines.append([*cells, *values, *(_ratio(verdict, other) for other in OTHERS)])
    return [f"| {' | '.join(line)} |" for line in lines]


def _ratio(verdict: Verdict, other: str) -> str:
    """Ottla's part of the other, and what it may be at most where it is more."""
    shown = number(verdict.ratios.get(other))
    broken = verdict.broken
    if other in broken:
        return f"**{shown}** ({verdict.limits[other]:g})"
    if ITSELF in broken and other == OTHERS[0]:
        return f"**{number(verdict.values['ottla'])}** ({verdict.limits[ITSELF]:g})"
    return shown


if __name__ == "__main__":
    main()
