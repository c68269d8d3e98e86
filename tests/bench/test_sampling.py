"""Rows on a sampled broker: each has its profile, and one that cannot be run costs no other its own."""

from __future__ import annotations

from compat.bench.comparison.sampling import Sampling
from compat.bench.comparison.workloads import catalogue
from compat.bench.comparison.workloads.groups import GroupRequests
from compat.bench.comparison.workloads.produce import OneRecordRequests

NAMES = {
    "1000 small transactions a second": "per_s",
    "2000 producers, a batch a second each": "producers",
}


def test_a_row_that_cannot_be_run_is_told_and_left_out(tmp_path):
    said = []
    heartbeat = GroupRequests("heartbeat", groups=1, requests=2000)
    wanted = {"impossible": OneRecordRequests("without partitions", connections=0), "growth": heartbeat}
    sampling = Sampling(tmp_path, tmp_path / "out" / "stacks", said.append, sampled_s=0.5)
    ((key, profile),) = sampling.run(wanted)
    assert (key, profile.row) == ("growth", "heartbeat")
    assert profile.figures["CPU us/request"] > 0
    assert profile.functions
    assert said[0] == "[1/2] what holds impossible"
    assert "was not created" in said[1]
    assert said[2] == "[2/2] what holds growth"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "stacks" / "bench-heartbeat.txt").read_text()


def test_what_comes_by_the_clock_does_not_come_in_the_beat_of_the_samples():
    rows = {row.name: row for row in catalogue.all_rows(quick=False)}
    for name, field in NAMES.items():
        usual, sampled = getattr(rows[name], field), getattr(rows[name].to_be_sampled(), field)
        assert 0.9 * usual < sampled < usual
        assert (1000 / sampled) % 0.5


def test_what_is_sampled_is_the_row_and_no_other():
    for row in catalogue.all_rows(quick=False):
        assert (type(row.to_be_sampled()), row.to_be_sampled().topic) == (type(row), row.topic)
