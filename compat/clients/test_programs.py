"""Each client's ordinary use, as a person writes it, against the broker under test.

A program gets the bootstrap servers and a prefix for all its names, and prints the facts of each feature it shows.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from .builds import Unavailable
from .conversation import facts_of
from .features import RESTARTS
from .programs import PROGRAMS, Program

if TYPE_CHECKING:
    from ..brokers import Broker
    from .features import Facts
    from .matrix import ClientRuns

BUILD_AND_RUN_S = 2400


def differences(expected: dict[str, Facts], seen: dict[str, Any]) -> list[str]:
    found = [f"{name}: the program showed it, but it is not in its list" for name in seen.keys() - expected.keys()]
    for name, facts in expected.items():
        got = dict(seen.get(name, {"ok": False, "error": "not shown"}))
        wanted = {"ok": True, **facts}
        if any(got.get(key) != value for key, value in wanted.items()):
            found.append(f"{name}: {got}, but Apache Kafka gives {wanted}")
    return found


@pytest.mark.timeout(BUILD_AND_RUN_S)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program, broker: Broker, topic_name: str, tmp_path: Any, client_runs: ClientRuns) -> None:
    if not program.everyday and os.environ.get("OTTLA_COMPAT_CLIENTS") != "all":
        client_runs.skipped[program.name] = "not asked for"
        pytest.skip(f"{program.name}: OTTLA_COMPAT_CLIENTS=all asks for it")
    try:
        command = program.build.command()
    except Unavailable as reason:
        client_runs.skipped[program.name] = str(reason).splitlines()[0]
        pytest.skip(f"{program.name}: {reason}")
    seen = facts_of(command, broker, topic_name, tmp_path, program.timeout_s)
    out_of_reach = RESTARTS if broker.kind == "other" else set()
    expected = {name: facts for name, facts in program.expected().items() if name not in out_of_reach}
    different = differences(expected, {name: facts for name, facts in seen.items() if name not in out_of_reach})
    wrong = {line.partition(":")[0] for line in different}
    client_runs.showed[program.name].update({name: name not in wrong for name in expected})
    assert not different, "\n".join(different)
