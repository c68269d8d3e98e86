"""No byte of a partition's log can change without a finding, CRC or not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from ottla.broker.inspection.findings import Findings
from ottla.broker.inspection.listing import list_directory
from ottla.broker.inspection.partition_check import Expectation, check_partition
from ottla.broker.inspection.progress import Tally
from ottla.broker.inspection.segment_check import Totals

if TYPE_CHECKING:
    from pathlib import Path


def check(directory: Path, name: str, **changes: object) -> Findings:
    listing = list_directory(str(directory))
    folder = next(folder for folder in listing.partitions if folder.name == name)
    known = {"topic_id": None, "log_start_offset": 0, "recovery_point": 0, "is_clean": True, "is_live": False}
    findings = Findings(listing.path)
    check_partition(folder, Expectation(**known | changes), findings, Tally(), Totals(), with_records=True)
    return findings


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_every_byte_of_a_log_counts(directory: Path, mask: int) -> None:
    """The fields that the CRC leaves out, too: base offset, length, leader epoch, magic and the CRC itself."""
    path = directory / "txn-0" / "00000000000000000000.log"
    content = path.read_bytes()
    assert len(content) > 500
    unnoticed = []
    for position in range(len(content)):
        broken = bytearray(content)
        broken[position] ^= mask
        path.write_bytes(broken)
        if not check(directory, "txn-0").errors:
            unnoticed.append(position)
    assert unnoticed == []


def test_every_byte_of_a_snapshot_and_of_a_transaction_index_counts(directory: Path) -> None:
    for path in (max((directory / "txn-0").glob("*.snapshot")), directory / "txn-0" / "00000000000000000000.txnindex"):
        content = path.read_bytes()
        unnoticed = []
        for position in range(len(content)):
            broken = bytearray(content)
            broken[position] ^= 0x01
            path.write_bytes(broken)
            if not check(directory, "txn-0").errors:
                unnoticed.append(position)
        path.write_bytes(content)
        # The last stable offset of an entry may be smaller than it could be: readers then look a segment further.
        assert [position for position in unnoticed if path.suffix == ".snapshot" or position % 34 < 26] == [], path.name


def test_every_cut_of_a_log_counts(directory: Path) -> None:
    """A clean stop leaves whole batches; a log that ends with one is shorter than the checkpoints say."""
    path = directory / "txn-0" / "00000000000000000000.log"
    content = path.read_bytes()
    for length in range(1, len(content)):
        path.write_bytes(content[:length])
        assert check(directory, "txn-0").errors, length


def test_what_a_start_rebuilds_is_a_note(directory: Path) -> None:
    """After a crash, from the segment of the recovery point on; before it an index stays what it is."""
    for base in (0, 60, 120):
        index = directory / "orders-0" / f"{base:020d}.index"
        index.write_bytes(index.read_bytes()[:-3])
    for recovery_point, errors in ((0, 0), (59, 0), (60, 1), (130, 2)):
        findings = check(directory, "orders-0", is_clean=False, recovery_point=recovery_point)
        assert (findings.errors, findings.notes) == (errors, 3 - errors), recovery_point


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "t-0").mkdir()
    assert check(tmp_path, "t-0").errors == 0
    assert os.listdir(tmp_path / "t-0") == []
