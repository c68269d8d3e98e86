"""A sound directory has no findings; each kind of damage is found, and named with its file."""

from __future__ import annotations

import re
import shutil
import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ottla.broker.inspection.findings import Severity
from ottla.broker.inspection.progress import Tally
from ottla.broker.inspection.verification import Verification, verify_directory
from ottla.protocol.record_batch import HEADER, read_header, stamp
from ottla.storage.producer_snapshots import encode_snapshot
from ottla.storage.producer_state import ProducerEntry

from .data_directory import add, cut, fingerprint, flip, replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG = "orders-0/00000000000000000000.log"
MIDDLE = "orders-0/00000000000000000060.log"
LAST = "orders-0/00000000000000000120.log"
INDEX = "orders-0/00000000000000000060.index"
TIME_INDEX = "orders-0/00000000000000000060.timeindex"
TXN_INDEX = "txn-0/00000000000000000000.txnindex"
METADATA = "__cluster_metadata-0/00000000000000000000.log"
ERROR, NOTE = Severity.ERROR, Severity.NOTE


def verify(path: Path, **options: bool) -> Verification:
    """The findings; the directory is the same before and after."""
    before = fingerprint(path)
    verification = verify_directory(str(path), lambda _: Tally(), **options)
    assert fingerprint(path) == before
    return verification


def found(path: Path, **options: bool) -> list[str]:
    return [str(finding) for finding in verify(path, **options).findings.found]


def batch_positions(path: Path) -> list[int]:
    data = path.read_bytes()
    positions = [0]
    while positions[-1] < len(data):
        positions.append(positions[-1] + read_header(data, positions[-1]).size_bytes)
    return positions


def test_a_sound_directory_is_clean(sound: Path) -> None:
    verification = verify(sound)
    assert [str(finding) for finding in verification.findings.found] == []
    orders = verification.topics["orders"]
    assert (orders.partitions, orders.totals.segments) == (2, 6)
    assert (orders.totals.batches, orders.totals.records) == (120, 360)
    assert orders.totals.bytes == sum(path.stat().st_size for path in sound.glob("orders-*/*.log"))
    assert verification.topics["__cluster_metadata"].totals.records > 10


def test_after_a_crash_it_is_clean_as_well(crashed: Path) -> None:
    assert found(crashed) == []


def second_batch_goes_back(path: Path) -> None:
    data = bytearray((path / LOG).read_bytes())
    position = batch_positions(path / LOG)[1]
    stamp(data, position, 0, read_header(data, position).partition_leader_epoch)
    (path / LOG).write_bytes(data)


def epoch_goes_back(path: Path) -> None:
    data = bytearray((path / LOG).read_bytes())
    position = batch_positions(path / LOG)[1]
    stamp(data, 0, 0, 7)
    stamp(data, position, 3, 2)
    (path / LOG).write_bytes(data)


def offset_of_the_next_segment(path: Path) -> None:
    data = bytearray((path / LOG).read_bytes())
    position = batch_positions(path / LOG)[-2]
    stamp(data, position, 61, 0)
    (path / LOG).write_bytes(data)


def more_records_than_offsets(path: Path) -> None:
    """A count that the CRC of the batch agrees with."""
    from crc32c import crc32c

    data = bytearray((path / LOG).read_bytes())
    header = read_header(data)
    struct.pack_into(">i", data, HEADER.size - 4, 9)
    struct.pack_into(">I", data, 17, crc32c(memoryview(data)[21 : header.size_bytes]))
    (path / LOG).write_bytes(data)


def entry(path: Path, layout: str, number: int, *fields: int) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, number * struct.calcsize(layout), *fields)
    path.write_bytes(data)


def index_entry_between_batches(path: Path) -> None:
    offset, position = struct.unpack_from(">II", (path / INDEX).read_bytes(), 8)
    entry(path / INDEX, ">II", 1, offset, position + 1)


def index_entry_of_a_later_batch(path: Path) -> None:
    """Look-ups of the offsets in between would miss their batch."""
    offset, _ = struct.unpack_from(">II", (path / INDEX).read_bytes(), 8)
    _, later = struct.unpack_from(">II", (path / INDEX).read_bytes(), 16)
    data = (path / INDEX).read_bytes()
    (path / INDEX).write_bytes(data[:8] + struct.pack(">II", offset, later) + data[24:])


def snapshot(path: Path) -> Path:
    return max((path / "txn-0").glob("*.snapshot"))


def snapshot_of_the_future(path: Path) -> None:
    target = path / "txn-0" / f"{99:020d}.snapshot"
    shutil.copy(snapshot(path), target)


def snapshot_that_knows_what_comes_later(path: Path) -> None:
    snapshot(path).write_bytes(encode_snapshot([ProducerEntry(5, 0, txn_first_offset=99)]))


def copied_segment(path: Path) -> None:
    (path / "orders-0" / "00000000000000000090.index").write_bytes(b"")


def with_snapshot(path: Path) -> None:
    (path / "__cluster_metadata-0" / f"{3:020d}-{1:010d}.checkpoint").write_bytes(b"\0" * 80)


class Damage(NamedTuple):
    do: Callable[[Path], object]
    severity: Severity
    file: str
    problem: str
    """A regular expression; it begins with `position` where a position must be told."""


DAMAGE = {
    "a flipped byte in a batch": Damage(
        lambda p: flip(p / LOG, 100), ERROR, LOG, r"position 0: .* has CRC .*; \d+ bytes"
    ),
    "a flipped byte in compressed records": Damage(
        lambda p: flip(p / LOG, batch_positions(p / LOG)[2] - 3), ERROR, LOG, r"position \d+: .* has CRC"
    ),
    "a length that is wrong": Damage(lambda p: flip(p / LOG, 10), ERROR, LOG, r"position 0: .*up to the next batch"),
    "a magic of older days": Damage(lambda p: flip(p / LOG, 16, 3), ERROR, LOG, r"position 0: a batch of magic 1"),
    "a torn tail of a segment in the middle": Damage(
        lambda p: cut(p / MIDDLE, 7), ERROR, MIDDLE, r"position \d+: ends with \d+ bytes that are no batch"
    ),
    "a torn tail after a clean stop": Damage(
        lambda p: cut(p / LAST, 7), ERROR, LAST, r"position \d+: ends with \d+ bytes that are no batch"
    ),
    "zeros at the end": Damage(lambda p: add(p / LAST, bytes(300)), ERROR, LAST, r"position \d+: ends with 300 zeros"),
    "offsets that go back": Damage(
        second_batch_goes_back, ERROR, LOG, r"position \d+: a batch begins at offset 0, the one before it ends at 2"
    ),
    "an offset of the next segment": Damage(
        offset_of_the_next_segment, ERROR, LOG, r"position \d+: offset 63 belongs into the next segment.* 60"
    ),
    "a leader epoch that goes back": Damage(
        epoch_goes_back, ERROR, LOG, r"position \d+: the leader epoch goes back from 7 to 2"
    ),
    "more records than offsets": Damage(
        more_records_than_offsets, ERROR, LOG, r"position 0: a batch of offsets 0 to 2 claims 9 records"
    ),
    "a segment that is gone": Damage(
        lambda p: (p / LAST).unlink(),
        ERROR,
        "recovery-point-offset-checkpoint",
        r"has offset 180 for orders-0.* at 120",
    ),
    "an index that is gone": Damage(lambda p: (p / INDEX).unlink(), NOTE, INDEX, "is missing"),
    "an index of half entries": Damage(lambda p: cut(p / INDEX, 3), ERROR, INDEX, "not whole entries"),
    "an index entry between batches": Damage(
        index_entry_between_batches, ERROR, INDEX, r"position 8: entry for offset \d+: no batch begins at position \d+"
    ),
    "an index entry of a later batch": Damage(
        index_entry_of_a_later_batch, ERROR, INDEX, r"position 8: entry for offset \d+: the batch there begins at"
    ),
    "an index entry beyond the log": Damage(
        lambda p: entry(p / INDEX, ">II", 18, 119, 1 << 20), ERROR, INDEX, r"position 144: .*beyond the log's"
    ),
    "index entries that do not ascend": Damage(
        lambda p: entry(p / INDEX, ">II", 1, 0, 0), ERROR, INDEX, r"position 8: .*does not follow"
    ),
    "a time that no record has": Damage(
        lambda p: entry(p / TIME_INDEX, ">qi", 0, 1, 5), ERROR, TIME_INDEX, r"position 0: .*says 1, the newest"
    ),
    "times that do not ascend": Damage(
        lambda p: entry(p / TIME_INDEX, ">qi", 1, 1, 9), ERROR, TIME_INDEX, r"position 12: .*does not follow"
    ),
    "a time index of half entries": Damage(lambda p: cut(p / TIME_INDEX, 5), ERROR, TIME_INDEX, "not whole entries"),
    "an aborted transaction that is not indexed": Damage(
        lambda p: cut(p / TXN_INDEX, 34), ERROR, TXN_INDEX, r"no entry for the transaction of producer 7 from offset 4"
    ),
    "no transaction index at all": Damage(
        lambda p: (p / TXN_INDEX).unlink(), ERROR, TXN_INDEX, "no entry for the transaction of producer 5"
    ),
    "an indexed transaction of another producer": Damage(
        lambda p: entry(p / TXN_INDEX, ">hqqqq", 0, 0, 77, 0, 1, 2), ERROR, TXN_INDEX, r"position 0: names producer 77"
    ),
    "an indexed transaction that never was": Damage(
        lambda p: add(p / TXN_INDEX, struct.pack(">hqqqq", 0, 5, 6, 6, 7)), ERROR, TXN_INDEX, "abort marker at offset 6"
    ),
    "a producer snapshot with a wrong CRC": Damage(
        lambda p: flip(snapshot(p), -1), ERROR, "txn-0/00000000000000000007.snapshot", "does not match its CRC"
    ),
    "a producer snapshot of the future": Damage(
        snapshot_of_the_future, NOTE, "txn-0/00000000000000000099.snapshot", "beyond the end of the log, 7"
    ),
    "a producer snapshot that knows later offsets": Damage(
        snapshot_that_knows_what_comes_later, ERROR, "txn-0/00000000000000000007.snapshot", "producer 5"
    ),
    "leader epochs of other batches": Damage(
        lambda p: (p / "orders-0/leader-epoch-checkpoint").write_text("0\n1\n9 0\n"),
        ERROR,
        "orders-0/leader-epoch-checkpoint",
        r"the batch at offset 0 is of leader epoch 0, the file says 9 \(and 59 more\)",
    ),
    "leader epochs that cannot be read": Damage(
        lambda p: (p / "orders-0/leader-epoch-checkpoint").write_text("0\n3\n0 0\n"),
        ERROR,
        "orders-0/leader-epoch-checkpoint",
        "announces 3 entries",
    ),
    "a topic id that cannot be read": Damage(
        lambda p: replace(p / "orders-0/partition.metadata", "topic_id: ", "topic_id: ?"),
        ERROR,
        "orders-0/partition.metadata",
        "no topic id that can be read",
    ),
    "the topic id of another topic": Damage(
        lambda p: shutil.copy(p / "txn-0/partition.metadata", p / "orders-0/partition.metadata"),
        ERROR,
        "orders-0/partition.metadata",
        "another topic id than the metadata",
    ),
    "no topic id": Damage(
        lambda p: (p / "orders-0/partition.metadata").unlink(), NOTE, "orders-0/partition.metadata", "is missing"
    ),
    "an index without a log": Damage(
        copied_segment, NOTE, "orders-0/00000000000000000090.index", "no log that it belongs to"
    ),
    "a strange file": Damage(lambda p: (p / "orders-0/notes.txt").touch(), NOTE, "orders-0/notes.txt", "not a file of"),
    "a deleted partition": Damage(
        lambda p: shutil.copytree(p / "orders-0", p / f"old-0.{'0' * 32}-delete"),
        NOTE,
        f"old-0.{'0' * 32}-delete",
        "a deleted partition",
    ),
    "a partition that is gone": Damage(
        lambda p: shutil.rmtree(p / "orders-0"), ERROR, "orders-0", "is missing, with all of its 180 offsets"
    ),
    "an empty partition that is gone": Damage(lambda p: shutil.rmtree(p / "empty-1"), NOTE, "empty-1", "makes it anew"),
    "a partition that nobody knows": Damage(
        lambda p: shutil.copytree(p / "orders-0", p / "strange-0"), NOTE, "strange-0", "not in the metadata"
    ),
    "an unfinished compaction": Damage(
        lambda p: shutil.copy(p / LOG, p / f"{LOG}.cleaned"), NOTE, "orders-0", "1 file: an unfinished compaction"
    ),
    "a finished compaction": Damage(
        lambda p: shutil.copy(p / LOG, p / f"{LOG}.swap"), NOTE, "orders-0", "1 file: a finished compaction"
    ),
    "a recovery point beyond the log": Damage(
        lambda p: replace(p / "recovery-point-offset-checkpoint", "orders 0 180", "orders 0 185"),
        ERROR,
        "recovery-point-offset-checkpoint",
        r"has offset 185 for orders-0, whose log ends at 180: 5 offsets that were on the disk are gone",
    ),
    "a high watermark beyond the log": Damage(
        lambda p: replace(p / "replication-offset-checkpoint", "orders 1 180", "orders 1 999"),
        ERROR,
        "replication-offset-checkpoint",
        "has offset 999 for orders-1",
    ),
    "a log start beyond the log": Damage(
        lambda p: (p / "log-start-offset-checkpoint").write_text("0\n1\norders 0 500\n"),
        ERROR,
        "log-start-offset-checkpoint",
        "has offset 500 for orders-0",
    ),
    "a checkpoint of half a line": Damage(
        lambda p: (p / "log-start-offset-checkpoint").write_text("0\n1\norders 0\n"),
        ERROR,
        "log-start-offset-checkpoint",
        "the line 'orders 0'",
    ),
    "a checkpoint of another version": Damage(
        lambda p: (p / "cleaner-offset-checkpoint").write_text("1\n0\n"),
        ERROR,
        "cleaner-offset-checkpoint",
        "version 1",
    ),
    "a checkpoint of a partition that is not here": Damage(
        lambda p: (p / "cleaner-offset-checkpoint").write_text("0\n1\nother 3 7\n"),
        NOTE,
        "cleaner-offset-checkpoint",
        "names other-3",
    ),
    "no meta.properties": Damage(
        lambda p: (p / "meta.properties").unlink(), ERROR, "meta.properties", "No such file or directory"
    ),
    "meta.properties of another version": Damage(
        lambda p: replace(p / "meta.properties", "version=1", "version=2"), ERROR, "meta.properties", "version 2"
    ),
    "meta.properties without a directory id": Damage(
        lambda p: replace(p / "meta.properties", "directory.id", "directory.was"),
        ERROR,
        "meta.properties",
        "no directory.id",
    ),
    "a clean stop that cannot be read": Damage(
        lambda p: (p / ".kafka_cleanshutdown").write_text("{"), NOTE, ".kafka_cleanshutdown", "cannot be read"
    ),
    "a flipped byte in the metadata log": Damage(
        lambda p: flip(p / METADATA, 200), ERROR, METADATA, r"position \d+: .* has CRC"
    ),
    "a quorum state that is no JSON": Damage(
        lambda p: (p / "__cluster_metadata-0/quorum-state").write_text("{"),
        ERROR,
        "__cluster_metadata-0/quorum-state",
        "not a quorum state",
    ),
    "a quorum state behind the log": Damage(
        lambda p: replace(p / "__cluster_metadata-0/quorum-state", '"leaderEpoch":1', '"leaderEpoch":0'),
        ERROR,
        "__cluster_metadata-0/quorum-state",
        "is of epoch 0, the log is of 1",
    ),
    "a metadata snapshot that is no snapshot": Damage(
        with_snapshot, ERROR, f"__cluster_metadata-0/{3:020d}-{1:010d}.checkpoint", "magic 0"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_and_named(damage: Damage, directory: Path) -> None:
    damage.do(directory)
    findings = verify(directory).findings
    where = "" if damage.problem.startswith("position") else ".*"
    wanted = re.compile(rf"{damage.severity}: {re.escape(damage.file)}: {where}{damage.problem}")
    told = [str(finding) for finding in findings.found]
    assert any(wanted.match(line) for line in told), told
    assert findings.errors == 0 or damage.severity is ERROR, told


def test_a_formatted_directory_has_its_bootstrap_file_checked(sound: Path, tmp_path: Path) -> None:
    shutil.copy(sound / "meta.properties", tmp_path)
    assert found(tmp_path) == []
    (tmp_path / "bootstrap.checkpoint").write_bytes(b"\0" * 100)
    assert found(tmp_path) == ["error: bootstrap.checkpoint: a batch of magic 0; only magic 2 is kept"]


def test_a_hole_does_not_hide_what_follows(directory: Path) -> None:
    positions = batch_positions(directory / LOG)
    flip(directory / LOG, positions[3] + 12 + 4)
    flip(directory / LOG, positions[9] + 70)
    verification = verify(directory)
    told = [str(finding) for finding in verification.findings.found]
    assert len(told) == 2, told
    assert f"{LOG}: position {positions[3]}: " in told[0]
    assert f"{LOG}: position {positions[9]}: " in told[1]
    assert verification.topics["orders"].totals.batches == 120 - 2


@pytest.mark.parametrize("change", [lambda p: cut(p, 7), lambda p: add(p, bytes(500)), lambda p: flip(p, -1)])
def test_a_torn_tail_after_a_crash_is_only_a_note(change: Callable[[Path], None], crashed: Path) -> None:
    change(crashed / LAST)
    replace(crashed / "recovery-point-offset-checkpoint", "orders 0 180", "orders 0 120")
    replace(crashed / "replication-offset-checkpoint", "orders 0 180", "orders 0 120")
    findings = verify(crashed).findings
    assert findings.errors == 0, [str(finding) for finding in findings.found]
    assert any(finding.file == LAST and "a start cuts them off" in finding.problem for finding in findings.found)


def test_records_behind_a_torn_batch_after_a_crash_are_an_error(crashed: Path) -> None:
    """A start would cut off more than was torn."""
    flip(crashed / LAST, batch_positions(crashed / LAST)[1] + 70)
    told = found(crashed)
    assert any(line.startswith(f"error: {LAST}: position") for line in told), told


def test_shallow_reads_no_records(directory: Path) -> None:
    more = verify(directory, with_records=False)
    assert more.findings.found == []
    assert more.topics["orders"].totals.records == 360


def test_many_findings_of_one_file_are_counted(directory: Path) -> None:
    data = bytearray((directory / LOG).read_bytes())
    for number, position in enumerate(batch_positions(directory / LOG)[:-1]):
        stamp(data, position, 0, 100 - number)
    (directory / LOG).write_bytes(data)
    findings = verify(directory).findings
    assert len([finding for finding in findings.found if finding.file == LOG]) == 20
    assert findings.not_shown()[LOG] == 19 + 19 - 20
