"""Directories that Apache Kafka writes: while it runs, after a crash, after a clean stop; beside Kafka's own tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from ..broker.inspection.data_directory import fingerprint, flip
from ..harness.broker_process import KafkaBroker
from ..harness.java_tools import JavaTools, why_no_java

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(bool(why_no_java()), reason=why_no_java()),
    pytest.mark.timeout(300),
]

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"
OTTLA = [sys.executable, "-m", "ottla.broker"]
OPTIONS = {
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "log.cleaner.backoff.ms": "300",
    "log.segment.delete.delay.ms": "600000",
    "metadata.log.max.record.bytes.between.snapshots": "3000",
}
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BATCH = re.compile(r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .* size: (\d+) .* isvalid: (\w+)", re.MULTILINE)
COMPLAINT = re.compile(r"mismatch|out of order|not found|corrupt|exception", re.IGNORECASE)


class Written(NamedTuple):
    live: dict[str, Any]
    """What `inspect` said while Kafka ran."""
    verified_live: subprocess.CompletedProcess[str]
    refused: subprocess.CompletedProcess[str]
    """What a broker said that was started on the directory meanwhile."""
    crashed: Path
    clean: Path


def ottla(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*OTTLA, *arguments], capture_output=True, text=True, timeout=120)


def inspect(path: Path) -> dict[str, Any]:
    done = ottla("storage", "inspect", str(path), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verify(path: Path) -> dict[str, Any]:
    before = fingerprint(path)
    done = ottla("storage", "verify", str(path), "--json")
    assert fingerprint(path) == before
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def create_topics(admin: AdminClient) -> None:
    small = {"index.interval.bytes": "256", "segment.bytes": "1048576"}
    compacted = {"cleanup.policy": "compact", "segment.ms": "300", "min.cleanable.dirty.ratio": "0.01"}
    topics = [
        NewTopic("orders", 2, 1, config=small),
        NewTopic("compacted", 1, 1, config=compacted | small),
        NewTopic("appended", 1, 1, config={"message.timestamp.type": "LogAppendTime"} | small),
        NewTopic("txn", 2, 1, config=small),
        NewTopic("doomed", 1, 1),
        NewTopic("empty", 1, 1),
    ]
    for future in admin.create_topics(topics).values():
        future.result()


def produce(bootstrap: str) -> None:
    for codec in CODECS:
        producer = Producer(
            {"bootstrap.servers": bootstrap, "compression.type": codec, "batch.size": 4000, "linger.ms": 5}
        )
        for number in range(2000):
            text = f"{codec}-{number}-" * (number % 13)
            producer.produce("orders", key=f"k{number}", value=text, headers=[("h", b"v")])
            if number % 20 == 0:
                producer.produce("appended", value=text)
                producer.poll(0)
        producer.flush()


def compact(bootstrap: str, broker: KafkaBroker) -> None:
    """Until the cleaner has worked: it leaves a checkpoint that says so."""
    producer = Producer({"bootstrap.servers": bootstrap})
    checkpoint = broker.data_dir / "cleaner-offset-checkpoint"
    for number in range(200):
        for key in range(50):
            producer.produce("compacted", key=f"k{key}", value=f"{number}")
        producer.flush()
        if checkpoint.exists() and "compacted" in checkpoint.read_text():
            return
        time.sleep(0.2)
    raise AssertionError("nothing was compacted")


def transact(bootstrap: str) -> None:
    for number in range(6):
        producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"tx-{number}"})
        producer.init_transactions()
        for turn in range(3):
            producer.begin_transaction()
            for record in range(10):
                producer.produce("txn", value=f"{number}-{turn}-{record}", partition=record % 2)
            producer.flush()
            if (number + turn) % 2:
                producer.abort_transaction()
            else:
                producer.commit_transaction()


def consume(bootstrap: str, protocol: str) -> None:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": f"{protocol}-group",
        "group.protocol": protocol,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer(settings)
    consumer.subscribe(["orders"])
    read = 0
    while read < 1000:
        message = consumer.poll(30)
        assert message is not None
        read += message.error() is None
    consumer.commit(asynchronous=False)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"tx-{protocol}"})
    producer.init_transactions()
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition("txn", 0, 7)], consumer.consumer_group_metadata())
    producer.commit_transaction()
    consumer.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    home = tmp_path_factory.mktemp("kafka")
    broker = KafkaBroker(home / "home", OPTIONS)
    broker.start()
    try:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        create_topics(admin)
        produce(broker.bootstrap)
        compact(broker.bootstrap, broker)
        transact(broker.bootstrap)
        for protocol in ("classic", "consumer"):
            consume(broker.bootstrap, protocol)
        admin.delete_topics(["doomed"])["doomed"].result()
        admin.create_partitions([NewPartitions("empty", 3)])["empty"].result()
        live = inspect(broker.data_dir)
        verified_live = ottla("storage", "verify", str(broker.data_dir))
        refused = ottla("serve", "--port", "0", "--data-dir", str(broker.data_dir))
        broker.kill()
        crashed = shutil.copytree(broker.data_dir, home / "crashed")
        broker.start()
        assert broker.stop() == 0
        yield Written(live, verified_live, refused, crashed, broker.data_dir)
    finally:
        broker.stop()


def test_while_kafka_has_it_open(written: Written) -> None:
    assert written.live["directory"]["state"] == "live"
    assert written.live["directory"]["cluster_id"]
    assert written.verified_live.returncode == 0, written.verified_live.stdout
    assert "A broker has the directory open" in written.verified_live.stdout


def test_kafkas_lock_is_respected(written: Written) -> None:
    assert written.refused.returncode == 1
    assert ".lock is locked: another broker uses this directory" in written.refused.stderr
    assert written.refused.stderr.count("\n") == 1


def test_kafka_respects_ours(written: Written, tmp_path: Path) -> None:
    """A copy that Ottla has open is refused by Kafka."""
    home = tmp_path / "home"
    kafka = KafkaBroker(home, {})
    shutil.copytree(written.clean, kafka.data_dir)
    command = [*OTTLA, "serve", "--port", "0", "--data-dir", str(kafka.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ours:
        try:
            assert "listening" in ours.stdout.readline()
            with pytest.raises(AssertionError):
                kafka.start()
            assert "Failed to acquire lock on file .lock" in kafka.log_text()
        finally:
            ours.terminate()
            assert ours.wait(30) == 0


def test_groups_topics_and_features(written: Written) -> None:
    told = inspect(written.clean)
    topics = {topic["name"]: topic for topic in told["topics"]}
    assert topics["orders"]["configs"] == {"index.interval.bytes": "256", "segment.bytes": "1048576"}
    assert len(topics["empty"]["partitions"]) == 3
    assert "doomed" not in topics
    assert sum(partition["offsets"] for partition in topics["orders"]["partitions"]) == 2000 * len(CODECS)
    assert told["metadata"]["metadata_version_name"] == "4.3-IV0"
    assert told["metadata"]["snapshots"]
    groups = {group["group_id"]: group for group in told["groups"]}
    assert {name: group["type"] for name, group in groups.items()} == {
        "classic-group": "classic",
        "consumer-group": "consumer",
    }
    for group in groups.values():
        offsets = {(offset["topic"], offset["partition"]): offset for offset in group["offsets"]}
        assert offsets["txn", 0]["offset"] == 7
        assert sum(offset["offset"] for key, offset in offsets.items() if key[0] == "orders") >= 1000
    states = {item["transactional_id"]: item["state"] for item in told["transactions"]}
    assert states["tx-classic"] == "CompleteCommit"
    assert set(states) == {f"tx-{number}" for number in range(6)} | {"tx-classic", "tx-consumer"}
    assert told["problems"] == []


@pytest.mark.parametrize("how", ["crashed", "clean"])
def test_nothing_is_wrong_with_it(written: Written, how: str) -> None:
    told = verify(getattr(written, how))
    assert told["state"] == {"crashed": "unclean stop", "clean": "clean stop"}[how]
    assert [finding for finding in told["findings"] if finding["severity"] == "error"] == []
    assert told["errors"] == 0
    assert told["batches_not_decoded"] == {}


def test_the_numbers_are_those_of_dump_log_segments(written: Written, tmp_path: Path) -> None:
    batches: Counter[str] = Counter()
    records: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    ends: dict[tuple[str, int], int] = {}
    tools = JavaTools(tmp_path)
    try:
        for path in sorted(written.clean.glob("*-[0-9]*/*.log")):
            if path.parent.name.endswith("-delete"):
                continue
            topic, _, partition = path.parent.name.rpartition("-")
            out = tools.succeed(DUMP_LOG, "--files", str(path))
            for _, last, count, size, is_valid in BATCH.findall(out):
                assert is_valid == "true"
                batches[topic] += 1
                records[topic] += int(count)
                sizes[topic] += int(size)
                ends[topic, int(partition)] = int(last) + 1
        indexes = [path for suffix in ("index", "timeindex") for path in written.clean.glob(f"[!_]*-[0-9]/*.{suffix}")]
        out = tools.succeed(DUMP_LOG, "--files", ",".join(map(str, indexes)))
        assert COMPLAINT.findall(out) == []
    finally:
        tools.close()
    verified = {topic["name"]: topic for topic in verify(written.clean)["topics"] if topic["batches"]}
    assert {name: topic["batches"] for name, topic in verified.items()} == batches
    assert {name: topic["records"] for name, topic in verified.items()} == records
    assert {name: topic["size_bytes"] for name, topic in verified.items()} == sizes
    inspected = {
        (topic["name"], partition["partition"]): partition["log_end_offset"]
        for topic in inspect(written.clean)["topics"]
        for partition in topic["partitions"]
    }
    assert {key: inspected[key] for key in ends} == ends
    assert all(end == 0 for key, end in inspected.items() if key not in ends)


@pytest.mark.parametrize(
    "pattern", ["orders-0/*.log", "compacted-0/*.log", "txn-1/*.log", "__transaction_state-*/*.log"]
)
def test_a_flipped_byte_is_found(written: Written, pattern: str, tmp_path: Path) -> None:
    copy = shutil.copytree(written.clean, tmp_path / "copy")
    target = max(copy.glob(pattern), key=lambda path: path.stat().st_size)
    flip(target, target.stat().st_size // 2)
    findings = verify(copy)["findings"]
    assert str(target.relative_to(copy)) in {f["file"] for f in findings if f["severity"] == "error"}
