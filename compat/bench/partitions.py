"""What ten thousand partitions cost: creating, writing, reading, stopping, starting after either kind of end.

Prints wall and CPU time of the broker, its resident memory and its descriptors after each step, beside what is wanted.
The few first topics get segments enough to roll. A start counts until Metadata of all topics is answered.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from broker_process import BrokerProcess, Connection, Cost, ask_metadata, print_complaints, print_table, progress
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTITIONS_PER_TOPIC = 100
TOPICS_PER_REQUEST = 10
ROLLED_TOPICS = 2
SEGMENT_BYTES = 1 << 20
CLEAN_START_S, CRASH_START_S, RESIDENT_MB = 2.0, 5.0, 250.0
PRODUCE_VERSION, FETCH_VERSION, CREATE_VERSION = 9, 12, 5


class Bench:
    """A broker, its directory, and the rows measured so far."""

    def __init__(self, home: Path, topic_count: int) -> None:
        self.data_dir = home / "data"
        self.topics = [f"bench-{number:03d}" for number in range(topic_count)]
        self.rows: list[tuple[object, ...]] = []
        self.options = {"log.initial.task.delay.ms": "1000", "log.retention.check.interval.ms": "5000"}
        self.broker: BrokerProcess

    def note(self, what: str, cost: Cost, wanted: str = "") -> None:
        """Add a row about the broker as it is now."""
        broker = self.broker
        self.rows.append((what, cost.wall_s, cost.cpu_s, broker.resident_mb, broker.descriptor_count, wanted))
        progress(f"{what}: {cost.wall_s:.2f} s, {cost.cpu_s:.2f} s of CPU")

    def start(self) -> Cost:
        """Start the broker; until it answered Metadata of all topics."""
        self.broker = BrokerProcess(self.data_dir, self.options)
        connection = Connection(self.broker.port)
        answer = ask_metadata(connection)
        cost = Cost(time.perf_counter() - self.broker.begun_s, self.broker.cpu_s)
        connection.close()
        if len(answer.topics) < len(self.topics) and self.rows:
            raise SystemExit(f"only {len(answer.topics)} topics are there")
        return cost

    def measured(self, what: str, requests: Iterable[object], ask: object, wanted: str = "") -> None:
        """Send requests one after the other; note what all of them took."""
        connection = Connection(self.broker.port)
        cpu_s, begun = self.broker.cpu_s, time.perf_counter()
        for request in requests:
            ask(connection, request)  # type: ignore[operator]
        self.note(what, Cost(time.perf_counter() - begun, self.broker.cpu_s - cpu_s), wanted)
        connection.close()


def create(connection: Connection, topics: list[str]) -> None:
    """Create some topics of a hundred partitions each."""
    small = [CreatableTopicConfig(name="segment.bytes", value=str(SEGMENT_BYTES))]
    wanted = [
        CreatableTopic(
            name=name, num_partitions=PARTITIONS_PER_TOPIC, replication_factor=1, assignments=[], configs=small
        )
        for name in topics
    ]
    answer = connection.ask(CreateTopicsRequest(topics=wanted), CreateTopicsResponse, CREATE_VERSION)
    _check(topic.error_code for topic in answer.topics)


def batch_of(value_bytes: int, count: int = 1) -> bytes:
    """A batch as a producer sends it."""
    now_ms = int(time.time() * 1000)
    return bytes(build_batch([Record(i, now_ms, b"k", bytes(value_bytes)) for i in range(count)], base_offset=0))


def produce(connection: Connection, topic: str, indexes: Iterable[int], batch: bytes) -> None:
    """One batch to each partition."""
    data = [PartitionProduceData(index=index, records=batch) for index in indexes]
    request = ProduceRequest(acks=-1, timeout_ms=60_000, topic_data=[TopicProduceData(name=topic, partition_data=data)])
    answer = connection.ask(request, ProduceResponse, PRODUCE_VERSION)
    _check(partition.error_code for partition in answer.responses[0].partition_responses)


def fetch(connection: Connection, topic: str) -> None:
    """The first records of each partition."""
    partitions = [
        FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=4096)
        for index in range(PARTITIONS_PER_TOPIC)
    ]
    request = FetchRequest(
        max_wait_ms=0, min_bytes=0, max_bytes=1 << 26, topics=[FetchTopic(topic=topic, partitions=partitions)]
    )
    answer = connection.ask(request, FetchResponse, FETCH_VERSION)
    read = answer.responses[0].partitions
    _check(partition.error_code for partition in read)
    if not all(partition.records for partition in read):
        raise SystemExit(f"a partition of {topic} gave nothing")


def _check(codes: Iterable[int]) -> None:
    failed = [code for code in codes if code]
    if failed:
        raise SystemExit(f"{len(failed)} errors, the first is code {failed[0]}")


def fill(bench: Bench) -> None:
    """Create, write, read."""
    topics = bench.topics
    groups = [topics[at : at + TOPICS_PER_REQUEST] for at in range(0, len(topics), TOPICS_PER_REQUEST)]
    total = len(topics) * PARTITIONS_PER_TOPIC
    bench.measured(f"create {total} partitions", groups, create)
    small, large = batch_of(100, 10), batch_of(700_000)
    everywhere = range(PARTITIONS_PER_TOPIC)
    bench.measured("write to each", topics, lambda c, topic: produce(c, topic, everywhere, small))
    rolled = [(topic, (index,)) for topic in topics[:ROLLED_TOPICS] for index in range(10) for _ in range(5)]
    bench.measured(
        f"write until {ROLLED_TOPICS * 10} have segments", rolled, lambda c, one: produce(c, one[0], one[1], large)
    )
    bench.measured("read each", topics, fetch)


def restarts(bench: Bench, rounds: int, *, crash: bool) -> None:
    """Start several times after the same kind of end; after a crash a hundredth was written to before it."""
    costs = []
    touched = batch_of(100, 10)
    for number in range(rounds):
        if crash:
            connection = Connection(bench.broker.port)
            for topic in bench.topics:
                produce(connection, topic, (number % PARTITIONS_PER_TOPIC,), touched)
            connection.close()
            bench.broker.kill()
        else:
            bench.broker.stop()
        costs.append(bench.start())
    best = min(costs)
    median = Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
    end, most = ("kill -9", CRASH_START_S) if crash else ("a clean stop", CLEAN_START_S)
    bench.note(f"start after {end}, best of {rounds}", best, f"{most} s, {RESIDENT_MB:.0f} MB")
    bench.note(f"start after {end}, median", median)


def run(home: Path, topic_count: int, rounds: int) -> None:
    """All steps, then the table."""
    bench = Bench(home, topic_count)
    cost = bench.start()
    bench.note("start, empty", cost)
    try:
        fill(bench)
        stopped = bench.broker.stop()
        bench.start()
        bench.note("stop (SIGTERM); the rest of this row is of the next start", stopped)
        restarts(bench, rounds, crash=False)
        everywhere, small = range(PARTITIONS_PER_TOPIC), batch_of(100, 10)
        bench.measured("write to each", bench.topics, lambda c, topic: produce(c, topic, everywhere, small))
        bench.measured("read each", bench.topics, fetch)
        restarts(bench, rounds, crash=True)
    finally:
        if bench.broker.process.poll() is None:
            bench.broker.stop()
    print_table(("", "wall s", "CPU s", "RSS MB", "fds", "wanted"), bench.rows)
    print_complaints(home / "broker.log")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topics", type=int, default=100, help="topics of 100 partitions (100)")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each kind (5)")
    parser.add_argument("--home", type=Path, help="an empty folder, kept afterwards; else a temporary one")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="ottla-bench-"))
    (home / "data").mkdir(parents=True, exist_ok=True)
    try:
        run(home, options.topics, options.rounds)
    finally:
        if options.home is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
