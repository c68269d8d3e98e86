"""Each client's ordinary use, as a person writes it, against the broker under test.

A program gets the bootstrap servers and a prefix for all its names, and prints the facts of each feature it shows.
"""

from __future__ import annotations

import os
import time
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
# A run of every day builds for so long on a machine that has nothing yet, and skips the rest by name; a run of all
# takes what it needs.
EVERYDAY_BUILD_S = 240


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
    is_for_all = os.environ.get("OTTLA_COMPAT_CLIENTS") == "all"
    if not program.everyday and not is_for_all:
        client_runs.skipped[program.name] = "not asked for"
        pytest.skip(f"{program.name}: OTTLA_COMPAT_CLIENTS=all asks for it")
    start_s = time.monotonic()
    try:
        left_s = BUILD_AND_RUN_S if is_for_all else EVERYDAY_BUILD_S - client_runs.building_s
        command = program.build.command(start_s + left_s)
    except Unavailable as reason:
        client_runs.skipped[program.name] = str(reason).splitlines()[0]
        pytest.skip(f"{program.name}: {reason}")
    finally:
        client_runs.building_s += time.monotonic() - start_s
    seen = facts_of(command, broker, topic_name, tmp_path, program.timeout_s)
    out_of_reach = RESTARTS if broker.kind == "other" else set()
    expected = {name: facts for name, facts in program.expected().items() if name not in out_of_reach}
    different = differences(expected, {name: facts for name, facts in seen.items() if name not in out_of_reach})
    wrong = {line.partition(":")[0] for line in different}
    client_runs.showed[program.name].update({name: name not in wrong for name in expected})
    assert not different, "\n".join(different)
