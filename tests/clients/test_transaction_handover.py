"""Open transactions in a directory that was killed: the other broker takes them over and ends them.

Apache Kafka and Ottla go on from each other's directories; what they answer is the same as when they go on themselves.
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from ..harness.broker_process import FAST_GROUPS, KafkaBroker, OttlaBroker
from ..harness.java_tools import why_no_java
from .transaction_requests import Scenario

OPTIONS = {"transaction.state.log.num.partitions": "5", "offsets.topic.num.partitions": "5", **FAST_GROUPS}
LOCKS = (".lock",)


class Resumed(Scenario):
    """A scenario that goes on with another broker."""

    def __init__(self, broker: Any, before: Scenario) -> None:
        self._before = before
        super().__init__(broker)

    def _set_up(self) -> None:
        before = self._before
        self.run, self.topic, self.group = before.run, before.topic, before.group
        self._numbers = dict(before._numbers)
        for name in ("x", "old", "done"):
            self._until(lambda name=name: self._described(self.id(name))[0])


def leave_open(broker: Any) -> tuple[Scenario, dict[str, tuple[int, int]]]:
    """One transactional id of each version with an open transaction, and one whose transaction is over."""
    scenario = Scenario(broker)
    with scenario.client:
        new = scenario.init()
        scenario.send(new, 0, count=2)
        new = scenario.end(new, commit=True)
        scenario.described("CompleteCommit")
        scenario.send(new, 0)
        scenario.send(new, 0, partition=1)
        scenario.commit_offset(new, 5)
        old = scenario.init(name="old", version=4)
        scenario.add(old, ("t", [2]), name="old")
        scenario.send(old, 0, partition=2, version=9, name="old")
        done = scenario.init(name="done")
        scenario.send(done, 0, partition=2, name="done")
        scenario.end(done, commit=False, name="done")
        scenario.described("CompleteAbort", name="done")
    return scenario, {"new": new, "old": old}


def take_over(broker: Any, before: Scenario, producers: dict[str, tuple[int, int]]) -> list[str]:
    """See what is there, then end everything and go on."""
    s = Resumed(broker, before)
    with s.client:
        for name in ("x", "old", "done"):
            s.described(name=name)
        s.listed()
        for partition in range(3):
            s.fetched(partition=partition)
        s.fetch_offset(stable=True)
        new = s.end(producers["new"], commit=True)
        s.described("CompleteCommit")
        s.fetch_offset(stable=True, wanted=5)
        s.send(producers["old"], 1, partition=2, version=9, name="old")
        s.end(producers["old"], commit=True, version=4, name="old")
        s.described("CompleteCommit", name="old")
        for partition in range(3):
            s.fetched(partition=partition)
        s.send(new, 0)
        s.end(new, commit=True)
        s.described("CompleteCommit")
        for name in ("x", "old", "done"):
            s.init(name=name)
    return s.lines


def opened(kind: type, home: Any, data: Any) -> Any:
    """A broker of the other kind on a copy of the directory."""
    broker = kind(home, OPTIONS)
    broker.data_dir = home / "taken-over"
    shutil.copytree(data, broker.data_dir, ignore=shutil.ignore_patterns(*LOCKS))
    broker.start()
    return broker


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", [OttlaBroker, KafkaBroker], ids=["ottla", "kafka"])
def test_both_go_on_alike(first, tmp_path):
    if reason := why_no_java():
        pytest.skip(reason)
    writer = first(tmp_path / "first", OPTIONS)
    writer.start()
    try:
        before, producers = leave_open(writer)
    finally:
        writer.kill()
    answers = []
    for kind in (OttlaBroker, KafkaBroker):
        broker = opened(kind, tmp_path / kind.__name__, writer.data_dir)
        try:
            answers.append(take_over(broker, before, producers))
        finally:
            broker.stop()
    assert answers[0] == answers[1]
