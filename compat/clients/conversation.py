"""A run of one program: the lines that it prints, and the restarts of the broker that it asks for."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from ..brokers import CannotRun
from .features import RESTART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..brokers import Broker


def facts_of(command: list[str], broker: Broker, prefix: str, directory: Path, timeout_s: int) -> dict[str, Any]:
    """What the program printed, by feature; an AssertionError with its last words when it ended otherwise."""
    said = directory / "stderr"
    with said.open("wb") as errors:
        program = subprocess.Popen(
            [*command, broker.bootstrap_servers, prefix],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    limit = threading.Timer(timeout_s, program.kill)
    limit.start()
    try:
        with program:
            seen = {line.pop("feature"): line for line in _lines(program, broker)}
    finally:
        limit.cancel()
        program.kill()
    words = said.read_text(errors="replace")[-4000:]
    assert program.returncode == 0, f"status {program.returncode} after {seen}\n{words}"
    return seen


def _lines(program: subprocess.Popen[str], broker: Broker) -> Iterator[dict[str, Any]]:
    assert program.stdin is not None
    assert program.stdout is not None
    for text in program.stdout:
        if not text.startswith("{"):
            continue
        line = json.loads(text)
        if line.get("please") == RESTART:
            program.stdin.write(_restarted(broker) + "\n")
            program.stdin.flush()
        else:
            yield line


def _restarted(broker: Broker) -> str:
    try:
        broker.restart()
    except CannotRun as reason:
        return str(reason)
    return "done"
