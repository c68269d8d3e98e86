"""What people read of a run: the report and the README's table, from what the run has written."""

from __future__ import annotations

import pytest

from compat.bench import report
from compat.bench.comparison.profiles import Function, Profile
from compat.bench.comparison.verdicts import ITSELF, Verdict
from compat.bench.comparison.workloads import catalogue

ABOUT = {"when": "2026-01-02T03:04:05+00:00", "cpus": 2, "python": "CPython 3.11.7", "rounds": 3}
HEARTBEAT = Verdict(
    "heartbeat",
    "CPU us/request",
    {"ottla": 10.0, "kafka": 40.0, "kfake": 8.0},
    {"kafka": 0.25, "kfake": 1.25},
    {"kafka": 0.5, "kfake": 1.0},
    met=False,
    subject="groups",
)
GROWTH = Verdict("lag: growth", "CPU", {"ottla": 2.0}, {}, {ITSELF: 1.5}, met=False, subject="growth")
TOLD = Verdict("heartbeat", "p50 ms", {"ottla": 1.0}, {}, {}, met=None, subject="groups")


def test_the_report_has_what_is_judged_and_marks_what_is_not_met():
    lines = report.report(ABOUT, [HEARTBEAT, TOLD, GROWTH], {}, ["memory.svg"])
    assert "| heartbeat | CPU us/request | 10.0 | 40.0 | 8.00 | 0.25 | **1.25** (1) |" in lines
    assert "| lag: growth | CPU | 2.00 |  |  | **2.00** (1.5) |  |" in lines
    assert not any("p50" in line for line in lines if line.startswith("|"))
    assert any("1 of 3 limits are met" in line for line in lines)
    assert "![memory](pictures/memory.svg)\n" in lines


def test_the_report_says_what_holds_each_row_that_is_not_met():
    functions = [Function("Connection._flush", "broker/connection.py:241", 0.25, 0.2)]
    parts = {"kernel": 0.6, "connections": 0.4}
    profiles = {
        row: Profile(run, {"CPU us/request": 9.5}, 400, parts, functions)
        for row, run in (("heartbeat", "heartbeat"), ("lag: growth", "a lag of 1000 MB"), ("commit", "commit"))
    }
    lines = report.report(ABOUT, [HEARTBEAT, TOLD, GROWTH], profiles, [])
    assert "**heartbeat**: CPU us/request 10.0, where 8.00 is allowed (1 of kfake's 8.00), 1.25x." in lines
    assert "**lag: growth**: CPU 2.00, where 1.50 is allowed (flat), 1.33x. Seen in: a lag of 1000 MB." in lines
    held = "<details><summary>kernel 60%, connections 40%; CPU us/request 9.5; 400 samples</summary>"
    assert lines.count(held) == 2
    assert "| 25.0% | 20.0% | `broker/connection.py:241` | `Connection._flush` |" in lines
    assert not any("commit" in line for line in lines)


def test_the_report_of_a_run_without_profiles_does_not_speak_of_them():
    assert not any("What holds" in line for line in report.report(ABOUT, [HEARTBEAT], {}, []))


def test_rows_of_a_later_run_stand_in_the_place_of_the_same():
    better = HEARTBEAT._replace(
        values={"ottla": 8.0, "kafka": 40.0, "kfake": 8.0}, ratios={"kafka": 0.2, "kfake": 1.0}, met=True
    )
    elsewhere = HEARTBEAT._replace(row="commit")
    verdicts, again = report.with_later([GROWTH, HEARTBEAT, TOLD], [elsewhere, better], {})
    assert (verdicts, again) == ([GROWTH, better, TOLD], ["heartbeat"])
    assert report.with_later(verdicts, [GROWTH], {"measured again": again})[1] == ["heartbeat", "lag: growth"]
    lines = report.report({**ABOUT, "measured again": again}, verdicts, {}, [])
    assert any("in one run; heartbeat in a run of its own. 2 of 3 limits are met" in line for line in lines)


def test_the_readme_shows_some_rows():
    block = report.readme_block(ABOUT, [HEARTBEAT, TOLD])
    assert block[0] == report.BEGIN
    assert block[-1] == report.END
    assert "| heartbeat of a group's member | 10.0 | 40.0 | 8.00 | 0.25 | **1.25** (1) |" in block


def test_the_readme_names_rows_that_there_are():
    rows = {row.name: row for row in catalogue.all_rows(quick=False)}
    for shown in report._IN_README:
        row = rows[shown.row]
        assert row.limits
        assert shown.figure in ("", *row.limits)


def test_the_block_is_replaced_and_nothing_else():
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nbehind\n"
    assert report.with_block(text, [report.BEGIN, "new", report.END]) == text.replace("old", "new")
    with pytest.raises(ValueError, match="no block"):
        report.with_block("nothing", [])


def test_the_projects_readme_has_a_block():
    text = report.README.read_text()
    assert report.with_block(text, [report.BEGIN, report.END]).count(report.END) == 1
