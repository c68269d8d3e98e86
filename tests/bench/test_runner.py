"""Who is measured when: brokers in turn, rows of a series side by side, short and long rows as often as they say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from compat.bench.comparison.results import Row
from compat.bench.comparison.runner import side_by_side, turns
from compat.bench.comparison.workload import Series, Target, Workload

TARGETS = [Target(kind, 0, 0, Path()) for kind in ("ottla", "kafka", "kfake")]


@dataclass(frozen=True)
class Nothing(Workload):
    subject: ClassVar[str] = "nothing"
    sized_by: ClassVar[str] = "requests"
    requests: int = 100


def order_of(rounds, *workloads):
    return [
        (turn.number, turn.target.kind, turn.row.workload.name)
        for turn in turns(TARGETS, [Row(workload) for workload in workloads], rounds)
    ]


def test_each_round_goes_over_all_brokers_and_begins_with_another_one():
    found = order_of(2, Nothing("a"))
    assert [number for number, _, _ in found] == [-1, -1, -1, 0, 0, 0, 1, 1, 1]
    assert [kind for number, kind, _ in found if number == 0] == ["ottla", "kafka", "kfake"]
    assert [kind for number, kind, _ in found if number == 1] == ["kafka", "kfake", "ottla"]


def test_rows_of_a_series_are_measured_side_by_side_up_and_down():
    found = order_of(2, Nothing("small", warms_up=False), Nothing("large", warms_up=False))
    assert [name for _, kind, name in found if kind == "ottla"] == ["small", "large", "large", "small"]
    assert found[:2] == [(0, "ottla", "small"), (0, "ottla", "large")]


def test_a_long_row_is_measured_less_often_and_a_short_one_more_often():
    found = order_of(3, Nothing("long", rounds_max=1, warms_up=False), Nothing("short", rounds_factor=2))
    counted = [name for number, kind, name in found if kind == "kafka" and number >= 0]
    assert (counted.count("long"), counted.count("short")) == (1, 6)


def test_only_neighbours_of_one_series_are_put_together():
    small, large = (replace(Nothing(f"at {at}"), series=(Series("size", "MB", at, "cpu"),)) for at in (1, 9))
    alone, other = Nothing("alone"), Nothing("other")
    assert side_by_side([alone, other, small, large]) == [[alone], [other], [small, large]]


def test_a_round_that_warms_up_is_the_same_and_smaller():
    found = Nothing("a", requests=10).warm_up_round()
    assert (found.requests, found.topic) == (2, Nothing("a").topic)
    assert Nothing("a", requests=1).warm_up_round().requests == 1
