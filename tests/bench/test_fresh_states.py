"""The benchmark of fresh states runs, at a size that measures nothing, and says what it found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "compat" / "bench" / "fresh_states.py"


def test_fresh_states():
    done = subprocess.run([sys.executable, str(SCRIPT), "--rounds", "5"], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    for row in ("start", "stop", "reset", "starts: resident MB", "resets: descriptors", "resets: threads"):
        assert row in done.stdout
