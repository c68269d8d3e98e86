"""A data directory with something of everything, written by a broker of this process, and what damages it."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

from ottla.broker.app import Broker
from ottla.broker.config import load_config
from ottla.broker.coordinators.group_records import encode_record, group_metadata_record, offset_commit_record
from ottla.broker.metadata.topic_creation import NewTopic
from ottla.protocol.compression import Compression
from ottla.protocol.records import Record, build_batch
from ottla.protocol.stored.classic_groups import GroupMetadataValue, MemberMetadata, OffsetCommitValue
from ottla.storage.append import AppendOrigin

from ...harness.markers import end_txn_batch

if TYPE_CHECKING:
    from pathlib import Path

    from ottla.broker.runtime.partitions import Partition

NOW_MS = 1_700_000_000_000
OPTIONS = ["offsets.topic.num.partitions=1", "listeners=PLAINTEXT://127.0.0.1:0"]

Fingerprint = dict[str, tuple[int, int, str]]


def write_directory(path: Path) -> None:
    """Topics orders (2 partitions, several segments, gzip and plain), txn, compacted; the group readers."""
    asyncio.run(_write(path))


async def _write(path: Path) -> None:
    broker = Broker(load_config(overrides=OPTIONS, data_dir=os.fspath(path)))
    await broker.start()
    try:
        _fill(broker)
    finally:
        await broker.stop()


def _fill(broker: Broker) -> None:
    services: Any = broker._services
    metadata, partitions = services.metadata, services.partitions
    configs: dict[str, str | None] = {"index.interval.bytes": "100", "retention.ms": "-1"}
    metadata.create_topic(NewTopic("orders", 2, configs=configs))
    metadata.create_topic(NewTopic("txn", configs=configs))
    metadata.create_topic(NewTopic("compacted", configs={"cleanup.policy": "compact"}))
    metadata.create_topic(NewTopic("empty", 3))
    for index in range(2):
        _fill_orders(partitions.get("orders", index))
    _fill_txn(partitions.get("txn", 0))
    append(partitions.get("compacted", 0), b"one", b"two")
    metadata.ensure_internal_topic("__consumer_offsets")
    _fill_group(partitions.get("__consumer_offsets", 0))


def append(partition: Partition, *values: bytes, time_ms: int = NOW_MS, **options: Any) -> None:
    """One batch of plain records, as its producer sends it."""
    records = [Record(i, time_ms + i, b"key", value) for i, value in enumerate(values)]
    partition.append(memoryview(build_batch(records, base_offset=0, **options)), now_ms=time_ms)


def _fill_orders(partition: Partition) -> None:
    """Three segments: offsets 0 to 59, 60 to 119, 120 to 179; a batch has three records."""
    for number in range(60):
        if number in (20, 40):
            partition.log.roll(NOW_MS)
        codec = Compression.GZIP if number % 2 else Compression.NONE
        append(partition, b"a" * 40, b"b" * 40, b"c" * 40, time_ms=NOW_MS + 10 * number, compression=codec)


def _fill_txn(partition: Partition) -> None:
    """Transactions: of producer 5 aborted at 1, of producer 6 committed at 3, of producer 7 aborted at 5; 8 is open."""
    for producer_id, commit in ((5, False), (6, True), (7, False), (8, None)):
        options = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": 0}
        batch = build_batch([Record(0, NOW_MS, b"k", b"v")], base_offset=0, is_transactional=True, **options)
        partition.append(memoryview(batch), now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR)
        if commit is not None:
            marker = end_txn_batch(
                commit=commit,
                base_offset=0,
                producer_id=producer_id,
                producer_epoch=0,
                coordinator_epoch=0,
                timestamp_ms=NOW_MS,
            )
            partition.append(memoryview(marker), now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR)


def _fill_group(partition: Partition) -> None:
    member = MemberMetadata(member_id="m-1", client_id="c", client_host="/127.0.0.1", subscription=b"", assignment=b"")
    group = GroupMetadataValue(protocol_type="consumer", protocol="range", generation=4, leader="m-1", members=[member])
    stored = [
        group_metadata_record("readers", group),
        offset_commit_record("readers", "orders", 0, OffsetCommitValue(offset=170, commit_timestamp=NOW_MS)),
        offset_commit_record("readers", "orders", 1, OffsetCommitValue(offset=180, commit_timestamp=NOW_MS)),
        offset_commit_record("readers", "gone", 0, OffsetCommitValue(offset=9, commit_timestamp=NOW_MS)),
    ]
    records = [Record(i, NOW_MS, *encode_record(record)) for i, record in enumerate(stored)]
    batch = build_batch(records, base_offset=0)
    partition.append(memoryview(batch), now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR)


def fingerprint(path: Path) -> Fingerprint:
    """Every file and folder under `path`: size, time of change, and a hash of the contents."""
    found = {}
    for root, folders, files in os.walk(path):
        for name in [*folders, *files, "."]:
            place = os.path.join(root, name)
            status = os.lstat(place)
            content = b""
            if os.path.isfile(place):
                with open(place, "rb") as file:
                    content = file.read()
            found[os.path.relpath(place, path)] = (
                status.st_size,
                status.st_mtime_ns,
                hashlib.sha256(content).hexdigest(),
            )
    return found


def flip(path: Path, position: int, mask: int = 0xFF) -> None:
    """Change a byte in place; a negative position counts from the end."""
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(content)


def cut(path: Path, count: int) -> None:
    """Take bytes off the end."""
    path.write_bytes(path.read_bytes()[:-count])


def add(path: Path, data: bytes) -> None:
    """Put bytes at the end."""
    path.write_bytes(path.read_bytes() + data)


def replace(path: Path, old: str, new: str) -> None:
    """Change a text file, which must hold `old`."""
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new, 1))
