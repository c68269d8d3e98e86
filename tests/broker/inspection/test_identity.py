"""Who has a directory open, asked without taking a lock."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from ottla.broker.inspection.identity import lock_holder

if TYPE_CHECKING:
    from pathlib import Path

# As Java's FileChannel.lock and as this broker do it.
HOLDER = """
import fcntl, sys
file = open(sys.argv[1], sys.argv[2])
fcntl.lockf(file, int(sys.argv[3]) | fcntl.LOCK_NB)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("mode", "kind"), [("r+", 2), ("r", 1)], ids=["a writer", "a reader"])
def test_the_process_that_holds_it(mode: str, kind: int, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.touch()
    assert lock_holder(str(path)) is None
    command = [sys.executable, "-c", HOLDER, str(path), mode, str(kind)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert lock_holder(str(path)) == process.pid
        process.stdin.close()
        assert process.wait(20) == 0
    assert lock_holder(str(path)) is None


def test_no_lock_file(tmp_path: Path) -> None:
    assert lock_holder(str(tmp_path / ".lock")) is None
    assert os.listdir(tmp_path) == []
