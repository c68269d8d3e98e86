"""Consuming with librdkafka: a log in memory, by one consumer and by ten, and a long one that is on the disk."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from confluent_kafka import Consumer, TopicPartition

from .. import topics
from ..workload import Limit, NotDone, Sample, Stopwatch, Target, Workload

if TYPE_CHECKING:
    from pathlib import Path

_POLL_RECORDS = 10_000
_POLL_S = 0.5
_SILENCE_MAX_S = 30
_WARM_UP_PART = 20
_REST_S = 0.3


@dataclass(frozen=True)
class ConsumeAll(Workload):
    """Each consumer reads the whole topic from its start; all records of each are counted."""

    subject: ClassVar[str] = "consume"
    consumers: int = 1
    partitions: int = 6
    record_bytes: int = 100
    batch_records: int = 160
    records: int = 960_000
    is_cold: bool = False

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=self.partitions)
        topics.fill(target, self.topic, self.partitions, self.records, self.record_bytes, self.batch_records)

    def measure(self, target: Target) -> Sample:
        readers = [_Reader(target, self.topic, self.partitions, self.records) for _ in range(self.consumers)]
        for reader in readers:
            reader.read(self.records // _WARM_UP_PART)
            reader.rest()
        time.sleep(_REST_S)
        if self.is_cold:
            forget_pages(target.data_dir, self.topic)
        with Stopwatch(target) as watch:
            threads = [threading.Thread(target=reader.read_all) for reader in readers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        counts = [reader.count for reader in readers]
        if counts != [self.records] * self.consumers:
            raise NotDone(f"of {self.records} records {counts} were read")
        total = self.records * self.consumers
        for reader in readers:
            reader.close()
        return Sample(
            {
                **watch.cpu_figures(total, "message"),
                "k messages/s": total / watch.wall_s / 1e3,
                "MB/s": total * self.record_bytes / watch.wall_s / 1e6,
            }
        )

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


class _Reader:
    """A consumer of all partitions, without a group's help."""

    def __init__(self, target: Target, topic: str, partitions: int, records: int) -> None:
        self.count = 0
        self._records = records
        self._partitions = [TopicPartition(topic, index, 0) for index in range(partitions)]
        self._consumer = Consumer(
            {
                "bootstrap.servers": target.bootstrap_servers,
                "group.id": "bench",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # It is the broker that is to be measured, not how long the client hesitates when its queue is full.
                "fetch.queue.backoff.ms": 2,
                "queued.min.messages": 1_000_000,
                "enable.metrics.push": False,
            }
        )
        self._consumer.assign(self._partitions)

    def read(self, count: int) -> None:
        """Read until so many have come, or nothing comes any more."""
        while self.count < count:
            messages = self._consumer.consume(min(_POLL_RECORDS, count - self.count), _POLL_S)
            if not messages:
                messages = self._consumer.consume(1, _SILENCE_MAX_S)
            if not messages:
                return
            failed = messages[-1].error() or messages[0].error()
            if failed is not None:
                raise NotDone(f"the consumer says: {failed}")
            self.count += len(messages)

    def rest(self) -> None:
        """Ask for nothing any more, and forget what was read ahead."""
        self._consumer.unassign()
        self.count = 0

    def read_all(self) -> None:
        """Read everything, from the start."""
        self._consumer.assign(self._partitions)
        self.read(self._records)

    def close(self) -> None:
        self._consumer.close()


def forget_pages(data_dir: Path, topic: str) -> None:
    """Push the topic's files out of the page cache, wherever the broker has put them."""
    for path in data_dir.rglob("*"):
        if path.is_file() and topic in str(path):
            descriptor = os.open(path, os.O_RDONLY)
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def rows(quick: bool) -> list[Workload]:
    """From memory, by one and by ten; from the disk."""
    limit = {"CPU us/message": Limit(kafka=1.0, kfake=0.3)}
    records = 480_000 if quick else 1_920_000
    cold_mb = 200 if quick else 2000
    return [
        ConsumeAll("consume from memory, 1 consumer", limit, records=records),
        ConsumeAll("consume from memory, 10 consumers", limit, records=records // 4, consumers=10),
        ConsumeAll(
            f"consume a cold log of {cold_mb} MB",
            limit,
            rounds_max=3,
            partitions=1,
            record_bytes=1000,
            batch_records=50,
            records=cold_mb * 1000,
            is_cold=True,
        ),
    ]
