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


def write(path: str, findings: Findings) -> None:
    """Write the page."""
    Path(path).write_text("\n".join([*_head(findings), *_apis(findings), *_gaps(findings), *_others(findings), ""]))


def _head(findings: Findings) -> list[str]:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return [
        f"# Ottla {VERSION} beside Apache Kafka {KAFKA_VERSION}",
        "",
        f"Written by `pytest compat --report` on {today}; not edited by hand. Every case sends the same bytes to both "
        "brokers and compares the answers field by field.",
        "",
        f"{len(findings.cases)} cases, {sum(len(case.compared) for case in findings.cases)} times a case in a version.",
        "",
    ]


def _apis(findings: Findings) -> list[str]:
    lines = [
        "## APIs",
        "",
        "| API | Kafka | Ottla | cases | identical | known gap | different |",
        "|---|---|---|--:|---|---|---|",
    ]
    if findings.side_by_side is None:
        return [*lines, "", "Nothing was compared in this run.", ""]
    ours, theirs = findings.side_by_side.our_versions, findings.side_by_side.their_versions
    for key in sorted(theirs):
        lines.append(_api_row(findings, key, ours.get(key), theirs[key]))
    return [*lines, ""]


def _api_row(findings: Findings, key: int, ours: tuple[int, int] | None, theirs: tuple[int, int]) -> str:
    cases = [case for case in findings.cases if case.api_key == key]
    verdicts: dict[int, str] = {}
    for compared in (one for case in cases for one in case.compared):
        verdict = "different" if compared.unexplained else "gap" if compared.explained else "identical"
        worst = max(verdict, verdicts.get(compared.version, "identical"), key=("identical", "gap", "different").index)
        verdicts[compared.version] = worst
    name = "".join(word.capitalize() for word in ApiKey(key).name.split("_")) if key in set(ApiKey) else str(key)
    columns = [ranges(v for v, said in verdicts.items() if said == kind) for kind in ("identical", "gap", "different")]
    advertised = f"{ours[0]}-{ours[1]}" if ours else "not advertised"
    return f"| {name} ({key}) | {theirs[0]}-{theirs[1]} | {advertised} | {len(cases) or ''} | {' | '.join(columns)} |"


def _gaps(findings: Findings) -> list[str]:
    seen = {(case.id, gap) for case in findings.cases for one in case.compared for _, gap in one.explained}
    lines = ["## Known gaps", ""]
    if not seen:
        return [*lines, "None.", ""]
    return [*lines, *sorted(f"- `{case}`, `{gap.field}`: {gap.reason}" for case, gap in seen), ""]


def _others(findings: Findings) -> list[str]:
    lines = ["## Everything else that ran", "", "| file | passed | failed | skipped |", "|---|--:|--:|--:|"]
    for place, tests in sorted(findings.tests.items()):
        outcomes = [_worst(said) for said in tests.values()]
        counts = [outcomes.count(kind) for kind in ("passed", "failed", "skipped")]
        lines.append(f"| {place} | {counts[0]} | {counts[1]} | {counts[2]} |")
    return [*lines, ""]


def _worst(outcomes: list[str]) -> str:
    return next(kind for kind in ("failed", "skipped", "passed") if kind in outcomes)
