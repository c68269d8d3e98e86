"""Each client's ordinary use, as a person writes it, against the broker under test.

A program gets the bootstrap servers and a prefix for all its names, and prints the facts of each feature it shows.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from .builds import Unavailable
from .programs import PROGRAMS, Program

if TYPE_CHECKING:
    from .matrix import ClientRuns

BUILD_AND_RUN_S = 2400


def facts_of(program: Program, command: list[str], bootstrap: str, prefix: str, directory: Any) -> dict[str, Any]:
    """What the program printed, by feature; an AssertionError with its last words when it ended otherwise."""
    done = subprocess.run(
        [*command, bootstrap, prefix],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=program.timeout_s,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line.pop("feature"): line for line in lines}


def differences(program: Program, seen: dict[str, Any]) -> list[str]:
    expected = program.expected()
    found = [f"{name}: the program showed it, but it is not in its list" for name in seen.keys() - expected.keys()]
    for name, facts in expected.items():
        got = dict(seen.get(name, {"ok": False, "error": "not shown"}))
        wanted = {"ok": True, **facts}
        if any(got.get(key) != value for key, value in wanted.items()):
            found.append(f"{name}: {got}, but Apache Kafka gives {wanted}")
    return found


@pytest.mark.timeout(BUILD_AND_RUN_S)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program, broker: Any, topic_name: str, tmp_path: Any, client_runs: ClientRuns) -> None:
    if not program.everyday and os.environ.get("OTTLA_COMPAT_CLIENTS") != "all":
        client_runs.skipped[program.name] = "not asked for"
        pytest.skip(f"{program.name}: OTTLA_COMPAT_CLIENTS=all asks for it")
    try:
        command = program.build.command()
    except Unavailable as reason:
        client_runs.skipped[program.name] = str(reason).splitlines()[0]
        pytest.skip(f"{program.name}: {reason}")
    seen = facts_of(program, command, broker.bootstrap_servers, topic_name, tmp_path)
    different = differences(program, seen)
    wrong = {line.partition(":")[0] for line in different}
    client_runs.showed[program.name].update({name: name not in wrong for name in program.features})
    assert not different, "\n".join(different)
