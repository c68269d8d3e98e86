"""From rounds to verdicts: what a median, a ratio and a met limit are, where figures are missing too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compat.bench.comparison.verdicts import as_json, is_met, judge, judge_flat, limit_counts, medians, ratio, unmet
from compat.bench.comparison.workload import Limit, Series


def test_a_median_is_of_the_rounds_that_have_the_figure():
    rounds = [{"cpu": 3.0, "p99": 9.0}, {"cpu": 1.0}, {"cpu": 2.0, "p99": 5.0}]
    assert medians(rounds) == {"cpu": 2.0, "p99": 7.0}
    assert medians([]) == {}


def test_one_wild_round_does_not_move_the_median():
    assert medians([{"cpu": value} for value in (1.0, 1.1, 1000.0)]) == {"cpu": 1.1}


@pytest.mark.parametrize(("ottla", "other", "expected"), [(1.0, 4.0, 0.25), (0.0, 2.0, 0.0), (1.0, 0.0, None)])
def test_a_ratio_is_ottlas_part_of_the_other(ottla, other, expected):
    assert ratio(ottla, other) == expected


@pytest.mark.parametrize(
    ("ratios", "limits", "expected"),
    [
        ({"kafka": 0.5, "kfake": 0.8}, {"kafka": 0.5, "kfake": 0.8}, True),
        ({"kafka": 0.51, "kfake": 0.8}, {"kafka": 0.5, "kfake": 0.8}, False),
        ({"kafka": 0.4, "kfake": 0.9}, {"kafka": 0.5, "kfake": 0.8}, False),
        ({"kafka": 0.4}, {"kafka": 0.5, "kfake": 0.8}, True),
        ({"kfake": 9.0}, {"kafka": 0.5}, None),
        ({"kafka": 9.0}, {}, None),
        ({}, {"kafka": 0.5}, None),
    ],
)
def test_a_limit_is_met_by_every_broker_that_can_be_compared(ratios, limits, expected):
    assert is_met(ratios, limits) is expected


def test_a_row_is_judged_figure_by_figure():
    figures = {
        "ottla": {"throughput": 9.0, "cpu": 1.0},
        "kafka": {"throughput": 3.0, "cpu": 4.0},
        "kfake": {"throughput": 6.0, "cpu": 0.5},
    }
    judged, told = judge("produce", figures, {"cpu": Limit(kafka=0.5, kfake=0.8)})
    assert (judged.figure, judged.ratios, judged.limits) == (
        "cpu",
        {"kafka": 0.25, "kfake": 2.0},
        {"kafka": 0.5, "kfake": 0.8},
    )
    assert judged.met is False
    assert (told.figure, told.ratios, told.limits, told.met) == ("throughput", {"kafka": 3.0, "kfake": 1.5}, {}, None)
    assert unmet([judged, told]) == [judged]


def test_a_row_without_ottla_is_not_met():
    (judged,) = judge("produce", {"kafka": {"cpu": 4.0}}, {"cpu": Limit(kafka=0.5)})
    assert judged.values == {"kafka": 4.0}
    assert judged.met is None


def test_a_figure_that_nobody_has_is_not_met():
    (judged,) = judge("produce", {"ottla": {}, "kafka": {}}, {"cpu": Limit(kafka=0.5)})
    assert (judged.values, judged.met) == ({}, None)


IDLE = Series("idle partitions", "partitions", 0, "cpu")


@pytest.mark.parametrize(("largest", "expected"), [(1.4, True), (1.6, False)])
def test_flat_is_the_largest_point_beside_the_smallest(largest, expected):
    points = {
        "ottla": [(1000.0, [largest]), (0.0, [1.0]), (10.0, [7.0])],
        "kafka": [(0.0, [1.0]), (1000.0, [4.0])],
    }
    verdict = judge_flat(IDLE, points)
    assert verdict.row == "growth: idle partitions, 0 to 1000"
    assert verdict.values == {"ottla": largest, "kafka": 4.0}
    assert verdict.met is expected


def test_a_cost_is_compared_within_each_round():
    """The machine was busy in the second round: both medians lie, their rounds do not."""
    points = {"ottla": [(0.0, [1.0, 9.0, 9.0]), (1000.0, [1.2, 10.8, 9.9])]}
    assert judge_flat(IDLE, points).values == {"ottla": pytest.approx(1.2)}


def test_a_level_is_judged_by_its_extremes():
    """What a long lag has left behind is there when the short one is read again."""
    points = {"ottla": [(10.0, [50.0, 400.0, 400.0]), (1000.0, [400.0, 400.0, 400.0])]}
    verdict = judge_flat(replace(IDLE, is_level=True), points)
    assert (verdict.values, verdict.met) == ({"ottla": 8.0}, False)


def test_a_series_of_one_point_says_nothing():
    assert judge_flat(IDLE, {"ottla": [(0.0, [1.0])]}).met is None
    assert judge_flat(IDLE, {}).met is None


def test_limits_are_counted_one_by_one():
    figures = {"ottla": {"cpu": 1.0}, "kafka": {"cpu": 4.0}, "kfake": {"cpu": 1.0}}
    judged = judge("produce", figures, {"cpu": Limit(kafka=0.5, kfake=0.8)})
    assert judged[0].broken == {"kfake": 1.0}
    assert limit_counts([*judged, judge_flat(IDLE, {"ottla": [(0.0, [1.0]), (9.0, [9.0])]})]) == (1, 3)


def test_a_limit_beside_a_broker_that_took_no_part_is_not_counted():
    judged = judge("produce", {"ottla": {"cpu": 1.0}, "kafka": {"cpu": 4.0}}, {"cpu": Limit(kafka=0.5, kfake=0.8)})
    assert limit_counts(judged) == (1, 1)
    assert limit_counts(judge("produce", {"kafka": {"cpu": 4.0}}, {"cpu": Limit(kafka=0.5)})) == (0, 0)


def test_a_verdict_as_json_is_plain():
    (judged,) = judge("produce", {"ottla": {"cpu": 1.0}, "kafka": {"cpu": 4.0}}, {"cpu": Limit(kafka=0.5)})
    assert as_json(judged) == {
        "row": "produce",
        "figure": "cpu",
        "values": {"ottla": 1.0, "kafka": 4.0},
        "ratios": {"kafka": 0.25},
        "limits": {"kafka": 0.5},
        "met": True,
        "subject": "",
    }
