"""Batches against Apache Kafka's own code: what we write it reads, what it writes we read, and the bytes are equal."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from ottla.protocol.compression import Compression
from ottla.protocol.control_records import leader_change_batch
from ottla.protocol.record_batch import check_crc, read_header
from ottla.protocol.records import Record, RecordHeader, build_batch, read_records

from ..harness.broker_process import REAL_KAFKA
from ..harness.java_tools import java_environment, why_no_java
from ..harness.markers import end_txn_batch

PROBE = Path(__file__).with_name("RecordBatches.java")
CODECS = list(Compression)
KINDS = {
    "plain": {},
    "idempotent": {"producer_id": 77, "producer_epoch": 3, "base_sequence": 2**31 - 2},
    "transactional": {"producer_id": 1, "producer_epoch": 0, "base_sequence": 0, "is_transactional": True},
    "appendtime": {"log_append_time_ms": 1_700_000_999_999},
}


def some_records() -> list[Record]:
    """Records of many shapes: more than one lz4 and one xerial block, gaps, times that go back, nulls, headers."""
    dice = random.Random(7)
    records = [
        Record(100, 1_700_000_000_000, None, None),
        Record(101, 1_699_999_000_000, b"", b"", (RecordHeader("", b""), RecordHeader("näme", None))),
        Record(5000, -1, b"key", dice.randbytes(150_000)),
    ]
    for index in range(200):
        value = b"again and again " * dice.randrange(100)
        headers = tuple(RecordHeader(f"h{n}", dice.randbytes(n)) for n in range(dice.randrange(3)))
        records.append(Record(5001 + index, 1_700_000_000_000 + index, dice.randbytes(8), value, headers))
    return records


RECORDS = some_records()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Our batches, what Kafka makes of them, and `seen`: the records as it printed them."""
    reason = why_no_java()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("batches")
    for kind, options in KINDS.items():
        for codec in CODECS:
            batch = build_batch(RECORDS, base_offset=100, partition_leader_epoch=4, compression=codec, **options)
            (folder / f"{kind}-{codec.name}.ours").write_bytes(batch)
    command = [str(REAL_KAFKA), "tool", str(PROBE), str(folder)]
    seen = subprocess.run(command, capture_output=True, env=java_environment(), check=False, timeout=60)
    assert seen.returncode == 0, seen.stderr.decode()
    (folder / "seen").write_bytes(seen.stdout)
    return folder


def hexadecimal(value: bytes | None) -> str:
    return "null" if value is None else "=" + value.hex()


def text(record: Record) -> str:
    words = [str(record.offset), str(record.timestamp), hexadecimal(record.key), hexadecimal(record.value)]
    for key, value in record.headers:
        words += [key.encode().hex(), hexadecimal(value)]
    return " ".join(words)


def expected(kind: str) -> list[Record]:
    append_time = KINDS[kind].get("log_append_time_ms")
    return RECORDS if append_time is None else [record._replace(timestamp=append_time) for record in RECORDS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_kafka_reads_what_we_write(folder: Path, kind: str, codec: Compression) -> None:
    name = f"{kind}-{codec.name} "
    lines = (folder / "seen").read_text().splitlines()
    assert [line.removeprefix(name) for line in lines if line.startswith(name)] == [text(r) for r in expected(kind)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_we_read_what_kafka_writes(folder: Path, kind: str, codec: Compression) -> None:
    batch = (folder / f"{kind}-NONE.{codec.name.lower()}.theirs").read_bytes()
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert header.compression is codec
    assert list(read_records(batch, 0, header)) == expected(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_uncompressed_bytes_are_the_same(folder: Path, kind: str) -> None:
    ours = (folder / f"{kind}-NONE.ours").read_bytes()
    theirs = (folder / f"{kind}-NONE.none.theirs").read_bytes()
    if kind != "appendtime":
        assert ours == theirs
        return
    # Kafka's reader has put the append time in place of the timestamps already.
    again = build_batch(expected(kind), base_offset=100, partition_leader_epoch=4, log_append_time_ms=1_700_000_999_999)
    assert again == theirs


def test_control_batches_are_the_same(folder: Path) -> None:
    marker = end_txn_batch(
        commit=True,
        base_offset=7,
        producer_id=9,
        producer_epoch=1,
        coordinator_epoch=3,
        timestamp_ms=5,
        partition_leader_epoch=4,
    )
    assert marker == (folder / "commit.control").read_bytes()
    leader = leader_change_batch(1, [1], base_offset=0, partition_leader_epoch=4, timestamp_ms=5)
    assert leader == (folder / "leader.control").read_bytes()
