"""What an index entry may say of its log, Kafka's older ways included."""

from __future__ import annotations

import pytest
from ottla.broker.inspection.index_checks import OffsetIndexCheck, TimeIndexCheck
from ottla.protocol.record_batch import read_header
from ottla.protocol.records import Record, build_batch
from ottla.storage.offset_index import OffsetIndex
from ottla.storage.time_index import TimeIndex

# Three batches: offsets 10-12, 13-15 and 20-22 (compaction took those between), 100 bytes each, the times rising.
TIMES = {10: 500, 13: 400, 20: 700}


def headers():
    for number, (base, time) in enumerate(TIMES.items()):
        records = [Record(base + i, time, None, b"v") for i in range(3)]
        yield number * 100, read_header(build_batch(records, base_offset=base))


def offset_findings(*entries: tuple[int, int]) -> list[str]:
    index = OffsetIndex("x", 10)
    index._offsets.extend(offset - 10 for offset, _ in entries)
    index._positions.extend(position for _, position in entries)
    found: list[str] = []
    check = OffsetIndexCheck(index, lambda at, problem: found.append(f"{at}: {problem}"))
    for position, header in headers():
        check.see(position, header)
    check.finish(300)
    return found


def time_findings(*entries: tuple[int, int]) -> list[str]:
    index = TimeIndex("x", 10)
    index._timestamps.extend(time for time, _ in entries)
    index._offsets.extend(offset - 10 for _, offset in entries)
    found: list[str] = []
    check = TimeIndexCheck(index, lambda at, problem: found.append(f"{at}: {problem}"))
    for _, header in headers():
        check.see(header)
    check.finish()
    return found


@pytest.mark.parametrize(
    "entries",
    [
        (),
        ((15, 100), (22, 200)),
        ((22, 200),),
        # A follower before Kafka 4.0 wrote the last offset of all that it had fetched at once.
        ((15, 0), (22, 200)),
    ],
)
def test_offset_entries_that_are_right(entries):
    assert offset_findings(*entries) == []


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (((15, 50),), "0: entry for offset 15: no batch begins at position 50 of the log"),
        (((12, 100),), "0: entry for offset 12: the batch there begins at offset 13"),
        (((22, 200), (23, 900)), "8: entry for offset 23: position 900 is beyond the log's 300 bytes"),
        (((22, 250),), "0: entry for offset 22: position 250 is inside the last batch of the log's 300 bytes"),
        (((22, 200), (15, 100)), "8: entry (offset 15, position 100) does not follow (22, 200)"),
    ],
)
def test_offset_entries_that_are_wrong(entries, said):
    assert offset_findings(*entries) == [said]


@pytest.mark.parametrize("entries", [(), ((500, 12),), ((500, 15),), ((500, 12), (700, 22)), ((500, 10),)])
def test_time_entries_that_are_right(entries):
    assert time_findings(*entries) == []


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (((400, 15),), "0: entry for offset 15: says 400, the newest record so far is of 500"),
        (((600, 15),), "0: entry for offset 15: says 600, the newest record so far is of 500"),
        (((500, 17),), "0: entry for time 500: no batch holds offset 17"),
        (((700, 30),), "0: entry for time 700: offset 30 is beyond the end of the log"),
        (((500, 12), (500, 15)), "12: entry (time 500, offset 15) does not follow (500, 12)"),
    ],
)
def test_time_entries_that_are_wrong(entries, said):
    assert time_findings(*entries) == [said]


def test_behind_a_hole_nothing_is_said_of_times():
    index = TimeIndex("x", 10)
    index._timestamps.append(999)
    index._offsets.append(5)
    found: list[str] = []
    check = TimeIndexCheck(index, lambda at, problem: found.append(problem))
    check.pass_hole()
    for _, header in headers():
        check.see(header)
    check.finish()
    assert found == []
