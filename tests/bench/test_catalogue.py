"""All rows of the comparison: that each can be told from the others, made smaller, and asks for what was agreed."""

from __future__ import annotations

import pytest

from compat.bench.comparison.runner import side_by_side
from compat.bench.comparison.workload import Limit
from compat.bench.comparison.workloads.catalogue import all_rows, chosen_rows
from compat.bench.comparison.workloads.consume import ConsumeAll


@pytest.mark.parametrize("quick", [True, False])
def test_every_row_has_a_topic_of_its_own(quick):
    names = [row.topic for row in all_rows(quick)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("quick", [True, False])
def test_a_warm_up_round_does_less_on_the_same_topic(quick):
    for row in all_rows(quick):
        smaller = row.warm_up_round()
        assert smaller.topic == row.topic
        if row.warms_up:
            assert getattr(smaller, row.sized_by) < getattr(row, row.sized_by), row.name


@pytest.mark.parametrize("quick", [True, False])
def test_the_rows_of_a_series_stand_together(quick):
    groups = side_by_side(all_rows(quick))
    series = [group[0].series[0].name for group in groups if group[0].series]
    assert len(set(series)) == len(series) == 6
    assert all(len(group) > 1 for group in groups if group[0].series)


def test_ten_consumers_share_a_cold_log_and_read_the_whole_of_one_in_memory():
    read = {
        row.name: sorted(at for consumer in range(row.consumers) for at in row._partitions_of(consumer))
        for row in chosen_rows(["consume"], "10 consumers", quick=False)
        if isinstance(row, ConsumeAll)
    }
    assert read == {
        "consume from memory, 10 consumers": sorted([*range(6)] * 10),
        "consume a cold log of 2000 MB, 10 consumers": [*range(10)],
    }


def test_every_way_of_consuming_has_its_limit():
    rows = chosen_rows(["consume"], "", quick=False)
    assert len(rows) == 4
    assert all(row.limits == {"CPU us/message": Limit(kafka=1.0, kfake=0.3)} for row in rows)


def test_rows_are_chosen_by_subject_and_by_a_part_of_their_name():
    assert [row.name for row in chosen_rows([], "HEARTbeat", quick=False)] == ["heartbeat"]
    assert chosen_rows(["latency"], "heartbeat", quick=False) == []
