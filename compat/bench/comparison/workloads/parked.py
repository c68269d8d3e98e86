"""Fetches that wait in the broker for one partition, all woken by one record."""

from __future__ import annotations

import select
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from .. import topics, wire
from ..workload import Limit, NotDone, Sample, Stopwatch, Target, Workload

if TYPE_CHECKING:
    import socket

_MAX_WAIT_MS = 120_000
_REST_PART, _REST_TIMEOUT_S = 0.1, 30
_RECEIVE_BYTES = 1 << 16
_SAMPLED_FETCHES = 20_000


@dataclass(frozen=True)
class ParkedFetches(Workload):
    """Each connection parks a Fetch; when the broker has come to rest, one record is written."""

    subject: ClassVar[str] = "parked"
    sized_by: ClassVar[str] = "wakes"
    fetches: int = 1000
    wakes: int = 10

    def to_be_sampled(self) -> ParkedFetches:
        return replace(self, wakes=max(self.wakes, _SAMPLED_FETCHES // self.fetches))

    def prepare(self, target: Target) -> None:
        topics.create(target, self.topic)

    def measure(self, target: Target) -> Sample:
        offset = topics.record_count(target, self.topic)
        waiting = _connections(target.port, self.fetches)
        poll = select.epoll()
        for descriptor in waiting:
            poll.register(descriptor, select.EPOLLIN)
        producer = wire.Answers(wire.connect(target.port))
        record = wire.produce_frame(self.topic, 0, wire.batch_of(100))
        walls_s, cpus_s = [], []
        for wake in range(self.wakes + 1):
            frame = wire.fetch_frame(self.topic, 0, offset, _MAX_WAIT_MS)
            for connected in waiting.values():
                connected.sendall(frame)
            # When the broker has little to do, everything that was sent is parked.
            if not target.accounts.come_to_rest(_REST_PART, _REST_TIMEOUT_S):
                raise NotDone("the broker does not come to rest")
            with Stopwatch(target) as watch:
                producer.socket.sendall(record)
                _receive_all(poll, waiting, wire.fetched_bytes_min(self.topic))
            wire.check_code(producer.receive_one(), wire.produce_error_at(self.topic))
            offset += 1
            if wake:  # the first one warms up
                walls_s.append(watch.wall_s)
                cpus_s.append(watch.cpu_s)
        poll.close()
        for connected in (*waiting.values(), producer.socket):
            connected.close()
        return Sample({"CPU ms/wake": sum(cpus_s) / self.wakes * 1e3, "wall ms/wake": sum(walls_s) / self.wakes * 1e3})

    def clean(self, target: Target) -> None:
        topics.delete(target, self.topic)


def _connections(port: int, count: int) -> dict[int, socket.socket]:
    found = [wire.connect(port) for _ in range(count)]
    return {connected.fileno(): connected for connected in found}


def _receive_all(poll: select.epoll, waiting: dict[int, socket.socket], empty_bytes: int) -> None:
    """Wait until every connection has its whole answer with records in it."""
    parts: dict[int, bytes] = {}
    missing = len(waiting)
    while missing:
        ready = poll.poll(wire.ANSWER_TIMEOUT_S)
        if not ready:
            raise NotDone(f"{missing} of {len(waiting)} fetches were not answered")
        for descriptor, _ in ready:
            part = waiting[descriptor].recv(_RECEIVE_BYTES)
            if not part:
                raise NotDone("the broker closed a connection")
            answer = parts.get(descriptor, b"") + part
            parts[descriptor] = answer
            if len(answer) >= 4 and len(answer) >= 4 + int.from_bytes(answer[:4], "big"):
                if len(answer) <= empty_bytes:
                    raise NotDone("a fetch was answered without a record")
                missing -= 1


def rows(quick: bool) -> list[Workload]:
    """A thousand, and ten thousand where that is not too many for a quick run."""
    limits = {"CPU ms/wake": Limit(kafka=0.5, kfake=1.0)}
    found = [ParkedFetches("1000 parked fetches", limits, wakes=3 if quick else 6)]
    if not quick:
        found.append(ParkedFetches("10000 parked fetches", limits, fetches=10_000, wakes=2, rounds_max=3))
    return list(found)
