"""Kills a broker under writers again and again, and looks each time whether it kept its word."""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ottla.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ottla.protocol.record_batch import CorruptBatch, read_headers
from ottla.protocol.records import read_records

from ..harness.broker_process import BrokerDidNotStart, OttlaBroker
from ..harness.raw_client import RawClient, fetch_request
from . import disk_checks
from .committers import OffsetCommitter
from .gate import Actor, Gate
from .ledger import Ledger, Reading
from .topic_changes import TopicChanger
from .transactions import COMMITTED, TransactionWriter
from .writers import BatchWriter, LibrdkafkaWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX_INTERVAL_BYTES = 1024
INDEX_INTERVAL_BYTES_MAX = 4096  # of the metadata log
BROKER_OPTIONS = {
    "num.partitions": "1",
    "offsets.topic.num.partitions": "2",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "log.index.interval.bytes": str(INDEX_INTERVAL_BYTES),
    "log.segment.delete.delay.ms": "50",
    "log.retention.check.interval.ms": "150",
    "log.initial.task.delay.ms": "50",
    "log.flush.offset.checkpoint.interval.ms": "120",
    "log.flush.scheduler.interval.ms": "100",
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.min.cleanable.ratio": "0.05",
    "internal.metadata.log.segment.bytes": "65536",
}
_NOT_IN_A_GOOD_LOG = re.compile(r"Traceback|\bERROR\b|CRITICAL|never (retrieved|awaited)|Exception")
LATEST = -1
HIGH_WATERMARK_TIMEOUT_S = 20


@dataclass(frozen=True)
class Topic:
    """A topic under torture; `configs` beside a small segment."""

    name: str
    partitions: int
    segment_bytes: int
    configs: dict[str, str]


TOPICS = (
    Topic("create-time", 2, 65_536, {}),
    Topic("append-time", 2, 49_152, {"message.timestamp.type": "LogAppendTime"}),
    Topic("recompressed", 1, 32_768, {"compression.type": "lz4"}),
    Topic("flushed", 1, 65_536, {"flush.messages": "1"}),
    Topic("by-librdkafka", 2, 65_536, {}),
)
TRANSACTED = Topic("transacted", 2, 16_384, {})


class Campaign:
    """A broker, its writers, and what both said. `seed` decides all chance but the scheduler's."""

    def __init__(self, home: Path, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.broker = OttlaBroker(home, BROKER_OPTIONS)
        self.gate = Gate()
        self.ledgers = [Ledger(topic.name, index) for topic in TOPICS for index in range(topic.partitions)]
        self.readings: list[Reading] = []
        self.actors: list[Actor] = []
        self.kills = self.kills_in_the_start = self.stops = 0
        self.index_entries = 0
        self._log_position = 0
        self._indexes_checked: dict[Path, object] = {}
        self._log_files = disk_checks.LogFiles()

    # Life

    def begin(self) -> None:
        """Start the broker, create the topics, let the writers loose."""
        self.broker.start()
        with RawClient(self.broker) as client:
            for topic in (*TOPICS, TRANSACTED):
                create(client, topic)
            create_offsets_topic(client)
        self.actors = [*self._batch_writers(), *self._librdkafka_writers(), *self._others()]
        self.readings = [Reading(ledger) for ledger in self.ledgers]
        for actor in self.actors:
            actor.start()
        self.gate.open(self.broker.port)

    def _batch_writers(self) -> list[Actor]:
        codecs = [Compression.NONE, Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.ZSTD]
        writers: list[Actor] = []
        for number, ledger in enumerate(ledger for ledger in self.ledgers if ledger.topic != "by-librdkafka"):
            for idempotent in (False, True):
                codec = codecs[(2 * number + idempotent) % len(codecs)]
                in_flight = (5, 1)[number % 2]
                name = f"{'idempotent' if idempotent else 'plain'}-{in_flight}-{codec.name.lower()}-{number}"
                seed = self.random.getrandbits(32)
                writers.append(
                    BatchWriter(
                        self.gate, ledger, name, idempotent=idempotent, in_flight=in_flight, codec=codec, seed=seed
                    )
                )
        return writers

    def _librdkafka_writers(self) -> list[Actor]:
        first, second = (ledger for ledger in self.ledgers if ledger.topic == "by-librdkafka")
        port = self.broker.port
        return [
            LibrdkafkaWriter(self.gate, first, "librdkafka-plain", idempotent=False, codec="lz4", port=port),
            LibrdkafkaWriter(self.gate, first, "librdkafka-idempotent", idempotent=True, codec="none", port=port),
            LibrdkafkaWriter(self.gate, second, "librdkafka-idempotent-2", idempotent=True, codec="zstd", port=port),
        ]

    def _others(self) -> list[Actor]:
        self.committers = [
            OffsetCommitter(self.gate, f"group-{n}", TOPICS[0].name, 2, self.random.getrandbits(32)) for n in range(3)
        ]
        self.changer = TopicChanger(self.gate, "topic-changer", self.random.getrandbits(32))
        self.transactors = [
            TransactionWriter(
                self.gate,
                f"transactor-{n}",
                TRANSACTED.name,
                TRANSACTED.partitions,
                self.broker.port,
                self.random.getrandbits(32),
            )
            for n in range(2)
        ]
        return [*self.committers, self.changer, *self.transactors]

    # One round

    def round(self) -> None:
        """Let them write, end the broker, look at its files, start it again, look at what it says."""
        time.sleep(self.random.uniform(0.02, 0.6))
        self.gate.close()
        in_good_order = self.random.random() < 0.1
        if in_good_order:
            assert self.broker.stop() == 0, self.broker.log_tail()
            self.stops += 1
        else:
            self.broker.kill()
            self.kills += 1
        ends = self._check_files(stopped=in_good_order)
        while self.random.random() < 0.15:
            self._kill_in_the_start()
        self._start()
        self._check_files_after_start(ends)
        self.gate.open(self.broker.port)
        self.check()

    def _start(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.broker.start()
            except BrokerDidNotStart as problem:
                # librdkafka's own connections may hold the port for a moment.
                if "in use" not in str(problem) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _kill_in_the_start(self) -> None:
        """End it at some moment before it listens, or a little after."""
        delay_s = self.random.uniform(0.05, 0.6)
        process_is_there = threading.Event()

        def kill_later() -> None:
            time.sleep(delay_s)
            process = self.broker.process
            process_is_there.set()
            if process is not None:
                process.kill()

        killer = threading.Thread(target=kill_later)
        killer.start()
        with contextlib.suppress(BrokerDidNotStart):
            self.broker.start()
        killer.join()
        self.broker.kill()
        self.kills += 1
        self.kills_in_the_start += 1

    # Checks

    def _check_files(self, *, stopped: bool) -> dict[str, int]:
        """The files of a broker that does not run; returns where the active segment of each partition begins."""
        self._check_log()
        ends = {}
        for folder in disk_checks.partition_folders(self.broker.data_dir):
            if not any(folder.glob("*.log")):
                assert not stopped, f"{folder} holds no log"
                continue
            segments = disk_checks.segments_of(folder, self._log_files, torn_end=not stopped)
            ends[folder.name] = segments[-1].base_offset
            self._check_indexes(segments, complete_below=segments[-1].next_offset + 1 if stopped else 0)
            disk_checks.check_snapshots(folder)
        return ends

    def _check_indexes(self, segments: list[disk_checks.SegmentOnDisk], *, complete_below: int) -> None:
        for segment in segments:
            complete = segment.base_offset < complete_below
            state = (disk_checks.state_of(segment), complete)
            if self._indexes_checked.get(segment.path) == state:
                continue
            self._indexes_checked[segment.path] = state
            self.index_entries += disk_checks.check_indexes(
                segment, complete=complete, index_interval_bytes=INDEX_INTERVAL_BYTES_MAX
            )

    def _check_files_after_start(self, ends: dict[str, int]) -> None:
        for folder in disk_checks.partition_folders(self.broker.data_dir):
            if disk_checks.is_compacted(folder):
                continue  # the cleaner is at work there already; these files are looked at while nobody runs
            segments = disk_checks.segments_of(folder, self._log_files, torn_end=True)
            self._check_indexes(segments, complete_below=ends.get(folder.name, 0))
            disk_checks.check_leader_epochs(folder, segments)
            disk_checks.check_no_leftovers(folder)

    def check(self) -> None:
        """What the running broker says: every acknowledgement holds. The writers go on meanwhile."""
        for actor in self.actors:
            actor.check()
        with RawClient(self.broker) as client:
            for reading in self.readings:
                acknowledged = reading.ledger.acknowledged()
                self._read_on(client, reading)
                reading.check(acknowledged)
            for committer in self.committers:
                committer.check_with(client)
        self._check_log()

    def _read_on(self, client: RawClient, reading: Reading) -> None:
        topic, partition = reading.ledger.topic, reading.ledger.partition
        before = list_offset(client, topic, partition, LATEST)
        segments = disk_checks.segments_of(self.broker.data_dir / reading.name, self._log_files, torn_end=True)
        end = segments[-1].next_offset
        assert before <= end, f"{reading.name}: the high watermark is {before}, the log ends at {end}"
        deadline = time.monotonic() + HIGH_WATERMARK_TIMEOUT_S
        while (after := list_offset(client, topic, partition, LATEST)) < end:
            # With flush.messages it follows the syncs.
            assert time.monotonic() < deadline, f"{reading.name}: the high watermark stays at {after}, below {end}"
        while reading.next_offset < before:
            data = fetch(client, topic, partition, reading.next_offset)
            for offset, value in whole_records(data):
                if reading.next_offset <= offset:
                    reading.see(offset, value)

    def _check_log(self) -> None:
        """The broker has nothing to complain about when it is killed."""
        text = self.broker.log_text()
        for line in text[self._log_position :].splitlines():
            assert not _NOT_IN_A_GOOD_LOG.search(line), f"{line}\n{self.broker.log_tail()}"
        self._log_position = len(text)

    # The end

    def finish(self) -> None:
        """Send the writers home, stop in good order, start again, read all with another reader's eyes."""
        self.gate.open(self.broker.port)
        self.gate.finish()
        for actor in self.actors:
            actor.wait_for_end(60)
        self.check()
        assert self.broker.stop() == 0, self.broker.log_tail()
        self._log_files = disk_checks.LogFiles()
        self._indexes_checked = {}
        self._check_files(stopped=True)
        self._start()
        for transactor in self.transactors:
            transactor.check_all()
        self.readings = [Reading(ledger) for ledger in self.ledgers]
        self.check()
        with RawClient(self.broker) as client:
            self.changer.check_with(client)
        assert self.broker.stop() == 0, self.broker.log_tail()
        self._check_log()
        self.check_that_all_did_something()

    def check_that_all_did_something(self) -> None:
        """A writer that never got anything acknowledged proves nothing."""
        writers = {a.writer for ledger in self.ledgers for a in ledger.acknowledged()}
        silent = {writer for ledger in self.ledgers for writer in ledger.writers} - writers
        assert not silent, f"nothing was acknowledged to {silent}"
        assert all(min(committer.acknowledged) >= 0 for committer in self.committers), "a group committed nothing"
        assert self.changer.lives > 0, "no topic was created"
        for transactor in self.transactors:
            assert COMMITTED in transactor.outcome.values(), f"{transactor.name} committed nothing"

    def abandon(self) -> None:
        """Stop everything after a failure."""
        self.gate.finish()
        self.broker.kill()

    def summary(self) -> str:
        """What was done, in a line."""
        acknowledged = sum(a.count for ledger in self.ledgers for a in ledger.acknowledged())
        read = sum(reading.next_offset for reading in self.readings)
        commits = sum(sum(committer.acknowledged) + len(committer.acknowledged) for committer in self.committers)
        begun = sum(actor.producers_begun for actor in self.actors if isinstance(actor, BatchWriter))
        return (
            f"seed {self.seed}: {self.kills} kills ({self.kills_in_the_start} during a start), "
            f"{self.stops} clean stops, {acknowledged} records acknowledged, {read} there, {commits} commits, "
            f"{self.index_entries} index entries checked, {self.changer.lives} side topics, "
            f"transactions {dict(sum((Counter(each.outcome.values()) for each in self.transactors), Counter()))}, "
            f"{begun} idempotent producers"
        )


def create(client: RawClient, topic: Topic) -> None:
    """Create a topic with small segments that retention leaves alone."""
    configs = {"internal.segment.bytes": str(topic.segment_bytes), "retention.ms": "-1", **topic.configs}
    request = CreateTopicsRequest(
        topics=[
            CreatableTopic(
                name=topic.name,
                num_partitions=topic.partitions,
                replication_factor=1,
                configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
            )
        ]
    )
    answer = client.ask(request, CreateTopicsResponse, 7).topics[0]
    assert answer.error_code == 0, f"{topic.name}: {ErrorCode(answer.error_code).name} {answer.error_message}"


def create_offsets_topic(client: RawClient) -> None:
    """Let the broker make `__consumer_offsets`, and its segments small."""
    answer = client.ask(FindCoordinatorRequest(key="any"), FindCoordinatorResponse, 3)
    assert answer.error_code == 0, answer.error_message
    config = AlterableConfig(name="internal.segment.bytes", config_operation=0, value="16384")
    resource = AlterConfigsResource(resource_type=2, resource_name="__consumer_offsets", configs=[config])
    answer = client.ask(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1)
    assert answer.responses[0].error_code == 0, answer.responses[0].error_message


def list_offset(client: RawClient, topic: str, partition: int, timestamp: int) -> int:
    """What ListOffsets answers."""
    wanted = ListOffsetsTopic(
        name=topic, partitions=[ListOffsetsPartition(partition_index=partition, timestamp=timestamp)]
    )
    response = client.ask(ListOffsetsRequest(replica_id=-1, topics=[wanted]), ListOffsetsResponse, 6)
    answer = response.topics[0].partitions[0]
    assert answer.error_code == 0, f"{topic}-{partition}: {ErrorCode(answer.error_code).name}"
    return answer.offset


def fetch(client: RawClient, topic: str, partition: int, offset: int) -> bytes:
    """What Fetch gives from an offset on; at least one batch."""
    request = fetch_request(topic, offset=offset)
    request.topics[0].partitions[0].partition = partition
    answer = client.fetch(request)
    assert answer.error_code == 0, f"{topic}-{partition} at {offset}: {ErrorCode(answer.error_code).name}"
    data = bytes(answer.records or b"")
    assert data, f"{topic}-{partition}: nothing at {offset}, below the high watermark {answer.high_watermark}"
    return data


def whole_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, value) of each record in the whole batches of a fetch, which may end inside one."""
    try:
        for at, header in read_headers(data):
            for record in read_records(data, at, header):
                yield record.offset, record.value
    except CorruptBatch as problem:
        if "are there" not in str(problem) and "batch header has" not in str(problem):
            raise
