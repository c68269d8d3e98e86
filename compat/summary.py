"""What a run found, in a few lines: they open the report, and the README shows the same ones.

`python -m compat.summary` copies them from `compat/REPORT.md` into `README.md`.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .kafka_launcher import KAFKA_VERSION

if TYPE_CHECKING:
    from .clients.matrix import ClientRuns
    from .differential.side_by_side import Compared
    from .report import CaseFinding, Findings

BEGIN = "<!-- the summary of compat/REPORT.md; `make compat` writes it -->"
END = "<!-- end of the summary -->"
REPORT = Path(__file__).with_name("REPORT.md")
README = Path(__file__).parents[1] / "README.md"
_BY_CHANCE = ("differential/test_random_rows.py", "test_rows_by_chance_are_answered_alike")
_ON_PURPOSE = ("broken/test_broken_on_purpose.py", "test_a_fault_is_caught")


def verdict(compared: Compared) -> str:
    """How one case in one version went: identical, gap or different."""
    return "different" if compared.unexplained else "gap" if compared.explained else "identical"


def counts_of(cases: list[CaseFinding]) -> dict[str, int]:
    """How often each verdict was given."""
    verdicts = [verdict(one) for case in cases for one in case.compared]
    return {kind: verdicts.count(kind) for kind in ("identical", "gap", "different")}


def lines(findings: Findings, clients: ClientRuns) -> list[str]:
    """The summary, between its two marks."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    rows = [_apis(findings), _catalogue(findings), _sequences(findings)]
    rows.append(_tests(findings, "rows of requests by chance", _BY_CHANCE, "identical"))
    rows.append(_tests(findings, "faults put into the broker on purpose", _ON_PURPOSE, "caught"))
    rows.append(_clients(clients))
    head = (
        f"The same bytes to Ottla and to Apache Kafka {KAFKA_VERSION}, the answers compared field by field, on {today}:"
    )
    return [BEGIN, head, "", "| | |", "|---|---|", *(f"| {what} | {found} |" for what, found in rows), END]


def _apis(findings: Findings) -> tuple[str, str]:
    what = "APIs"
    if findings.side_by_side is None:
        return what, "not compared in this run"
    ours, theirs = findings.side_by_side.our_versions, findings.side_by_side.their_versions
    same = [key for key in ours if ours[key] == theirs.get(key)]
    return what, f"{len(ours)} of the {len(theirs)} that Kafka advertises, {len(same)} of them in the same versions"


def _catalogue(findings: Findings) -> tuple[str, str]:
    cases = [case for case in findings.cases if case.api_key is not None]
    counts = counts_of(cases)
    return "requests to one API", (
        f"{len(cases)} cases, {sum(counts.values())} with their versions: {counts['identical']} identical, "
        f"{counts['gap']} with a known gap, {counts['different']} different"
    )


def _sequences(findings: Findings) -> tuple[str, str]:
    counts = counts_of([case for case in findings.cases if case.api_key is None])
    return "sequences of requests to several", f"{counts['identical']} of {sum(counts.values())} identical"


def _tests(findings: Findings, what: str, place: tuple[str, str], found: str) -> tuple[str, str]:
    file, name = place
    said = [outcomes for test, outcomes in findings.tests[file].items() if test.partition("[")[0] == name]
    passed = [outcomes for outcomes in said if set(outcomes) == {"passed"}]
    return what, f"{len(passed)} of {len(said)} {found}" if said else "not in this run"


def _clients(clients: ClientRuns) -> tuple[str, str]:
    what = "client programs"
    if not clients.showed:
        return what, "not in this run"
    good = [name for name, features in clients.showed.items() if all(features.values())]
    return what, f"{len(good)} of {len(clients.showed)} see what Kafka shows them: {', '.join(sorted(good))}"


def block_of(text: str) -> str:
    """The summary that stands in a page. Raises ValueError where none does."""
    begin = text.index(BEGIN)
    return text[begin : text.index(END, begin) + len(END)]


def with_block(page: str, block: str) -> str:
    """The page with this summary in the place of its own. Raises ValueError where it has none."""
    return page.replace(block_of(page), block)


if __name__ == "__main__":
    README.write_text(with_block(README.read_text(), block_of(REPORT.read_text())))
