"""Two brokers that are alike and are asked the same; one of them knows what is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ottla.broker.api_table import APIS
from ottla.broker.dispatch import Dispatcher, response_parts
from ottla.broker.request import Deferred
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ProtocolError
from ottla.protocol.headers import RequestHeader, request_header_version, response_header_version

from ..connections import connection_info
from ..group_broker import OFFSETS_TOPIC, GroupBroker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ottla.protocol.schema import Message

B = TypeVar("B", bound=GroupBroker)

TOPIC = "t"
TOPIC_RESOURCE = 2


def frame_of(request: Message, version: int, *, client: str | None = "c", correlation_id: int = 1) -> bytes:
    """A request without its length."""
    kind = type(request)
    header = RequestHeader(
        request_api_key=kind.api_key, request_api_version=version, correlation_id=correlation_id, client_id=client
    )
    return encode(header, request_header_version(kind, version)) + encode(request, version)


def answer_in(frame: bytes, request: Message, kind: type[Any], version: int) -> Any:
    """The response in a whole frame."""
    return decode(kind, frame, version, 8 + response_header_version(type(request), version))


class TwoWays(Generic[B]):
    """`both` asks both brokers, and finds that they say and hold the same; `state` is all that one of them holds."""

    def __init__(self, folder: Path, new_broker: Callable[[Path], B], state: Callable[[B], Any]) -> None:
        self.brokers: list[B] = []
        self.closed: list[list[str]] = [[], []]
        self.connections = [connection_info(close=closed.append) for closed in self.closed]
        self.parked: list[tuple[Deferred[Any], Deferred[Any]]] = []
        self.repeated = 0
        self._state = state
        for name in ("reads", "knows"):
            (folder / name).mkdir(parents=True)
            self.brokers.append(new_broker(folder / name))
        reads_all = {key: api._replace(repeated=None) for key, api in APIS.items()}
        self.dispatchers = [
            Dispatcher(apis, broker.services(), broker.commits)
            for apis, broker in zip((reads_all, APIS), self.brokers, strict=True)
        ]

    @property
    def known(self) -> B:
        """The broker that knows."""
        return self.brokers[1]

    def each(self, act: Callable[[B], object]) -> None:
        """Do something to both brokers."""
        for broker in self.brokers:
            act(broker)
        self.check()

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass for both."""
        self.each(lambda broker: broker.advance(elapsed_ms))

    def both(self, request: Message, version: int, **header: Any) -> bytes | str | Deferred[Any] | None:
        """The whole answer to a request, or a Deferred one that waits; None where there is none, or why the end."""
        return self.both_to(frame_of(request, version, **header))

    def both_to(self, frame: bytes) -> bytes | str | Deferred[Any] | None:
        """What both brokers answer to a frame."""
        read, known = (self.answer(number, frame) for number in (0, 1))
        if isinstance(read, Deferred) and isinstance(known, Deferred):
            self.parked.append((read, known))
        else:
            assert read == known
        self.check()
        return known

    def is_left(self, frame: bytes) -> bool:
        """Whether the one that knows leaves a request to the handler, and has done nothing then."""
        before = self._state(self.known)
        answer = self.dispatchers[1].answer_repeated(memoryview(bytearray(frame)), self.connections[1])
        assert answer is not None or self._state(self.known) == before
        return answer is None

    def answer(self, number: int, frame: bytes) -> bytes | str | Deferred[Any] | None:
        """What one broker answers."""
        dispatcher, connection = self.dispatchers[number], self.connections[number]
        view = memoryview(bytearray(frame))
        try:
            answer = dispatcher.answer_repeated(view, connection)
            if answer is not None:
                self.repeated += 1
                return answer
            exchange = dispatcher.dispatch(view, connection)
        except ProtocolError as error:
            return str(error)
        finally:
            view[:] = bytes(len(view))  # as the next request does to the buffer
        response = exchange.answer
        if isinstance(response, Deferred):
            if response.response is None:
                return response
            response = response.response
        return None if response is None else b"".join(map(bytes, response_parts(exchange, response)[0]))  # type: ignore[arg-type]

    def check(self) -> None:
        """Both hold the same, and have told the same to whoever waits."""
        assert self._state(self.brokers[0]) == self._state(self.brokers[1])
        assert self.connections[0].client_id == self.connections[1].client_id
        assert self.closed[0] == self.closed[1]
        for read, known in self.parked:
            assert read.is_complete == known.is_complete
            assert repr(read.response) == repr(known.response)


def group_ways(folder: Path) -> TwoWays[GroupBroker]:
    """Two brokers that coordinate groups."""
    return TwoWays(folder, _group_broker, _groups_of)


def _group_broker(folder: Path) -> GroupBroker:
    broker = GroupBroker(folder, "group.consumer.assignment.interval.ms=0")
    broker.create(TOPIC, 2)
    broker.metadata.ensure_internal_topic(OFFSETS_TOPIC)
    return broker


def _groups_of(broker: GroupBroker) -> list[Any]:
    """Logs, offsets and deadlines of all groups."""
    found: list[Any] = []
    for hosted in broker.groups._hosted:
        log = hosted.log.partition.log
        found.append((log.high_watermark, [bytes(data) for data, _ in log.batches(0)]))
        found.append(hosted.shard.offsets.snapshot())
        found.append({name: timer.deadline_ms for name, timer in hosted.timers.items()})
        for group in hosted.shard.groups.values():
            found.append((group.group_id, str(group.state), group.next_deadline_ms, _sessions(group)))
    return [*found, broker.timers.next_deadline_ms(), broker.commits.pending == []]


def _sessions(group: Any) -> Any:
    if group.type_name == "consumer":
        return dict(group.deadlines._sessions)
    return {member.member_id: member.session_deadline_ms for member in group.members}
