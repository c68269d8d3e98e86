"""The page that says what a run found: which API, in which version, answers as Apache Kafka does.

Nothing of it is written by hand: it is what the cases of one run said, with the date and the versions.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ottla.broker.version import VERSION
from ottla.protocol.api_keys import ApiKey

from .kafka_launcher import KAFKA_VERSION
from .version_ranges import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    def note_test(self, item: pytest.Item, outcome: pytest.TestReport) -> None:
        """Keep how a test ended, under the folder and file that it is in."""
        if outcome.when == "call" or outcome.outcome != "passed":
            place = item.nodeid.partition("::")[0].removeprefix("compat/")
            self.tests[place][item.name].append(outcome.outcome)


FINDINGS: pytest.StashKey[Findings] = pytest.StashKey()


def write(path: str, findings: Findings, clients: Sequence[str]) -> None:
    """Write the page; `clients` is what the client programs have to say, as lines of Markdown."""
    parts = [_head(findings), _apis(findings), _gaps(findings), clients, _others(findings), [""]]
    Path(path).write_text("\n".join(line for part in parts for line in part))


def _head(findings: Findings) -> list[str]:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return [
        f"# Ottla {VERSION} beside Apache Kafka {KAFKA_VERSION}",
        "",
        f"Written by `pytest compat --report` on {today}; not edited by hand. Every case sends the same bytes to both "
        "brokers and compares the answers field by field.",
        "",
        _summary(findings),
        "",
    ]


def _summary(findings: Findings) -> str:
    verdicts = [_verdict(one) for case in findings.cases for one in case.compared]
    counts = {kind: verdicts.count(kind) for kind in ("identical", "gap", "different")}
    return (
        f"{len(findings.cases)} cases, {len(verdicts)} checks: {counts['identical']} identical, {counts['gap']} with a "
        f"known gap, {counts['different']} different."
    )


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
    name = "".join(word.capitalize() for word in ApiKey(key).name.split("_")) if key in set(ApiKey) else str(key)
    row = f"| {name} ({key}) | {_span(theirs)} | "
    if ours is None:
        return row + "not advertised | | | | | | |"
    cases = [case for case in findings.cases if case.api_key == key]
    checks = [one for case in cases for one in case.compared]
    counts = [sum(1 for one in checks if _verdict(one) == kind) for kind in ("identical", "gap", "different")]
    imperfect = {one.version for one in checks if _verdict(one) != "identical"}
    identical = ranges(one.version for one in checks if one.version not in imperfect)
    return row + " | ".join([_span(ours), str(len(cases)), str(len(checks)), *map(str, counts), identical]) + " |"


def _verdict(compared: Compared) -> str:
    return "different" if compared.unexplained else "gap" if compared.explained else "identical"


def _span(versions: tuple[int, int]) -> str:
    return ranges(range(versions[0], versions[1] + 1))


def _sequences(findings: Findings) -> list[str]:
    """One line for the rows of requests to several APIs."""
    verdicts = [_verdict(one) for case in findings.cases if case.api_key is None for one in case.compared]
    same = verdicts.count("identical")
    return [f"Sequences of requests to several APIs: {same} of {len(verdicts)} identical from the first to the last."]


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
