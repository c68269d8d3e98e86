"""The benchmarks run, at sizes that measure nothing, and say what they found; no number of theirs is judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "compat" / "bench"


def said(script: str, *arguments: str) -> str:
    command = [sys.executable, str(BENCH / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_start():
    text = said("start.py", "--rounds", "1", "--connections", "3")
    assert "start to first answered Metadata, s" in text
    assert "resident with 3 idle connections, MB" in text


def test_partitions(tmp_path):
    text = said("partitions.py", "--topics", "2", "--rounds", "1", "--home", str(tmp_path))
    for row in ("create 200 partitions", "read each", "stop (SIGTERM)", "after a clean stop", "after kill -9"):
        assert row in text
    assert "0 warnings and errors in the broker's log" in text


def test_cold_read(tmp_path):
    text = said("cold_read.py", "--mb", "20", "--segment-mb", "4", "--slow", "2", "--in", str(tmp_path))
    for row in (
        "20 MB in 5 segments",
        "raw protocol",
        "cat > /dev/null",
        "a loopback socket",
        "resident with 2 clients",
    ):
        assert row in text
    assert list(tmp_path.iterdir()) == []
    assert "0 warnings and errors in the broker's log" in text


def test_loop_pauses():
    arguments = ["--seconds", "3", "--mb-per-s", "4", "--topics", "2", "--segment-mb", "1", "--retention-mb", "1"]
    text = said("loop_pauses.py", *arguments, "--stacks")
    for row in ("as it was", "without waits for a CPU", "generation 2", "pauses from 5 ms"):
        assert row in text
    assert "0 warnings and errors in the broker's log" in text
