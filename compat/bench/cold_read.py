"""How fast a consumer reads a long log from its start, and whether the broker's memory stays where it was.

The log is written with the storage code itself, and pushed out of the page cache before each reader. Beside the readers
stand `cat` of the same files, and what one Python process can push through a loopback socket: the two limits. The probe
of `loop_pauses` says how late the others were served meanwhile.
`--slow N` looks at N clients that ask for much and read nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from broker_process import BrokerProcess, Connection, ask_metadata, print_complaints, print_table, progress
from loop_pauses import PROBED, print_report
from ottla.protocol.compiler import decode
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ottla.protocol.records import Record, build_batch
from ottla.storage.environment import StorageEnvironment
from ottla.storage.log_config import LogConfig
from ottla.storage.log_directory import LogDirectory
from page_cache import forget_pages

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC = "long"
RECORD_BYTES = 1000
CREATE_VERSION, FETCH_VERSION = 5, 12
NODE_ID = 1
SAMPLE_S = 0.1
SLOW_MAX_BYTES = 50 << 20
_SIZES = struct.Struct(">qi11xi")
_LOG_OVERHEAD_BYTES = 12
_HEAD = struct.Struct(">i")


class Reading(NamedTuple):
    """What one reader took from start to end."""

    name: str
    bytes_read: int
    wall_s: float
    broker_cpu_s: float
    resident_mb: list[float]


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=5000, help="the length of the log (5000)")
    parser.add_argument("--segment-mb", type=int, default=256, help="segment.bytes (256)")
    parser.add_argument("--batch-kb", type=int, default=4, help="the size of a batch (4: many index entries)")
    parser.add_argument("--fetch-kb", type=int, default=1024, help="max.partition.fetch.bytes of the raw reader (1024)")
    parser.add_argument("--slow", type=int, default=0, metavar="N", help="clients that ask and do not read (0)")
    parser.add_argument("--in", dest="where", type=Path, help="where to put the data for the time of the run")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="ottla-bench-", dir=options.where))
    try:
        run(home, options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run(home: Path, options: argparse.Namespace) -> None:
    """Make the log, read it in several ways, print."""
    data_dir = home / "data"
    data_dir.mkdir()
    topic_id = create_topic(data_dir, options.segment_mb << 20)
    write_log(data_dir, topic_id, options)
    folder = data_dir / f"{TOPIC}-0"
    size = sum(path.stat().st_size for path in folder.glob("*.log"))
    index_bytes = sum(path.stat().st_size for path in folder.glob("*index"))
    forget_log(folder)
    cat_mb_per_s = cat(folder, size)
    os.environ["OTTLA_PROBE"] = str(home / "probe.json")
    broker = BrokerProcess(data_dir, {}, program=PROBED)
    try:
        ready_mb = broker.resident_mb
        readings = [
            measured(broker, folder, "raw protocol", lambda: read_raw(broker.port, options.fetch_kb << 10)),
            measured(broker, folder, "raw protocol, again", lambda: read_raw(broker.port, options.fetch_kb << 10)),
        ]
        if shutil.which("kcat"):
            readings.append(measured(broker, folder, "kcat", lambda: read_with_kcat(broker.port, size)))
        slow_mb = resident_with_slow_readers(broker, options.slow) if options.slow else None
    finally:
        broker.stop()
    print(
        f"{size / 1e6:.0f} MB in {len(list(folder.glob('*.log')))} segments, {index_bytes / 1e6:.1f} MB of indexes; "
        f"resident before: {ready_mb:.1f} MB"
    )
    rows: list[tuple[object, ...]] = [
        (
            reading.name,
            reading.bytes_read / reading.wall_s / 1e6,
            reading.broker_cpu_s,
            statistics.median(reading.resident_mb),
            max(reading.resident_mb),
            reading.resident_mb[-1],
        )
        for reading in readings
    ]
    rows.append(("cat > /dev/null", cat_mb_per_s, None, None, None, None))
    rows.append(("a loopback socket", socket_mb_per_s(size), None, None, None, None))
    print_table(("", "MB/s", "broker CPU s", "RSS median", "RSS max", "RSS after"), rows)
    print_report(json.loads((home / "probe.json").read_text()))
    if slow_mb is not None:
        print(f"resident with {options.slow} clients that each asked for {SLOW_MAX_BYTES >> 20} MB: {slow_mb:.0f} MB")
    print_complaints(home / "broker.log")


def create_topic(data_dir: Path, segment_bytes: int) -> bytes:
    """Let the broker create the topic; its id."""
    broker = BrokerProcess(data_dir, {})
    connection = Connection(broker.port)
    config = CreatableTopicConfig(name="segment.bytes", value=str(segment_bytes))
    topic = CreatableTopic(name=TOPIC, num_partitions=1, replication_factor=1, assignments=[], configs=[config])
    answer = connection.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, CREATE_VERSION)
    if answer.topics[0].error_code:
        raise SystemExit(f"the topic was not created: {answer.topics[0]}")
    (described,) = ask_metadata(connection).topics
    connection.close()
    broker.stop()
    return described.topic_id


def write_log(data_dir: Path, topic_id: bytes, options: argparse.Namespace) -> None:
    """Fill the partition's log as appends would have."""
    progress(f"writing {options.mb} MB")
    now_ms = int(time.time() * 1000)
    directory = LogDirectory.lock(str(data_dir), StorageEnvironment(), node_id=NODE_ID)
    directory.begin()
    log = directory.open_log(TOPIC, 0, topic_id, LogConfig(segment_bytes=options.segment_mb << 20), now_ms)
    count = max((options.batch_kb << 10) // RECORD_BYTES, 1)
    value = os.urandom(RECORD_BYTES - 20)
    batch = memoryview(build_batch([Record(i, now_ms, b"key", value) for i in range(count)], base_offset=0))
    for _ in range(options.mb * 1_000_000 // len(batch)):
        batch[:8] = bytes(8)  # the append before stamped its offset there
        log.append(batch, leader_epoch=0, now_ms=now_ms)
        log.high_watermark = log.log_end_offset
    directory.close(broker_epoch=-1)


def measured(broker: BrokerProcess, folder: Path, name: str, read: Callable[[], int]) -> Reading:
    """Run one reader on a cold log and watch the broker's memory meanwhile."""
    progress(name)
    forget_log(folder)
    resident_mb = [broker.resident_mb]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_S):
            resident_mb.append(broker.resident_mb)

    watcher = threading.Thread(target=watch)
    watcher.start()
    cpu_s, begun = broker.cpu_s, time.perf_counter()
    try:
        bytes_read = read()
    finally:
        wall_s = time.perf_counter() - begun
        ended.set()
        watcher.join()
    return Reading(name, bytes_read, wall_s, broker.cpu_s - cpu_s, [*resident_mb, broker.resident_mb])


def read_raw(port: int, max_bytes: int) -> int:
    """Fetch one answer after the other, as a consumer without look-ahead; how many bytes of batches came."""
    connection = Connection(port)
    offset = total = 0
    while True:
        connection.send(fetch_request(offset, max_bytes), FETCH_VERSION)
        frame = connection.receive()
        partition = decode(FetchResponse, frame, FETCH_VERSION, 5).responses[0].partitions[0]
        if partition.error_code:
            raise SystemExit(f"a fetch at {offset} failed with code {partition.error_code}")
        offset, whole = whole_batches(partition.records or b"", offset)
        total += whole
        if offset >= partition.high_watermark:
            connection.close()
            return total


def fetch_request(offset: int, max_bytes: int) -> FetchRequest:
    """One partition from an offset on."""
    partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    topics = [FetchTopic(topic=TOPIC, partitions=[partition])]
    return FetchRequest(max_wait_ms=500, min_bytes=1, max_bytes=max_bytes, topics=topics)


def whole_batches(records: memoryview | bytes, offset: int) -> tuple[int, int]:
    """The offset after the last whole batch, and the bytes of the whole ones."""
    at, end = 0, len(records)
    while at + _SIZES.size <= end:
        base_offset, length, last_delta = _SIZES.unpack_from(records, at)
        if at + length + _LOG_OVERHEAD_BYTES > end:
            break
        at += length + _LOG_OVERHEAD_BYTES
        offset = base_offset + last_delta + 1
    return offset, at


def read_with_kcat(port: int, size: int) -> int:
    """Read everything with kcat, and print nothing."""
    command = ["kcat", "-b", f"127.0.0.1:{port}", "-C", "-t", TOPIC, "-o", "beginning", "-e", "-q", "-f", ""]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return size


def forget_log(folder: Path) -> None:
    """Push all of its files out of the page cache."""
    for path in folder.iterdir():
        forget_pages(path)


def cat(folder: Path, size: int) -> float:
    """What the disk gives."""
    begun = time.perf_counter()
    subprocess.run(["cat", *sorted(map(str, folder.glob("*.log")))], check=True, stdout=subprocess.DEVNULL)
    return size / (time.perf_counter() - begun) / 1e6


def socket_mb_per_s(size: int) -> float:
    """What one process can send to another over the loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    program = (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port})); b = bytes(1 << 20)\n"
        f"for _ in range({size >> 20}): s.sendall(b)"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    peer, _ = listener.accept()
    buffer, total, begun = bytearray(1 << 20), 0, time.perf_counter()
    while received := peer.recv_into(buffer):
        total += received
    mb_per_s = total / (time.perf_counter() - begun) / 1e6
    peer.close()
    listener.close()
    process.wait()
    return mb_per_s


def resident_with_slow_readers(broker: BrokerProcess, count: int) -> float:
    """Resident memory while clients have asked for much and read nothing."""
    progress(f"{count} slow clients")
    connections = [Connection(broker.port, receive_buffer_bytes=4096) for _ in range(count)]
    for connection in connections:
        connection.send(fetch_request(0, SLOW_MAX_BYTES), FETCH_VERSION)
    ask_metadata(Connection(broker.port))  # it was answered, so everything before it was
    resident_mb = broker.resident_mb
    for connection in connections:
        connection.close()
    return resident_mb


if __name__ == "__main__":
    main()
