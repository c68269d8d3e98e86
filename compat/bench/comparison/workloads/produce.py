"""Producing: batches by librdkafka in all sizes, and requests of one record each by a client that costs nothing."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from confluent_kafka import Producer
from crc32c import crc32c
from ottla.protocol.record_batch import ATTRIBUTES_POSITION, CRC_POSITION, HEADER

from .. import topics, wire
from ..coordinators import new_producer_id
from ..workload import Limit, NotDone, Sample, Stopwatch, Target, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL_BATCH_BYTES, LARGE_BATCH_BYTES = 16_000, 1_000_000
_CHUNK_RECORDS = 500
_FLUSH_TIMEOUT_S = 120
_WARM_UP_PART = 10
_STATISTICS_EVERY_S = 0.2
_SAMPLED_TIMES = 4
_SEQUENCE_POSITION = HEADER.size - 8
_SEQUENCE = struct.Struct(">i")
_CRC = struct.Struct(">I")


@dataclass(frozen=True)
class ProduceBatches(Workload):
    """librdkafka writes records as fast as it can, to all partitions in turn; the brokers see the same settings."""

    subject: ClassVar[str] = "produce"
    sized_by: ClassVar[str] = "megabytes"
    record_bytes: int = 100
    codec: str = "none"
    partitions: int = 6
    batch_bytes: int = SMALL_BATCH_BYTES
    megabytes: float = 60

    @property
    def records(self) -> int:
        """How many a round writes: whole chunks for every partition."""
        lap = _CHUNK_RECORDS * self.partitions
        return max(1, round(self.megabytes * 1e6 / self.record_bytes / lap)) * lap

    def to_be_sampled(self) -> ProduceBatches:
        return replace(self, megabytes=self.megabytes * _SAMPLED_TIMES)

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=self.partitions)

    def measure(self, target: Target) -> Sample:
        sizes: list[dict[str, Any]] = []
        producer = Producer(self._settings(target, sizes))
        messages = [{"value": value} for value in values(self.record_bytes)]
        self._write(producer, messages, max(1, self.records // _CHUNK_RECORDS // _WARM_UP_PART))
        _flush(producer)
        with topics.all_arrived(target, self.topic, self.partitions, self.records), Stopwatch(target) as watch:
            self._write(producer, messages, self.records // _CHUNK_RECORDS)
            _flush(producer)
        figures = {
            **watch.cpu_figures(self.records, "message"),
            "k messages/s": self.records / watch.wall_s / 1e3,
            "MB/s": self.records * self.record_bytes / watch.wall_s / 1e6,
        }
        producer.poll(_STATISTICS_EVERY_S * 1.5)  # the last statistics
        if sizes:
            figures["batch bytes"] = float(sizes[-1]["avg"])
        return Sample(figures)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)

    def _settings(self, target: Target, sizes: list[dict[str, Any]]) -> dict[str, Any]:
        def keep(text: str) -> None:
            found = json.loads(text)["topics"].get(self.topic)
            if found is not None and found["batchsize"]["cnt"]:
                sizes.append(found["batchsize"])

        return {
            "bootstrap.servers": target.bootstrap_servers,
            "acks": "all",
            "compression.type": self.codec,
            "batch.size": self.batch_bytes,
            "batch.num.messages": 1_000_000,
            "linger.ms": 50,
            "message.max.bytes": 2_000_000,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 200_000,
            "delivery.report.only.error": True,
            "statistics.interval.ms": int(_STATISTICS_EVERY_S * 1000),
            "stats_cb": keep,
            "error_cb": _refuse,
            "enable.metrics.push": False,
        }

    def _write(self, producer: Producer, messages: list[dict[str, bytes]], chunks: int) -> None:
        for chunk in range(chunks):
            left = messages
            while left:
                producer.produce_batch(self.topic, left, partition=chunk % self.partitions)
                left = [message for message in left if message.pop("_error", None) is not None]
                producer.poll(0.005 if left else 0)


def values(size: int) -> list[bytes]:
    """A chunk of values that compress about as text does: half of each is words, half is chance."""
    chance = random.Random(size)
    text = b'{"type": "order", "status": "confirmed", "currency": "EUR", "amount": ' * (size // 70 + 1)
    return [text[: size // 2] + chance.randbytes(size - size // 2) for _ in range(_CHUNK_RECORDS)]


def _flush(producer: Producer) -> None:
    left = producer.flush(_FLUSH_TIMEOUT_S)
    if left:
        raise NotDone(f"{left} records were not delivered")


def _refuse(error: object) -> None:
    raise NotDone(f"librdkafka says: {error}")


@dataclass(frozen=True)
class OneRecordRequests(Workload):
    """Connections that each keep some requests of one record under way (`window`), each with a partition of its own."""

    subject: ClassVar[str] = "requests"
    sized_by: ClassVar[str] = "requests"
    acks: int = -1
    is_idempotent: bool = False
    connections: int = 8
    window: int = 1
    record_bytes: int = 100
    requests: int = 60_000

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=self.connections)

    def measure(self, target: Target) -> Sample:
        asked = [self._asking(target, partition) for partition in range(self.connections)]
        loop = wire.ClosedLoop(target.port, asked, self.window)
        loop.run(max(1000, self.requests // _WARM_UP_PART))
        with topics.all_arrived(target, self.topic, self.connections, self.requests), Stopwatch(target) as watch:
            taken_s = loop.run(self.requests)
        loop.close()
        return request_sample(watch, taken_s)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)

    def _asking(self, target: Target, partition: int) -> wire.Asking:
        error_at = wire.produce_error_at(self.topic)
        if not self.is_idempotent:
            batch = wire.batch_of(self.record_bytes)
            return wire.Asking(wire.always(wire.produce_frame(self.topic, partition, batch, self.acks)), error_at)
        producer_id, epoch = new_producer_id(target)
        batch = wire.batch_of(self.record_bytes, producer_id=producer_id, producer_epoch=epoch, base_sequence=0)
        return wire.Asking(numbered(wire.produce_frame(self.topic, partition, batch, self.acks), batch), error_at)


def numbered(frame: bytes, batch: bytes) -> Callable[[], bytes]:
    """The same request with the next sequence number each time."""
    buffer = bytearray(frame)
    at = frame.index(batch)
    checked = memoryview(buffer)[at + ATTRIBUTES_POSITION : at + len(batch)]
    sequence = -1

    def following() -> bytes:
        nonlocal sequence
        sequence += 1
        _SEQUENCE.pack_into(buffer, at + _SEQUENCE_POSITION, sequence)
        _CRC.pack_into(buffer, at + CRC_POSITION, crc32c(checked))
        return bytes(buffer)

    return following


def request_sample(watch: Stopwatch, taken_s: list[float]) -> Sample:
    """What requests cost, and how long they took."""
    taken_ms = [value * 1e3 for value in taken_s]
    figures = {
        **watch.cpu_figures(len(taken_s), "request"),
        "k requests/s": len(taken_s) / watch.wall_s / 1e3,
        "p50 ms": wire.percentile(taken_ms, 0.5),
        "p99 ms": wire.percentile(taken_ms, 0.99),
    }
    return Sample(figures)


def rows(quick: bool) -> list[Workload]:
    """Batches of all kinds; then single records."""
    found: list[Workload] = [_batches(*kind, quick) for kind in (_QUICK if quick else _ALL)]
    for name, acks, is_idempotent, window in (
        ("acks 1", 1, False, 1),
        ("acks all", -1, False, 1),
        ("idempotent", -1, True, 1),
        ("acks all, 5 under way", -1, False, 5),
    ):
        found.append(
            OneRecordRequests(
                f"one-record requests, {name}",
                {"CPU us/request": Limit(kafka=0.25, kfake=0.9)},
                acks=acks,
                is_idempotent=is_idempotent,
                window=window,
                requests=20_000 if quick else 50_000,
            )
        )
    return found


def _batches(record_bytes: int, codec: str, partitions: int, batch_bytes: int, quick: bool) -> ProduceBatches:
    size = "16 KB" if batch_bytes == SMALL_BATCH_BYTES else "1 MB"
    return ProduceBatches(
        f"produce {record_bytes} B, {codec}, {partitions} partitions, batches to {size}",
        {"CPU us/message": Limit(kafka=0.5 if batch_bytes == SMALL_BATCH_BYTES else 0.8, kfake=0.8)},
        record_bytes=record_bytes,
        codec=codec,
        partitions=partitions,
        batch_bytes=batch_bytes,
        # There are many of these, and each round writes a part before it counts.
        warms_up=False,
        # Small records are limited by the client: fewer bytes take it as long.
        megabytes=(30 if record_bytes == 100 else 60) / (2 if quick else 1),
    )


_ALL = [
    *(
        (record_bytes, codec, partitions, SMALL_BATCH_BYTES)
        for record_bytes in (100, 1000, 10_000)
        for codec in ("none", "lz4", "zstd")
        for partitions in (1, 6, 100)
    ),
    *(
        (record_bytes, codec, 6, LARGE_BATCH_BYTES)
        for record_bytes in (100, 1000, 10_000)
        for codec in ("none", "lz4", "zstd")
    ),
]
_QUICK = [
    (100, "none", 6, SMALL_BATCH_BYTES),
    (1000, "zstd", 6, SMALL_BATCH_BYTES),
    (1000, "none", 6, LARGE_BATCH_BYTES),
]
