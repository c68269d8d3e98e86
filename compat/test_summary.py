"""The summary says what was found, and the README what the report says."""

from __future__ import annotations

import pytest

from . import summary
from .clients.matrix import ClientRuns
from .differential.side_by_side import Compared, SideBySide
from .report import CaseFinding, Findings

SAME, OTHER = Compared(0, [], []), Compared(1, ["a difference"], [])


def found(**tests):
    findings = Findings()
    versions = {0: (0, 13), 1: (4, 18)}
    findings.side_by_side = SideBySide(None, None, versions | {3: (0, 1)}, versions | {3: (0, 2), 4: (0, 0)})
    findings.cases = [CaseFinding("a", 0, [SAME, OTHER]), CaseFinding("b", None, [SAME])]
    for name, outcome in tests.items():
        findings.tests["broken/test_broken_on_purpose.py"][f"test_a_fault_is_caught[{name}]"].append(outcome)
    return findings


def rows(findings, clients=None):
    said = summary.lines(findings, clients or ClientRuns())
    return dict(line.strip("| ").split(" | ") for line in said if line.startswith("| ") and line != "| | |")


def test_it_counts_what_was_found():
    said = rows(found(one="passed", two="failed"))
    assert said["APIs"] == "3 of the 4 that Kafka advertises, 2 of them in the same versions"
    assert said["requests to one API"] == "1 cases, 2 with their versions: 1 identical, 0 with a known gap, 1 different"
    assert said["sequences of requests to several"] == "1 of 1 identical"
    assert said["faults put into the broker on purpose"] == "1 of 2 caught"
    assert said["rows of requests by chance"] == said["client programs"] == "not in this run"


def test_a_client_counts_that_shows_all_of_its_features():
    clients = ClientRuns()
    clients.showed["kcat"] = {"produce_none": True}
    clients.showed["other"] = {"produce_none": True, "acks": False}
    assert rows(found(), clients)["client programs"] == "1 of 2 see what Kafka shows them: kcat"


def test_a_page_gets_the_summary_of_another():
    block = "\n".join(summary.lines(found(), ClientRuns()))
    page = f"# Title\n\n{summary.BEGIN}\nold\n{summary.END}\n\nmore"
    assert summary.with_block(page, block) == f"# Title\n\n{block}\n\nmore"
    assert summary.block_of(f"before {block} after") == block
    with pytest.raises(ValueError, match="substring"):
        summary.with_block("# Title", block)


def test_the_readme_says_what_the_report_says():
    said = summary.block_of(summary.README.read_text())
    assert said == summary.block_of(summary.REPORT.read_text()), "python -m compat.summary brings it up to date"
