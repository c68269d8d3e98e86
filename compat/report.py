"""The page that says what a run found: which API, in which version, answers as Apache Kafka does.

Nothing of it is written by hand: it is what the cases of one run said, with the date and the versions.
"""

from __future__ import annotations

import platform
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ottla.broker.version import VERSION
from ottla.protocol.api_keys import ApiKey

from . import summary
from .differential.documented_errors import DOCUMENTED, reached
from .kafka_launcher import KAFKA_VERSION
from .version_ranges import ranges

if TYPE_CHECKING:
    from .clients.matrix import ClientRuns
    from .differential.case import Case
    from .differential.side_by_side import Compared, SideBySide


class CaseFinding(NamedTuple):
    """How one case went."""

    id: str
    api_key: int | None
    compared: list[Compared]


class Findings:
    """What is noted while the tests run."""

    def __init__(self) -> None:
        self.cases: list[CaseFinding] = []
        self.tests: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.side_by_side: SideBySide | None = None

    def note_case(self, case: Case, compared: list[Compared]) -> None:
        self.cases.append(CaseFinding(case.id, case.api.api_key if case.api else None, compared))

    def errors_of(self, api_key: int) -> set[int]:
        """The error codes with which the reference answered the cases of an API."""
        compared = (one for case in self.cases if case.api_key == api_key for one in case.compared)
        return set().union(*(one.errors for one in compared))

    def note_test(self, item: pytest.Item, outcome: pytest.TestReport) -> None:
        """Keep how a test ended, under the folder and file that it is in."""
        if outcome.when == "call" or outcome.outcome != "passed":
            place = item.nodeid.partition("::")[0].removeprefix("compat/")
            self.tests[place][item.name].append(outcome.outcome)


FINDINGS: pytest.StashKey[Findings] = pytest.StashKey()


def write(path: str, findings: Findings, clients: ClientRuns) -> None:
    """Write the page."""
    parts = [
        _head(findings, clients),
        _apis(findings),
        _errors(findings),
        _gaps(findings),
        clients.lines(),
        _others(findings),
        [""],
    ]
    Path(path).write_text("\n".join(line for part in parts for line in part))


def _head(findings: Findings, clients: ClientRuns) -> list[str]:
    return [
        f"# Ottla {VERSION} beside Apache Kafka {KAFKA_VERSION}",
        "",
        f"Written by `pytest compat --report`, not edited by hand; Python {platform.python_version()}, "
        f"{platform.system()} on {platform.machine()}.",
        "",
        *summary.lines(findings, clients),
        "",
    ]


def _apis(findings: Findings) -> list[str]:
    lines = [
        "## APIs",
        "",
        "A check is one case in one version.",
        "",
        "| API | Kafka | Ottla | cases | checks | identical | known gap | different | identical in versions |",
        "|---|---|---|--:|--:|--:|--:|--:|---|",
    ]
    if findings.side_by_side is None:
        return [*lines, "", "Nothing was compared in this run.", ""]
    ours, theirs = findings.side_by_side.our_versions, findings.side_by_side.their_versions
    for key in sorted(theirs):
        lines.append(_api_row(findings, key, ours.get(key), theirs[key]))
    return [*lines, "", *_sequences(findings), ""]


def _api_row(findings: Findings, key: int, ours: tuple[int, int] | None, theirs: tuple[int, int]) -> str:
    row = f"| {_api_name(key)} ({key}) | {_span(theirs)} | "
    if ours is None:
        return row + "not advertised | | | | | | |"
    cases = [case for case in findings.cases if case.api_key == key]
    checks = [one for case in cases for one in case.compared]
    counts = summary.counts_of(cases).values()
    imperfect = {one.version for one in checks if summary.verdict(one) != "identical"}
    identical = ranges(one.version for one in checks if one.version not in imperfect)
    return row + " | ".join([_span(ours), str(len(cases)), str(len(checks)), *map(str, counts), identical]) + " |"


def _span(versions: tuple[int, int]) -> str:
    return ranges(range(versions[0], versions[1] + 1))


def _sequences(findings: Findings) -> list[str]:
    """One line for the rows of requests to several APIs."""
    counts = summary.counts_of([case for case in findings.cases if case.api_key is None])
    same, all_of_them = counts["identical"], sum(counts.values())
    return [f"Sequences of requests to several APIs: {same} of {all_of_them} identical from the first to the last."]


def _errors(findings: Findings) -> list[str]:
    """Which documented errors some case brought about, and why the others cannot be."""
    asked = [key for key in DOCUMENTED if any(case.api_key == key for case in findings.cases)]
    if not asked:
        return []
    lines = ["## Documented errors", "", "| API | answered, and compared | out of reach |", "|---|---|---|"]
    for key in sorted(asked):
        found = reached(key, findings.errors_of(key))
        unreached = "; ".join(f"{error.name}: {why}" for error, why in found.out_of_reach.items())
        lines.append(f"| {_api_name(key)} | {', '.join(error.name for error in found.answered)} | {unreached} |")
    return [*lines, ""]


def _api_name(key: int) -> str:
    return "".join(word.capitalize() for word in ApiKey(key).name.split("_")) if key in set(ApiKey) else str(key)


def _gaps(findings: Findings) -> list[str]:
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for case in findings.cases:
        for gap in (gap for one in case.compared for _, gap in one.explained):
            seen[gap.case, gap.reason].add(f"`{gap.field}`")
    lines = ["## Known gaps", ""]
    if not seen:
        return [*lines, "None.", ""]
    return [*lines, *(f"- `{case}`: {why} {', '.join(sorted(at))}" for (case, why), at in sorted(seen.items())), ""]


def _others(findings: Findings) -> list[str]:
    lines = ["## Everything else that ran", "", "| file | passed | failed | skipped |", "|---|--:|--:|--:|"]
    for place, tests in sorted(findings.tests.items()):
        outcomes = [_worst(said) for said in tests.values()]
        counts = [outcomes.count(kind) for kind in ("passed", "failed", "skipped")]
        lines.append(f"| {place} | {counts[0]} | {counts[1]} | {counts[2]} |")
    return [*lines, ""]


def _worst(outcomes: list[str]) -> str:
    return next(kind for kind in ("failed", "skipped", "passed") if kind in outcomes)
