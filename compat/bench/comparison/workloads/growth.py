"""How cost grows: with idle partitions, with idle connections, with what a consumer follows, and with its lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ottla.protocol.compiler import decode
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic

from .. import topics, wire
from ..workload import NotDone, Sample, Series, Stopwatch, Target, Workload
from .consume import ConsumeAll
from .produce import OneRecordRequests

if TYPE_CHECKING:
    import socket

_PARTITIONS_PER_TOPIC = 100
_ANSWER_BODY = 9
_MAX_WAIT_MS = 30_000
_WARM_UP_RECORDS = 50
_FINAL_EPOCH = -1


@dataclass(frozen=True)
class BesideIdlePartitions(OneRecordRequests):
    """One-record requests while the broker has other partitions that nobody uses."""

    subject: ClassVar[str] = "growth"
    idle_partitions: int = 0

    @property
    def _idle(self) -> list[str]:
        return [f"{self.topic}-idle-{at}" for at in range(self.idle_partitions // _PARTITIONS_PER_TOPIC)]

    def prepare(self, target: Target) -> None:
        super().prepare(target)
        for name in self._idle:
            topics.create(target, name, partitions=_PARTITIONS_PER_TOPIC)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic, *self._idle)


@dataclass(frozen=True)
class BesideIdleConnections(OneRecordRequests):
    """One-record requests while other connections are open that were used once."""

    subject: ClassVar[str] = "growth"
    idle_connections: int = 0

    def measure(self, target: Target) -> Sample:
        idle = [wire.connect(target.port) for _ in range(self.idle_connections)]
        used = wire.fetch_frame(self.topic, 0, 0, 0)
        for connected in idle:
            connected.sendall(used)
            _read_answer(connected)
        try:
            return super().measure(target)
        finally:
            for connected in idle:
                connected.close()


@dataclass(frozen=True)
class OneOfMany(Workload):
    """A consumer with a fetch session follows many partitions; one of them gets a record at a time."""

    subject: ClassVar[str] = "growth"
    partitions: int = 10
    records: int = 1000

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic, partitions=self.partitions)

    def measure(self, target: Target) -> Sample:
        offset = topics.end_offsets(target, self.topic)[0]
        consumer = _SessionConsumer(target, self.topic, self.partitions, offset)
        producer = wire.Answers(wire.connect(target.port))
        record, error_at = wire.produce_frame(self.topic, 0, wire.batch_of(100)), wire.produce_error_at(self.topic)

        def follow(count: int) -> None:
            for _ in range(count):
                consumer.send()
                producer.socket.sendall(record)
                consumer.receive()
                wire.check_code(producer.receive_one(), error_at)

        follow(_WARM_UP_RECORDS)
        with topics.all_arrived(target, self.topic, 1, self.records), Stopwatch(target) as watch:
            follow(self.records)
        consumer.close()
        producer.socket.close()
        return Sample(
            {"CPU us/record": watch.cpu_s / self.records * 1e6, "ms/record": watch.wall_s / self.records * 1e3}
        )

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


class _SessionConsumer:
    """Fetches as KIP-227 has it: after the first request only what has changed is named."""

    def __init__(self, target: Target, topic: str, partitions: int, offset: int) -> None:
        self._topic = topic
        self._answers = wire.Answers(wire.connect(target.port))
        self._epoch = self._session = 0
        self._offset = offset
        ends = topics.end_offsets(target, topic, partitions)
        self._named = [_partition(index, end) for index, end in enumerate(ends)]
        self._fetch(max_wait_ms=0)
        answer = self._answer()
        if not answer.session_id:
            raise NotDone("the broker gave no fetch session")
        self._session, self._epoch = answer.session_id, 1
        self._named = []

    def _fetch(self, max_wait_ms: int = _MAX_WAIT_MS) -> None:
        request = FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            max_bytes=1 << 20,
            session_id=self._session,
            session_epoch=self._epoch,
            topics=[FetchTopic(topic=self._topic, partitions=self._named)] if self._named else [],
        )
        self._answers.socket.sendall(wire.frame_of(request, wire.FETCH_VERSION))

    def _answer(self) -> FetchResponse:
        answer = decode(FetchResponse, self._answers.receive_one(), wire.FETCH_VERSION, _ANSWER_BODY)
        if answer.error_code:
            raise NotDone(f"a fetch of the session failed: {answer.error_code}")
        return answer

    def send(self) -> None:
        """Ask for what comes next; the answer waits for it."""
        self._fetch()

    def receive(self) -> None:
        """Take the one record."""
        answer = self._answer()
        found = [each for topic in answer.responses for each in topic.partitions if each.records]
        if [each.partition_index for each in found] != [0] or found[0].error_code:
            raise NotDone(f"{len(found)} partitions had records, where one has a new one")
        self._epoch += 1
        self._offset += 1
        self._named = [_partition(0, self._offset)]

    def close(self) -> None:
        """End the session, so that the broker's cache of them does not fill."""
        self._epoch, self._named = _FINAL_EPOCH, []
        self._fetch(max_wait_ms=0)
        self._answer()
        self._answers.socket.close()


@dataclass(frozen=True)
class ReadLag(ConsumeAll):
    """A consumer that is this far behind reads all of it; the broker's memory is looked at before and after."""

    subject: ClassVar[str] = "growth"

    def measure(self, target: Target) -> Sample:
        before_mb = target.accounts.resident_mb
        sample = super().measure(target)
        grown_mb = max(0.0, target.accounts.resident_mb - before_mb)
        return Sample({**sample.figures, "memory grown MB": grown_mb})


def _partition(index: int, offset: int) -> FetchPartition:
    return FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1 << 16)


def _read_answer(connected: socket.socket) -> None:
    size = int.from_bytes(_exactly(connected, 4), "big")
    _exactly(connected, size)


def _exactly(connected: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connected.recv(size - len(data))
        if not part:
            raise NotDone("the broker closed a connection")
        data += part
    return data


def rows(quick: bool) -> list[Workload]:
    """Each series from its smallest to its largest."""
    requests = 10_000 if quick else 40_000
    found: list[Workload] = []
    for count in (0, 500) if quick else (0, 1000, 3000):
        found.append(
            BesideIdlePartitions(
                f"one-record requests beside {count} idle partitions",
                series=Series("idle partitions", "idle partitions", count, "CPU us/request"),
                requests=requests,
                idle_partitions=count,
                rounds_max=3,
            )
        )
    for count in (0, 500) if quick else (0, 1000, 4000):
        found.append(
            BesideIdleConnections(
                f"one-record requests beside {count} idle connections",
                series=Series("idle connections", "idle connections", count, "CPU us/request"),
                requests=requests,
                idle_connections=count,
                rounds_max=3,
            )
        )
    for count in (10, 500) if quick else (10, 200, 2000):
        found.append(
            OneOfMany(
                f"a consumer of {count} partitions, one active",
                series=Series("followed partitions", "partitions of the consumer", count, "CPU us/record"),
                partitions=count,
                records=500 if quick else 2000,
                rounds_max=3,
            )
        )
    for megabytes in (10, 100) if quick else (10, 100, 1000):
        found.append(
            ReadLag(
                f"read a lag of {megabytes} MB",
                series=Series("lag", "MB behind", megabytes, "CPU us/message"),
                partitions=1,
                record_bytes=1000,
                batch_records=50,
                records=megabytes * 1000,
                rounds_max=3,
            )
        )
    return found
