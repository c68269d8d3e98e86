"""A run's results as people get them: the table, the file, the pictures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import ClassVar

import pytest

from compat.bench.comparison.pictures import Axis, bars, lines
from compat.bench.comparison.profiles import profile_of
from compat.bench.comparison.results import Results, Row
from compat.bench.comparison.table import holders, number, summary, table
from compat.bench.comparison.workload import Limit, Sample, Series, Workload
from compat.bench.comparison.workloads.start_and_memory import AfterTheRuns


@dataclass(frozen=True)
class Nothing(Workload):
    subject: ClassVar[str] = "nothing"


def row(name, figures, limits=None, series=(), latencies=()):
    found = Row(Nothing(name, limits or {}, series))
    for broker, rounds in figures.items():
        found.samples[broker] = [Sample(each, latencies) for each in rounds]
    return found


GROWN = ["9.00", "1.50", "6.00x", "flat"]


def results():
    found = Results({"rounds": 3})
    cpu = {"ottla": [{"CPU us/message": 1.0}, {"CPU us/message": 3.0}], "kafka": [{"CPU us/message": 8.0}]}
    found.rows.append(row("produce", cpu, {"CPU us/message": Limit(kafka=0.5, kfake=0.8)}, latencies=(1.0, 2.0, 9.0)))
    for at, cost in ((0, 1.0), (1000, 9.0)):
        series = (Series("idle partitions", "idle partitions", at, "CPU us/request"),)
        found.rows.append(row(f"beside {at}", {"ottla": [{"CPU us/request": cost}]}, series=series))
    found.memory_mb["ottla"] = [(0.0, 30.0), (0.5, 31.0)]
    return found


def test_a_row_that_failed_on_a_broker_has_no_figures_of_it():
    found = row("produce", {"ottla": [{"cpu": 1.0}], "kfake": [{"cpu": 2.0}]})
    found.failures["kfake"] = "it ended"
    assert found.figures == {"ottla": {"cpu": 1.0}}


def test_the_table_has_each_row_once_with_its_verdict():
    lines_of = table(results().verdicts()).splitlines()
    assert lines_of[0].split() == [
        "row",
        "figure",
        "ottla",
        "kafka",
        "kfake",
        "to",
        "kafka",
        "to",
        "kfake",
        "at",
        "most",
    ]
    assert lines_of[1].split() == ["produce", "CPU", "us/message", "2.00", "8.00", "0.25", "0.5;", "0.8", "met"]
    assert lines_of[-1].split() == [
        "growth:",
        "idle",
        "partitions,",
        "0",
        "to",
        "1000",
        "CPU",
        "us/request,",
        "times",
        "9.00",
        "1.5",
        "NOT",
        "MET",
    ]


def test_the_table_says_beside_whom_a_limit_is_not_met():
    figures = {"ottla": [{"cpu": 2.0}], "kafka": [{"cpu": 8.0}], "kfake": [{"cpu": 2.0}]}
    found = Results({}, [row("produce", figures, {"cpu": Limit(kafka=0.5, kfake=0.8)})])
    assert table(found.verdicts()).splitlines()[-1].endswith("0.5; 0.8  NOT MET: kfake")


def test_the_summary_names_what_is_not_met_by_how_much_and_the_worst_first():
    limits = {"cpu": Limit(kafka=0.5, kfake=0.8)}
    found = results()
    for name, ottla in (("a little", 2.0), ("much", 9.0)):
        figures = {"ottla": [{"cpu": ottla}], "kafka": [{"cpu": 8.0}], "kfake": [{"cpu": 2.0}]}
        found.rows.append(row(name, figures, limits))
    lines_of = summary(found.verdicts()).splitlines()
    assert lines_of[:2] == ["2 of 6 limits are met", "  nothing: 2 of 6"]
    of_rows = [line.split(maxsplit=1)[1].split() for line in lines_of[-4:]]
    assert of_rows == [
        ["growth:", "idle", "partitions,", "0", "to", "1000", "CPU", "us/request,", "times", *GROWN],
        ["much", "cpu", "9.00", "1.60", "5.62x", "0.8", "of", "kfake's", "2.00"],
        ["much", "cpu", "9.00", "4.00", "2.25x", "0.5", "of", "kafka's", "8.00"],
        ["a", "little", "cpu", "2.00", "1.60", "1.25x", "0.8", "of", "kfake's", "2.00"],
    ]


def test_the_summary_of_a_run_that_met_everything_is_short():
    figures = {"ottla": [{"cpu": 1.0}], "kafka": [{"cpu": 8.0}]}
    found = Results({}, [row("produce", figures, {"cpu": Limit(kafka=0.5, kfake=0.8)})])
    assert summary(found.verdicts()) == "1 of 1 limits are met\n  nothing: 1 of 1"


def test_what_is_not_met_is_looked_at_and_of_a_growth_its_largest_point():
    found = results()
    limits = {"cpu": Limit(kafka=0.5)}
    for name, ottla in (("not met", 9.0), ("met", 1.0)):
        found.rows.append(row(name, {"ottla": [{"cpu": ottla}], "kafka": [{"cpu": 8.0}]}, limits))
    work = found.unmet_work()
    assert {name: workload.name for name, workload in work.items()} == {
        "not met": "not met",
        "growth: idle partitions, 0 to 1000": "beside 1000",
    }


def test_memory_is_not_looked_for_in_cpu_time():
    found = Results({})
    for at, resident_mb in ((0, 10.0), (1000, 90.0)):
        series = (Series("lag", "MB", at, "resident MB", is_level=True),)
        found.rows.append(row(f"lag {at}", {"ottla": [{"resident MB": resident_mb}]}, series=series))
    after = Row(AfterTheRuns("after the runs", {"resident MB": Limit(kafka=0.1)}))
    for broker in ("ottla", "kafka"):
        after.samples[broker] = [Sample({"resident MB": 90.0})]
    found.rows.append(after)
    assert [verdict.met for verdict in found.verdicts()] == [None, None, False, False]
    assert not found.unmet_work()


def test_below_the_summary_stands_what_holds_each_row():
    figures = {"ottla": [{"cpu": 9.0}], "kafka": [{"cpu": 8.0}]}
    found = Results({}, [row("slow", figures, {"cpu": Limit(kafka=0.5)})])
    verdicts = found.verdicts()
    assert holders(verdicts, {}) == ""
    stacks = {("storage/log.py:7 Log.append", "[kernel]"): 3000, ("asyncio/events.py:80 Handle._run",): 1000}
    found.profiles["slow"] = profile_of("slow", {"CPU us/message": 9.0}, stacks)
    assert holders(verdicts, found.profiles).splitlines()[-3:] == [
        "  slow",
        "      kernel 75%, event loop 25%; CPU us/message 9; 40 samples",
        "      Log.append (storage/log.py:7) 75%, Handle._run (asyncio/events.py:80) 25%",
    ]
    assert found._as_json()["profiles"]["slow"]["parts"] == {"kernel": 0.75, "event loop": 0.25}


def test_growth_is_the_median_of_what_each_round_grew():
    found = Results({})
    for at, costs in ((0, (1.0, 10.0, 2.0)), (1000, (3.0, 11.0, 2.2))):
        series = (Series("connections", "connections", at, "cpu"),)
        found.rows.append(row(f"beside {at}", {"ottla": [{"cpu": cost} for cost in costs]}, series=series))
    assert found.verdicts()[-1].values == {"ottla": pytest.approx(1.1)}


def test_a_series_that_failed_at_a_point_says_nothing_of_that_broker():
    found = results()
    found.rows[-1].failures["ottla"] = "it ended"
    assert found.verdicts()[-1].met is None


def test_the_other_event_loop_has_a_column_where_it_took_part():
    found = results()
    found.rows.append(row("consume", {"ottla": [{"cpu": 2.0}], "ottla-uvloop": [{"cpu": 1.5}]}))
    head, *lines_of = table(found.verdicts()).splitlines()
    assert head.split()[2:6] == ["ottla", "ottla-uvloop", "kafka", "kfake"]
    assert next(line for line in lines_of if line.startswith("consume")).split() == ["consume", "cpu", "2.00", "1.50"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.0234, "0.023"), (0.5, "0.50"), (9.876, "9.88"), (12.34, "12.3"), (1234.5, "1234"), (0.0, "0.000")],
)
def test_a_number_has_the_figures_that_mean_something(value, text):
    assert number(value) == text


def test_what_is_written_can_be_read_again(tmp_path):
    results().write(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["rows"][0]["rounds"]["ottla"] == [{"CPU us/message": 1.0}, {"CPU us/message": 3.0}]
    assert [verdict["met"] for verdict in written["verdicts"]] == [True, None, None, False]
    assert written["memory_mb"] == {"ottla": [[0.0, 30.0], [0.5, 31.0]]}
    pictures = sorted(path.name for path in (tmp_path / "out").glob("*.svg"))
    assert pictures == [
        "cpu-a-message.svg",
        "growth-idle-partitions.svg",
        "latency-bench-produce.svg",
        "memory.svg",
    ]
    for name in pictures:
        ET.parse(tmp_path / "out" / name)


def rectangles(picture):
    found = ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}rect")
    return [(float(each.get("width")), each.get("fill")) for each in found]


def test_bars_are_as_long_as_what_they_show():
    blue, orange = "#0072B2", "#D55E00"
    found = rectangles(bars("CPU", "us", {"a <b> & c": {"ottla": 1.0, "kafka": 4.0}}))
    lengths = {fill: width for width, fill in found[1:3]}
    assert lengths[orange] == pytest.approx(4 * lengths[blue], rel=0.01)


def test_lines_stay_within_the_picture():
    curves = {"ottla": [(0.0, 0.1), (50.0, 3.0), (99.0, 250.0)], "kafka": [(0.0, 5.0)]}
    root = ET.fromstring(lines("latency", Axis("percentile"), Axis("ms", is_logarithmic=True), curves))
    width, height = float(root.get("width")), float(root.get("height"))
    (path, _) = root.iter("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, point.split(","))) for point in path.get("points").split()]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_a_picture_of_nothing_is_still_one():
    ET.fromstring(lines("memory", Axis("s"), Axis("MB"), {}))
