"""A Kafka Streams application with exactly_once_v2, while its broker and it itself are killed.

Its jars are fetched from Maven Central into `~/.cache/kafka-streams` on the first run; without them it is skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from ..clients.group_members import wait_until
from ..clients.test_transactions import PATIENT, TIMEOUT_S, create_topic
from ..harness.java_tools import why_no_java

JARS = Path.home() / ".cache" / "kafka-streams"
KAFKA_JARS = Path.home() / ".cache" / "real-kafka" / "libs"
ARTIFACTS = ("org.apache.kafka:kafka-streams:4.3.1", "org.rocksdb:rocksdbjni:10.1.3")
PARTITIONS = 2
CATCH_UP_S = 120


@pytest.fixture(scope="module")
def classpath(tmp_path_factory) -> str:
    if reason := why_no_java():
        pytest.skip(reason)
    for artifact in ARTIFACTS:
        _, name, version = artifact.split(":")
        if not (JARS / f"{name}-{version}.jar").exists():
            _fetch(artifact)
    classes = tmp_path_factory.mktemp("classes")
    jars = f"{JARS}/*:{KAFKA_JARS}/*"
    source = Path(__file__).with_name("WordCount.java")
    subprocess.run(["javac", "-d", str(classes), "-cp", jars, str(source)], check=True, timeout=120)
    return f"{classes}:{jars}"


def _fetch(artifact: str) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("mvn is not installed, and the jars of Kafka Streams are not there")
    command = ["mvn", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={JARS}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"{artifact} cannot be fetched: {done.stdout[-200:]}")


class Application:
    """The word count as a process."""

    def __init__(self, broker: Any, classpath: str, home: Path, source: str, sink: str) -> None:
        self._log_path = home / "streams.log"
        self._command = ["java", "-Xmx256m", "-cp", classpath, "WordCount", broker.bootstrap]
        self._command += [source, str(home / "state"), source, sink]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env={**os.environ})

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log_tail(self) -> str:
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-40:])


def counts(broker: Any, topic: str) -> dict[str, list[int]]:
    """What a read_committed consumer sees: for each word its counts, in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": f"reader-of-{topic}",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, index, 0) for index in range(PARTITIONS)])
    seen: dict[str, list[int]] = {}
    ended = set()
    with contextlib.closing(consumer):
        while len(ended) < PARTITIONS:
            message = consumer.poll(TIMEOUT_S)
            assert message is not None, "nothing came, not even the end"
            if message.error() is None:
                seen.setdefault(message.key().decode(), []).append(int(message.value()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise KafkaException(message.error())
    return seen


@pytest.mark.timeout(600)
def test_every_word_is_counted_once_although_everything_is_killed(own_broker, classpath, tmp_path, unique):
    broker = own_broker({"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"})
    source, sink = f"{unique}-in", f"{unique}-out"
    create_topic(broker, source, PARTITIONS)
    create_topic(broker, sink, PARTITIONS)
    application = Application(broker, classpath, tmp_path, source, sink)
    feeder = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, **PATIENT})
    fed: Counter[str] = Counter()

    def feed(count: int) -> None:
        for number in range(count):
            word = f"word-{number * 7 % 11}"
            feeder.produce(source, word.encode(), key=word.encode())
            fed[word] += 1
        feeder.flush(TIMEOUT_S)

    def all_counted() -> bool:
        return sum(map(len, counts(broker, sink).values())) >= fed.total()

    try:
        application.start()
        feed(200)
        wait_until(all_counted, "the first words are counted", CATCH_UP_S)
        for victim in ("broker", "application", "broker"):
            feed(150)
            target = broker if victim == "broker" else application
            target.kill()
            target.start()
            feed(150)
            wait_until(all_counted, f"all words are counted after the {victim} was killed", CATCH_UP_S)
        assert counts(broker, sink) == {word: list(range(1, count + 1)) for word, count in fed.items()}
    finally:
        application.kill()
        print(application.log_tail())  # noqa: T201 (pytest shows it beside a failure)
