"""How cost grows: with a log, with idle partitions and connections, with what a consumer follows, and with its lag."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ottla.protocol.compiler import decode
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic

from .. import topics, wire
from ..workload import NotDone, Sample, Series, Stopwatch, Target, Workload
from .consume import ConsumeAll
from .produce import OneRecordRequests, request_sample

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

_PARTITIONS_PER_TOPIC = 100
_MEMORY = ", memory"
_ANSWER_BODY = 9
_MAX_WAIT_MS = 30_000
_WARM_UP_RECORDS = 50
_FINAL_EPOCH = -1
_REST_PART, _REST_TIMEOUT_S = 0.3, 5
_FILL_RECORD_BYTES, _FILL_BATCH_RECORDS = 1000, 20
_FETCH_CONNECTIONS = 8
_FETCH_STRIDE = 7919
"""A prime: offsets that are so far apart lie all over the log."""


@dataclass(frozen=True)
class IntoLongLog(OneRecordRequests):
    """One-record requests to partitions that hold much already, together so many megabytes."""

    subject: ClassVar[str] = "growth"
    log_mb: int = 10

    def prepare(self, target: Target) -> None:
        super().prepare(target)
        _fill(target, self.topic, self.connections, self.log_mb)


@dataclass(frozen=True)
class FromLongLog(Workload):
    """Fetches of one batch each, from all over a log."""

    subject: ClassVar[str] = "growth"
    log_mb: int = 10
    requests: int = 20_000

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic)
        _fill(target, self.topic, 1, self.log_mb)

    def measure(self, target: Target) -> Sample:
        end = topics.end_offsets(target, self.topic)[0]
        places = itertools.count(step=_FETCH_STRIDE)
        answer = wire.Answers(wire.connect(target.port))
        answer.socket.sendall(self._frame(end // 2))
        found = decode(FetchResponse, answer.receive_one(), wire.FETCH_VERSION, _ANSWER_BODY).responses[0].partitions[0]
        answer.socket.close()
        if len(found.records or b"") < _FILL_RECORD_BYTES:
            raise NotDone("a fetch from the middle of the log brought no batch")
        asking = wire.Asking(lambda: self._frame(next(places) % end), wire.fetch_error_at(self.topic))
        loop = wire.ClosedLoop(target.port, [asking] * _FETCH_CONNECTIONS, 1)
        loop.run(self.requests // 10)
        with Stopwatch(target) as watch:
            taken_s = loop.run(self.requests)
        loop.close()
        return request_sample(watch, taken_s)

    def _frame(self, offset: int) -> bytes:
        return wire.fetch_frame(self.topic, 0, offset, 0, max_bytes=1)

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


def _fill(target: Target, topic: str, partitions: int, megabytes: int) -> None:
    lap = _FILL_BATCH_RECORDS * partitions
    laps = max(1, round(megabytes * 1e6 / _FILL_RECORD_BYTES / lap))
    topics.fill(target, topic, partitions, laps * lap, _FILL_RECORD_BYTES, _FILL_BATCH_RECORDS)


@dataclass(frozen=True)
class BesideIdlePartitions(OneRecordRequests):
    """One-record requests while the broker has other partitions that nobody uses."""

    subject: ClassVar[str] = "growth"
    idle_partitions: int = 0

    @property
    def _idle(self) -> list[str]:
        return [f"{self.topic}-idle-{at}" for at in range(self.idle_partitions // _PARTITIONS_PER_TOPIC)]

    def measure(self, target: Target) -> Sample:
        # The row without them is measured on the same broker between two rounds of this one.
        for name in self._idle:
            topics.create(target, name, partitions=_PARTITIONS_PER_TOPIC)
        try:
            target.accounts.come_to_rest(_REST_PART, _REST_TIMEOUT_S)
            return super().measure(target)
        finally:
            topics.delete(target, *self._idle)

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
        resident_mb = target.accounts.resident_mb
        memory = {"resident MB": resident_mb, "memory grown MB": max(0.0, resident_mb - before_mb)}
        return Sample({**sample.figures, **memory})


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
    requests = 10_000 if quick else 20_000
    per_request, per_record = {"": "CPU us/request"}, {"": "CPU us/record"}
    return [
        *_grown(
            lambda megabytes: IntoLongLog(
                f"one-record requests to a log of {megabytes} MB", requests=requests, log_mb=megabytes
            ),
            ("log size, produce", "MB in the log"),
            (10, 100) if quick else (10, 1000),
            per_request,
        ),
        *_grown(
            lambda megabytes: FromLongLog(f"fetches from a log of {megabytes} MB", requests=requests, log_mb=megabytes),
            ("log size, fetch", "MB in the log"),
            (10, 100) if quick else (10, 1000),
            per_request,
        ),
        *_grown(
            lambda count: BesideIdlePartitions(
                f"one-record requests beside {count} idle partitions", requests=requests, idle_partitions=count
            ),
            ("idle partitions", "idle partitions"),
            (0, 500) if quick else (0, 1000, 3000),
            per_request,
        ),
        *_grown(
            lambda count: BesideIdleConnections(
                f"one-record requests beside {count} idle connections", requests=requests, idle_connections=count
            ),
            ("idle connections", "idle connections"),
            (0, 500) if quick else (0, 1000, 4000),
            per_request,
        ),
        *_grown(
            lambda count: OneOfMany(
                f"a consumer of {count} partitions, one active",
                partitions=count,
                records=400 if quick else 800,
                # One record at a time leaves the broker's CPU to others in between, and its caches with it.
                rounds_factor=2,
            ),
            ("followed partitions", "partitions of the consumer"),
            (10, 500) if quick else (10, 200, 2000),
            per_record,
        ),
        *_grown(
            _lag,
            ("lag", "MB behind"),
            (10, 100) if quick else (10, 100, 1000),
            {"": "CPU us/message", _MEMORY: "resident MB"},
        ),
    ]


def _lag(megabytes: int) -> Workload:
    records = megabytes * 1000
    return ReadLag(f"read a lag of {megabytes} MB", partitions=1, record_bytes=1000, batch_records=50, records=records)


def _grown(
    row: Callable[[int], Workload], series: tuple[str, str], points: Sequence[int], figures: Mapping[str, str]
) -> list[Workload]:
    """A row for each point of a series of this name and unit; `figures`, by what a name adds, must stay flat."""
    name, unit = series
    return [
        replace(
            row(at),
            series=tuple(Series(name + more, unit, at, figure, more == _MEMORY) for more, figure in figures.items()),
            # What a round costs is compared within it, and each writes a part before it counts. What memory a long lag
            # leaves behind must not be there before a short one was read.
            warms_up=False,
        )
        for at in points
    ]
