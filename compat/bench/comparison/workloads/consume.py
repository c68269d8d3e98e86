"""Consuming with librdkafka: a log in memory and a long one that is on the disk, by one consumer and by ten.

A cold log is read cold to its end. Ten consumers of the same partitions would not do that, for the first of them brings
the pages in that the others read; so they share a cold log, as the members of a group do: each has a partition. What
the kernel counted as read from the disk stands beside the cost, so that a log that was not cold is seen.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from confluent_kafka import Consumer, TopicPartition

from ...page_cache import forget_pages
from .. import topics
from ..workload import Limit, NotDone, Sample, Stopwatch, Target, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_POLL_RECORDS = 10_000
_POLL_S = 0.5
_SILENCE_MAX_S = 30
_WARM_UP_PART = 20
_REST_S = 0.3


@dataclass(frozen=True)
class ConsumeAll(Workload):
    """Each consumer reads the whole topic from its start, or its part of it; all records of each are counted."""

    subject: ClassVar[str] = "consume"
    sized_by: ClassVar[str] = "records"
    consumers: int = 1
    partitions: int = 6
    record_bytes: int = 100
    batch_records: int = 160
    records: int = 960_000
    is_cold: bool = False
    is_shared: bool = False
    """Whether each consumer has partitions of its own."""

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=self.partitions)
        topics.fill(target, self.topic, self.partitions, self.records, self.record_bytes, self.batch_records)

    def measure(self, target: Target) -> Sample:
        each = self.records // self.consumers if self.is_shared else self.records
        readers = [_Reader(target, self.topic, self._partitions_of(at), each) for at in range(self.consumers)]
        for reader in readers:
            reader.read(each // _WARM_UP_PART)
            reader.rest()
        time.sleep(_REST_S)
        if self.is_cold:
            forget_topic(target.data_dir, self.topic)
        read_before_mb = target.accounts.disk_read_mb
        with Stopwatch(target) as watch:
            threads = [threading.Thread(target=reader.read_all) for reader in readers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        counts = [reader.count for reader in readers]
        if counts != [each] * self.consumers:
            raise NotDone(f"of {each} records {counts} were read")
        total = each * self.consumers
        figures = {
            **watch.cpu_figures(total, "message"),
            "k messages/s": total / watch.wall_s / 1e3,
            "MB/s": total * self.record_bytes / watch.wall_s / 1e6,
        }
        read_mb = target.accounts.disk_read_mb
        if self.is_cold and read_mb is not None and read_before_mb is not None:
            figures["MB from the disk"] = read_mb - read_before_mb
        for reader in readers:
            reader.close()
        return Sample(figures)

    def _partitions_of(self, consumer: int) -> range:
        return range(self.partitions)[consumer :: self.consumers] if self.is_shared else range(self.partitions)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


class _Reader:
    """A consumer of some partitions, without a group's help."""

    def __init__(self, target: Target, topic: str, partitions: range, records: int) -> None:
        self.count = 0
        self._records = records
        self._partitions = [TopicPartition(topic, index, 0) for index in partitions]
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


def forget_topic(data_dir: Path, topic: str) -> None:
    """Push the topic's files out of the page cache, wherever the broker has put them.

    Folders of other topics may vanish meanwhile.
    """
    for folder, _, names in os.walk(data_dir):
        for name in names:
            path = os.path.join(folder, name)
            if topic in path:
                forget_pages(path)


def rows(quick: bool) -> list[Workload]:
    """From memory and from the disk, by one and by ten."""
    limit = {"CPU us/message": Limit(kafka=1.0, kfake=0.3)}
    records = 480_000 if quick else 1_920_000
    cold_mb = 200 if quick else 2000
    return [
        ConsumeAll("consume from memory, 1 consumer", limit, records=records),
        ConsumeAll("consume from memory, 10 consumers", limit, records=records * 3 // 20, consumers=10),
        _cold(cold_mb, 1, limit),
        _cold(cold_mb, 10, limit),
    ]


def _cold(megabytes: int, consumers: int, limit: Mapping[str, Limit]) -> ConsumeAll:
    """A partition for each consumer."""
    readers = "1 consumer" if consumers == 1 else f"{consumers} consumers"
    return ConsumeAll(
        f"consume a cold log of {megabytes} MB, {readers}",
        limit,
        rounds_max=3,
        consumers=consumers,
        partitions=consumers,
        record_bytes=1000,
        batch_records=50,
        records=megabytes * 1000,
        is_cold=True,
        is_shared=True,
    )
