"""From produce to consume: how long one record takes to reach a consumer that waits for it, alone and under a load."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ottla.protocol.compiler import decode
from ottla.protocol.messages.fetch import FetchResponse

from .. import topics, wire
from ..workload import Limit, NotDone, Sample, Stopwatch, Target, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Event

_WARM_UP_RECORDS = 200
_PAUSE_S = 0.001
_MAX_WAIT_MS = 10_000
_ANSWER_BODY = 9
_LOAD_BATCH_BYTES = 16_000
_LOAD_PARTITIONS = 6
_LOAD_START_TIMEOUT_S = 30
_LOAD_PART_MIN = 0.9


@dataclass(frozen=True)
class ProduceToConsume(Workload):
    """One record at a time, acks all; the consumer's Fetch waits in the broker. Background load in MB/s."""

    subject: ClassVar[str] = "latency"
    sized_by: ClassVar[str] = "records"
    records: int = 3000
    load_mb_per_s: float = 0

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic)
        topics.create(target, self._load_topic, partitions=_LOAD_PARTITIONS)

    def measure(self, target: Target) -> Sample:
        with _load(target, self._load_topic, self.load_mb_per_s):
            _latencies_ms(target, self.topic, _WARM_UP_RECORDS)
            loaded_before = topics.record_count(target, self._load_topic, _LOAD_PARTITIONS)
            with topics.all_arrived(target, self.topic, 1, self.records), Stopwatch(target) as watch:
                latencies_ms = _latencies_ms(target, self.topic, self.records)
            loaded = topics.record_count(target, self._load_topic, _LOAD_PARTITIONS) - loaded_before
        figures = {
            "p50 ms": wire.percentile(latencies_ms, 0.5),
            "p99 ms": wire.percentile(latencies_ms, 0.99),
            "p99.9 ms": wire.percentile(latencies_ms, 0.999),
        }
        if self.load_mb_per_s:
            figures["load MB/s"] = loaded * _LOAD_BATCH_BYTES / watch.wall_s / 1e6
            if figures["load MB/s"] < self.load_mb_per_s * _LOAD_PART_MIN:
                raise NotDone(f"the load was {figures['load MB/s']:.1f} of {self.load_mb_per_s} MB/s")
        else:
            figures |= watch.cpu_figures(self.records, "record")
        return Sample(figures, latencies_ms)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic, self._load_topic)

    @property
    def _load_topic(self) -> str:
        return f"{self.topic}-load"


def _latencies_ms(target: Target, topic: str, count: int) -> list[float]:
    """From before the producer's send until the consumer has the record."""
    offset = topics.record_count(target, topic)
    producer, consumer = wire.Answers(wire.connect(target.port)), wire.Answers(wire.connect(target.port))
    frame = wire.produce_frame(topic, 0, wire.batch_of(100))
    error_at, empty_bytes = wire.produce_error_at(topic), wire.fetched_bytes_min(topic)
    taken = []
    for _ in range(count):
        consumer.socket.sendall(wire.fetch_frame(topic, 0, offset, _MAX_WAIT_MS))
        time.sleep(_PAUSE_S)
        begun = time.perf_counter()
        producer.socket.sendall(frame)
        answer = consumer.receive_one()
        taken.append((time.perf_counter() - begun) * 1e3)
        wire.check_code(producer.receive_one(), error_at)
        if len(answer) <= empty_bytes:
            raise NotDone("a fetch was answered without a record")
        partition = decode(FetchResponse, answer, wire.FETCH_VERSION, _ANSWER_BODY).responses[0].partitions[0]
        if partition.error_code or partition.high_watermark != offset + 1:
            raise NotDone(f"a fetch saw {partition.high_watermark}, error {partition.error_code}, not {offset + 1}")
        offset += 1
    producer.socket.close()
    consumer.socket.close()
    return taken


@contextlib.contextmanager
def _load(target: Target, topic: str, mb_per_s: float) -> Iterator[None]:
    """Write batches at a steady rate from another process."""
    if not mb_per_s:
        yield
        return
    spawn = multiprocessing.get_context("spawn")
    has_begun = spawn.Event()
    process = spawn.Process(target=_write_steadily, args=(target.port, topic, mb_per_s, has_begun), daemon=True)
    process.start()
    if not has_begun.wait(_LOAD_START_TIMEOUT_S):
        raise NotDone("the background load did not begin")
    try:
        yield
    finally:
        process.kill()
        process.join()


def _write_steadily(port: int, topic: str, mb_per_s: float, has_begun: Event) -> None:
    # One record a batch, so that records counted are batches written.
    batch = wire.batch_of(_LOAD_BATCH_BYTES)
    asked = [
        wire.Asking(wire.always(wire.produce_frame(topic, partition, batch)), wire.produce_error_at(topic))
        for partition in range(_LOAD_PARTITIONS)
    ]
    wire.run_paced(port, asked, mb_per_s * 1e6 / _LOAD_BATCH_BYTES, 3600, has_begun.set)


def rows(quick: bool) -> list[Workload]:
    """Alone, and under a load."""
    limits = {"p50 ms": Limit(kafka=0.5, kfake=1.0), "p99 ms": Limit(kafka=0.5, kfake=1.0)}
    records = 1000 if quick else 3000
    return [
        ProduceToConsume("produce to consume", limits, records=records),
        ProduceToConsume("produce to consume under 20 MB/s", limits, records=records, load_mb_per_s=20),
    ]
