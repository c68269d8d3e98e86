"""The same requests to Ottla and to Apache Kafka, and the answers compared."""

from __future__ import annotations

import pytest

from .group_script import GroupScript
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
