"""How long the broker's event loop stands still under a steady write load, while segments roll, go and are compacted.

Several producers write at a fixed rate to several topics whose segments are small; one topic in eight is compacted, the
others are bounded by retention. `--partitions N` puts N partitions beside them that were written to once: the duties
look at all of them. Prints how late a request would have been served (p50, p99, p99.9, the worst), the
collector's part in it, and the worst pauses with what the loop's thread did meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from broker_process import BrokerProcess, Connection, print_complaints, print_table, progress
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

P999_MS_MAX = 20.0
TICK_US = 1000
PARTITIONS_PER_TOPIC = 4
OTHERS_PER_TOPIC = 100
PRODUCERS = 4
KEYS = 20_000
RECORDS_PER_BATCH = 100
PRODUCE_VERSION, CREATE_VERSION = 9, 5
PROBED = (str(Path(__file__).with_name("probed_broker.py")),)


class Load(NamedTuple):
    """What is written."""

    topics: int
    bytes_per_s: float
    batch_bytes: int
    seconds: float
    segment_bytes: int
    retention_bytes: int
    partitions: int


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure (60)")
    parser.add_argument("--mb-per-s", type=float, default=17, help="written by all producers together (17)")
    parser.add_argument("--topics", type=int, default=8, help=f"of {PARTITIONS_PER_TOPIC} partitions each (8)")
    parser.add_argument("--batch-kb", type=int, default=64, help="the size of a batch (64)")
    parser.add_argument("--segment-mb", type=int, default=2, help="segment.bytes (2)")
    parser.add_argument("--retention-mb", type=int, default=8, help="retention.bytes (8)")
    parser.add_argument("--partitions", type=int, default=0, help="others, in topics of 100 (0)")
    parser.add_argument("--stacks", action="store_true", help="look at what the loop does when it is late")
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="KEY=VALUE", help="broker option")
    options = parser.parse_args()
    load = Load(
        topics=options.topics,
        bytes_per_s=options.mb_per_s * 1e6,
        batch_bytes=options.batch_kb << 10,
        seconds=options.seconds,
        segment_bytes=options.segment_mb << 20,
        retention_bytes=options.retention_mb << 20,
        partitions=options.partitions,
    )
    home = Path(tempfile.mkdtemp(prefix="ottla-bench-"))
    try:
        run(home, load, dict(option.split("=", 1) for option in options.options), stacks=options.stacks)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run(home: Path, load: Load, overrides: dict[str, str], *, stacks: bool) -> None:
    """Start a probed broker, load it, print what the probe saw."""
    report = home / "probe.json"
    os.environ["OTTLA_PROBE"] = str(report)
    if stacks:
        os.environ["OTTLA_PROBE_STACKS"] = "1"
    (home / "data").mkdir()
    options = {
        "log.initial.task.delay.ms": "1000",
        "log.retention.check.interval.ms": "1000",
        "log.flush.offset.checkpoint.interval.ms": "10000",
        "log.cleaner.backoff.ms": "1000",
        "log.segment.delete.delay.ms": "1000",
    } | overrides
    broker = BrokerProcess(home / "data", options, program=PROBED)
    try:
        topics = create_topics(broker, load)
        create_others(broker, load.partitions)
        cpu_s, written = produce_for(broker, load, topics)
        resident_mb = broker.resident_mb
    finally:
        broker.stop()
    print(
        f"{load.seconds:.0f} s, {written / load.seconds / 1e6:.1f} MB/s to {load.topics * PARTITIONS_PER_TOPIC} "
        f"partitions, broker CPU {cpu_s / load.seconds:.0%}, resident {resident_mb:.0f} MB, "
        f"log: {events_in(home / 'broker.log')}"
    )
    print_report(json.loads(report.read_text()))
    print_complaints(home / "broker.log")


def create_topics(broker: BrokerProcess, load: Load) -> list[str]:
    """The topics; the first of eight is compacted."""
    names = [f"load-{number}" for number in range(load.topics)]
    bounded = {"retention.bytes": str(load.retention_bytes)}
    compacted = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    wanted = []
    for number, name in enumerate(names):
        configs = {"segment.bytes": str(load.segment_bytes), **(bounded if number % 8 else compacted)}
        wanted.append(
            CreatableTopic(
                name=name,
                num_partitions=PARTITIONS_PER_TOPIC,
                replication_factor=1,
                assignments=[],
                configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
            )
        )
    _create(broker, wanted)
    return names


def create_others(broker: BrokerProcess, count: int) -> None:
    """Partitions that hold a batch each, and wait."""
    batch = _batch(2000, random.Random(0))
    connection = Connection(broker.port)
    for number in range(count // OTHERS_PER_TOPIC):
        name = f"other-{number}"
        _create(
            broker,
            [
                CreatableTopic(
                    name=name, num_partitions=OTHERS_PER_TOPIC, replication_factor=1, assignments=[], configs=[]
                )
            ],
        )
        data = [PartitionProduceData(index=index, records=batch) for index in range(OTHERS_PER_TOPIC)]
        topic = TopicProduceData(name=name, partition_data=data)
        connection.ask(ProduceRequest(acks=-1, timeout_ms=60_000, topic_data=[topic]), ProduceResponse, PRODUCE_VERSION)
    connection.close()


def _create(broker: BrokerProcess, wanted: list[CreatableTopic]) -> None:
    connection = Connection(broker.port)
    answer = connection.ask(CreateTopicsRequest(topics=wanted), CreateTopicsResponse, CREATE_VERSION)
    connection.close()
    if any(topic.error_code for topic in answer.topics):
        raise SystemExit(f"topics were not created: {answer.topics}")


def produce_for(broker: BrokerProcess, load: Load, topics: list[str]) -> tuple[float, int]:
    """Write for the time of the load; CPU seconds of the broker and bytes that were acknowledged."""
    written = [0] * PRODUCERS
    deadline_s = time.monotonic() + load.seconds
    threads = [
        threading.Thread(target=_produce, args=(broker.port, load, topics, number, deadline_s, written))
        for number in range(PRODUCERS)
    ]
    progress(f"writing for {load.seconds:.0f} s")
    broker.process.send_signal(signal.SIGUSR1)
    cpu_s = broker.cpu_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return broker.cpu_s - cpu_s, sum(written)


def _produce(port: int, load: Load, topics: list[str], number: int, deadline_s: float, written: list[int]) -> None:
    chance = random.Random(number)
    batches = [_batch(load.batch_bytes, chance) for _ in range(8)]
    targets = [(topic, index) for topic in topics for index in range(PARTITIONS_PER_TOPIC)][number::PRODUCERS]
    interval_s = load.batch_bytes * PRODUCERS / load.bytes_per_s
    connection = Connection(port)
    next_s = time.monotonic() + interval_s * number / PRODUCERS
    while next_s < deadline_s:
        time.sleep(max(next_s - time.monotonic(), 0))
        next_s += interval_s
        topic, index = chance.choice(targets)
        batch = chance.choice(batches)
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=index, records=batch)])
        request = ProduceRequest(acks=-1, timeout_ms=60_000, topic_data=[data])
        answer = connection.ask(request, ProduceResponse, PRODUCE_VERSION)
        if answer.responses[0].partition_responses[0].error_code:
            raise SystemExit(f"a write failed: {answer.responses[0].partition_responses[0]}")
        written[number] += len(batch)
    connection.close()


def _batch(size_bytes: int, chance: random.Random) -> bytes:
    """Random keys, values that fill the batch; the timestamps are those of now, so that retention by time waits."""
    now_ms = int(time.time() * 1000)
    value = chance.randbytes(size_bytes // RECORDS_PER_BATCH - 20)
    return bytes(
        build_batch(
            [Record(i, now_ms, b"key-%06d" % chance.randrange(KEYS), value) for i in range(RECORDS_PER_BATCH)],
            base_offset=0,
        )
    )


def events_in(path: Path) -> str:
    """How often the broker's log speaks of what may pause it, and of trouble."""
    text = path.read_text()
    return ", ".join(f"{text.count(word)} x {word!r}" for word in ("retention removed", "cleaned offsets"))


def with_swallowed(late_us: list[int]) -> list[int]:
    """What each millisecond of the run would have waited: a late tick stands also for those that it swallowed."""
    waits = []
    for late in late_us:
        waits += range(late, -1, -TICK_US) if late > TICK_US else (late,)
    return sorted(waits)


def percentiles(late_us: list[int]) -> list[float]:
    """The median, p99, p99.9 and the worst, in milliseconds."""
    waits = with_swallowed(late_us)
    return [waits[int(len(waits) * share)] / 1000 for share in (0.5, 0.99, 0.999)] + [waits[-1] / 1000]


def print_lateness(report: dict[str, list]) -> None:  # type: ignore[type-arg]
    """How late the loop was."""
    if not report["late_us"]:
        raise SystemExit("the probe never ticked")
    rows = [
        ("as it was", *percentiles(report["late_us"])),
        ("without waits for a CPU", *percentiles(report["own_us"])),
        ("wanted at most", None, None, P999_MS_MAX, None),
    ]
    print_table(("loop late, ms", "p50", "p99", "p99.9", "max"), rows)


def print_report(report: dict[str, list]) -> None:  # type: ignore[type-arg]
    """The tables."""
    print_lateness(report)
    collector = [
        (f"generation {generation}", len(times), sum(times) * 1000, max(times, default=0.0) * 1000)
        for generation, times in report["collections"].items()  # type: ignore[attr-defined]
    ]
    print_table(("collector", "runs", "ms in all", "longest ms"), collector)
    worst = sorted(report["pauses"], key=lambda pause: pause[3] - pause[1])[:10]
    pauses = [
        (f"at {at_s:.1f} s", late_s * 1e3, cpu_s * 1e3, waited_s * 1e3, max(late_s - cpu_s - waited_s, 0.0) * 1e3)
        for at_s, late_s, cpu_s, waited_s in worst
    ]
    print_table((f"pauses from 5 ms: {len(report['pauses'])}", "late", "computed", "no CPU", "blocked"), pauses)
    for stack, count in report["stacks"]:
        print(f"{count:5} {stack}")


if __name__ == "__main__":
    main()
