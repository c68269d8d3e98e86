"""The same requests to Ottla and to Apache Kafka, and the answers compared."""

from __future__ import annotations

import pytest

from .group_script import GroupScript
from .random_requests import RandomRequests
from .scenarios import ALL


def answers(broker, group: str) -> list[object]:
    script = GroupScript(broker, group)
    try:
        script.await_coordinator()
        ALL[group](script)
    finally:
        script.close()
    return script.seen


@pytest.mark.parametrize("group", ALL)
def test_groups_answer_as_those_of_kafka(group, ottla, kafka):
    assert answers(ottla, group) == answers(kafka, group)


STEPS = 150


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_asked(seed, ottla, kafka):
    group = f"random-{seed}"
    seen = []
    for broker in (ottla, kafka):
        script = GroupScript(broker, group)
        try:
            script.await_coordinator()
            RandomRequests(script, group, seed).run(STEPS)
        finally:
            script.close()
        seen.append(script.seen)
    for number, (ours, theirs) in enumerate(zip(*seen, strict=False)):
        assert ours == theirs, f"answer {number}, behind {seen[0][max(number - 6, 0) : number]}"
    assert len(seen[0]) == len(seen[1])
