"""The comparison of two views sees each kind of loss, and lets pass what a hand-over may change."""

from __future__ import annotations

import copy

import pytest
from ottla.protocol.records import Record

from .view import differences


def partition(*records: Record) -> dict:
    batches = {record.offset: {"header": {"crc": record.offset}, "records": [record]} for record in records}
    return {"batches": batches, "log start": 0, "high watermark": len(records), "last stable": len(records)}


RECORDS = [Record(0, 1, b"a", b"1"), Record(1, 2, b"b", b"2"), Record(2, 3, b"a", b"3")]
VIEW = {
    "topics": {"t": {"id": "00", "partitions": {0: (0, 1, [1], [1], [])}}},
    "leader epochs": {("t", 0): 4},
    "records": {("t", 0): partition(*RECORDS), ("compacted", 0): partition(*RECORDS)},
    "offsets": {("t", 0): {"latest": 3}, ("compacted", 0): {"at 0": (0, 1, 0)}},
    "producers": {("t", 0): {7: (0, 5)}},
    "moving": {("__consumer_offsets", 0): partition(*RECORDS[:2])},
}


@pytest.fixture
def after() -> dict:
    return copy.deepcopy(VIEW)


def seen(after: dict) -> list[str]:
    return [line for section in VIEW for line in differences(VIEW, after, section)]


def test_nothing_changed(after):
    assert seen(after) == []


def test_what_may_change(after):
    after["leader epochs"]["t", 0] = 6
    del after["records"]["compacted", 0]["batches"][0]
    after["offsets"]["compacted", 0]["at 0"] = (1, 2, 0)
    after["producers"] = {("t", 0): {}}
    after["moving"]["__consumer_offsets", 0] = partition(*RECORDS)
    assert seen(after) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda view: view["topics"]["t"].update(id="01"),
        lambda view: view["topics"].update(more={}),
        lambda view: view["leader epochs"].update({("t", 0): 3}),
        lambda view: view["leader epochs"].clear(),
        lambda view: view["records"]["t", 0]["batches"].pop(1),
        lambda view: view["records"]["t", 0]["batches"].update({3: {}}),
        lambda view: view["records"]["t", 0]["batches"][1]["header"].update(crc=9),
        lambda view: view["records"].update({("t", 1): partition()}),
        lambda view: view["records"].pop(("t", 0)),
        lambda view: view["records"]["t", 0].update({"log start": 1}),
        lambda view: view["records"]["compacted", 0]["batches"].pop(2),
        lambda view: view["offsets"]["t", 0].update(latest=4),
        lambda view: view["producers"]["t", 0].update({7: (0, 4)}),
        lambda view: view["moving"]["__consumer_offsets", 0]["batches"].pop(0),
    ],
    ids=range(14),
)
def test_what_must_not_change(after, damage):
    damage(after)
    assert len(seen(after)) == 1
