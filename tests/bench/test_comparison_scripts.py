"""The comparison and the microbenchmark run, at sizes that measure nothing; their numbers are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from compat.bench.hot_functions import Cost, regressions

ROOT = Path(__file__).resolve().parents[2]


def run(module, *arguments):
    command = [sys.executable, "-m", f"compat.bench.{module}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=ROOT)


def test_ottla_alone_is_measured_and_nothing_is_judged(tmp_path):
    few = ["--quick", "--brokers", "ottla", "--rounds", "1", "--warm-up-s", "0", "--in", tmp_path]
    done = run("compare", *few, "--rows", "start,latency", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "could not be measured" not in done.stdout
    for row in ("start to first answer", "produce to consume", "produce to consume under 20 MB/s", "after the runs"):
        assert f"\n{row} " in done.stdout
    assert "0 of 0 limits are met" in done.stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert all(figures["p50 ms"] > 0 for figures in results["rows"][1]["rounds"]["ottla"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_one_row_is_profiled_and_no_more_of_the_broker_than_that(tmp_path):
    done = run("compare", "--quick", "--in", tmp_path, "--output", tmp_path / "out", "--only", "HEARTBEAT", "--profile")
    assert done.returncode == 0, done.stdout + done.stderr
    name, parts, _, *functions = done.stdout.strip().splitlines()
    assert name == "heartbeat"
    assert "kernel" in parts
    assert "connections" in parts
    assert any("broker/connection.py:" in line for line in functions)
    stacks = (tmp_path / "out" / "stacks" / "bench-heartbeat.txt").read_text()
    assert "repeated_heartbeat.py" in stacks
    # The member joins before what is measured begins.
    assert "join_group.py" not in stacks
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_rows_that_no_name_has_are_refused():
    done = run("compare", "--only", "nonsense")
    assert done.returncode == 1
    assert "no row has 'nonsense' in its name" in done.stderr


def test_a_row_that_does_not_exist_is_refused():
    done = run("compare", "--rows", "produce,nonsense")
    assert done.returncode == 2
    assert "nonsense is none of" in done.stderr


def test_hot_functions_are_measured_and_compared(tmp_path):
    before = tmp_path / "before.json"
    done = run("hot_functions", "--repeats", "1", "--json", before)
    assert done.returncode == 0, done.stdout + done.stderr
    costs = json.loads(before.read_text())
    assert len(costs) >= 16
    assert all(cost["us"] > 0 for cost in costs.values())
    name = "dispatch Heartbeat"
    before.write_text(json.dumps({name: {"us": costs[name]["us"] / 100}}))
    done = run("hot_functions", "--repeats", "1", "--only", name, "--against", before)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"slower: {name}" in done.stdout


def test_a_regression_names_its_function():
    before = {"a": Cost(1.0, 100), "b": Cost(1.0), "c": Cost(1.0, 100)}
    found = {"a": Cost(9.0, 101), "b": Cost(1.2), "c": Cost(0.5, 120), "new": Cost(1.0)}
    assert regressions(found, before) == ["b", "c"]
