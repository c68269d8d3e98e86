"""Clients that cost next to nothing: frames encoded beforehand, answers looked at where their error stands.

Only what is the same for every answer of a kind is relied on, and every error code is looked at: a load that was
refused is none.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ottla.protocol.compiler import encode
from ottla.protocol.headers import RequestHeader, request_header_version
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from ottla.protocol.records import Record, build_batch

from .workload import NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ottla.protocol.schema import Message

T = TypeVar("T")

PRODUCE_VERSION, FETCH_VERSION = 9, 12
ANSWER_TIMEOUT_S = 60
_LENGTH = struct.Struct(">i")
_CODE = struct.Struct(">h")
_HEAD_BYTES = 9  # length, correlation id, no tagged fields
_FETCH_FIXED_BYTES = 20
_RECEIVE_BYTES = 1 << 18


def frame_of(request: Message, version: int) -> bytes:
    """A request as it goes over the wire."""
    api_key = type(request).api_key
    header = RequestHeader(request_api_key=api_key, request_api_version=version, correlation_id=1, client_id="bench")
    body = encode(header, request_header_version(type(request), version)) + encode(request, version)
    return _LENGTH.pack(len(body)) + body


def batch_of(value_bytes: int, count: int = 1, **producer: int | bool) -> bytes:
    """A batch of records of that size, uncompressed."""
    now_ms = int(time.time() * 1000)
    value = bytes(index * 31 % 251 for index in range(value_bytes))
    return bytes(build_batch([Record(at, now_ms, None, value) for at in range(count)], base_offset=0, **producer))  # type: ignore[arg-type]


def produce_frame(
    topic: str, partition: int, batch: bytes, acks: int = -1, transactional_id: str | None = None
) -> bytes:
    """A Produce of one batch."""
    data = [PartitionProduceData(index=partition, records=batch)]
    topics = [TopicProduceData(name=topic, partition_data=data)]
    request = ProduceRequest(transactional_id=transactional_id, acks=acks, timeout_ms=30_000, topic_data=topics)
    return frame_of(request, PRODUCE_VERSION)


def produce_error_at(topic: str) -> int:
    """Where the error code of the only partition stands in the answer to `produce_frame`, counted from its length."""
    return _HEAD_BYTES + 1 + 1 + len(topic) + 1 + 4


def fetch_frame(topic: str, partition: int, offset: int, max_wait_ms: int, max_bytes: int = 1 << 20) -> bytes:
    """A Fetch of one partition without a session."""
    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
    topics = [FetchTopic(topic=topic, partitions=[wanted])]
    request = FetchRequest(max_wait_ms=max_wait_ms, min_bytes=1, max_bytes=max_bytes, topics=topics)
    return frame_of(request, FETCH_VERSION)


def fetch_error_at(topic: str) -> int:
    """Where the error code of the only partition stands in the answer to `fetch_frame`, counted from its length."""
    return _HEAD_BYTES + 4 + 2 + 4 + 1 + 1 + len(topic) + 1 + 4


def fetched_bytes_min(topic: str) -> int:
    """An answer to `fetch_frame` that is longer than this has records in it."""
    return _HEAD_BYTES + _FETCH_FIXED_BYTES + len(topic) + 60


def connect(port: int) -> socket.socket:
    """A connection without delays."""
    connected = socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


class Answers:
    """Cuts what a connection receives into answers."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._rest = b""

    def receive(self) -> list[bytes]:
        """What has come: whole answers with their length before them, perhaps none."""
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise NotDone("the broker closed a connection")
        if self._rest:
            data = self._rest + data
        found = []
        at, end = 0, len(data)
        while end - at >= _LENGTH.size:
            after = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
            if after > end:
                break
            found.append(data[at:after])
            at = after
        self._rest = data[at:]
        return found

    def receive_one(self) -> bytes:
        """The next answer, where one at a time is asked for."""
        while True:
            answers = self.receive()
            if answers:
                (answer,) = answers
                return answer


def check_code(answer: bytes, error_at: int) -> None:
    """Raise NotDone where the answer carries an error."""
    code = _CODE.unpack_from(answer, error_at)[0]
    if code:
        raise NotDone(f"an answer carries error code {code}")


class Asking(NamedTuple):
    """What one connection asks for: the next frame each time, and where the error stands in the answer."""

    next_frame: Callable[[], bytes]
    error_at: int


class _Lane:
    def __init__(self, port: int, asking: Asking) -> None:
        self.answers = Answers(connect(port))
        self.asking = asking
        self.sent_at: deque[float] = deque()

    def send(self, count: int) -> None:
        self.sent_at.extend([time.perf_counter()] * count)
        next_frame = self.asking.next_frame
        self.answers.socket.sendall(b"".join([next_frame() for _ in range(count)]))


class ClosedLoop:
    """Connections that each keep some requests under way: the next leaves when an answer comes."""

    def __init__(self, port: int, asked: Sequence[Asking], window: int) -> None:
        self._lanes = {lane.answers.socket.fileno(): lane for lane in (_Lane(port, asking) for asking in asked)}
        self._window = window
        self._poll = select.epoll()
        for descriptor in self._lanes:
            self._poll.register(descriptor, select.EPOLLIN)

    def run(self, count: int) -> list[float]:
        """Have `count` requests answered without an error; how long each took, in seconds."""
        taken: list[float] = []
        to_send = count
        for lane in self._lanes.values():
            first = min(self._window, to_send)
            to_send -= first
            lane.send(first)
        while len(taken) < count:
            ready = self._poll.poll(ANSWER_TIMEOUT_S)
            if not ready:
                raise NotDone(f"{count - len(taken)} of {count} requests were not answered")
            for descriptor, _ in ready:
                lane = self._lanes[descriptor]
                came = lane.answers.receive()
                now = time.perf_counter()
                for answer in came:
                    check_code(answer, lane.asking.error_at)
                    taken.append(now - lane.sent_at.popleft())
                more = min(len(came), to_send)
                if more:
                    to_send -= more
                    lane.send(more)
        return taken

    def close(self) -> None:
        """Hang up."""
        self._poll.close()
        for lane in self._lanes.values():
            lane.answers.socket.close()


def always(value: T) -> Callable[[], T]:
    """The same again and again."""
    return lambda: value


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of all are not above; by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)]


class PacedLoad(NamedTuple):
    """What a load of requests at set times came to."""

    latencies_s: list[float]
    late_s: float
    """How far behind its times the last request was sent."""


def run_paced(
    port: int, asked: Sequence[Asking], per_s: float, seconds: float, settle: Callable[[], object]
) -> PacedLoad:
    """Send `per_s` requests a second over all connections in turn; each connection has one under way.

    All connections are opened and have been answered once before `settle` is called and the time begins.
    """
    lanes = [_Lane(port, asking) for asking in asked]
    poll = select.epoll()
    by_descriptor = {lane.answers.socket.fileno(): lane for lane in lanes}
    for lane in lanes:
        lane.send(1)
        check_code(lane.answers.receive_one(), lane.asking.error_at)
        lane.sent_at.clear()
        poll.register(lane.answers.socket.fileno(), select.EPOLLIN)
    settle()
    latencies: list[float] = []
    total, sent, late_s = int(per_s * seconds), 0, 0.0
    begun = time.perf_counter()
    while len(latencies) < total:
        now = time.perf_counter()
        while sent < total and begun + sent / per_s <= now:
            late_s = now - begun - sent / per_s
            lanes[sent % len(lanes)].send(1)
            sent += 1
        wait_s = max(0.0, begun + sent / per_s - time.perf_counter()) if sent < total else ANSWER_TIMEOUT_S
        ready = poll.poll(wait_s)
        if not ready and sent == total:
            raise NotDone(f"{total - len(latencies)} of {total} requests were not answered")
        now = time.perf_counter()
        for descriptor, _ in ready:
            lane = by_descriptor[descriptor]
            for answer in lane.answers.receive():
                check_code(answer, lane.asking.error_at)
                latencies.append(now - lane.sent_at.popleft())
    poll.close()
    for lane in lanes:
        lane.answers.socket.close()
    return PacedLoad(latencies, late_s)
