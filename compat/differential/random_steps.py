"""Requests by chance: a row of steps is known before it is sent, so that it can be sent again without some of them.

A step is a name and some small numbers. What a step needs (a topic, a producer, a session) it takes from what the
steps before it made on that broker, by number; a step that finds nothing to work on does nothing. So any part of a row
is a row too, and one that differs is cut down until no step can be left out.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from ottla.protocol.messages.end_txn import EndTxnRequest
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from ottla.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from ottla.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup

from .group_requests import beat, commit, join, sync
from .world import Producer, batch, produce_request

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .world import Topic, World

PARTITIONS = 2
_TOPICS = 2
_NUMBERS = 3
_NUMBER_MAX = 8
_MB = 1 << 20


class RandomStep(NamedTuple):
    """What to do, and the numbers that say with what."""

    kind: str
    a: int
    b: int
    c: int


def random_row(seed: int, count: int) -> list[RandomStep]:
    """A row of steps; the same for the same seed."""
    chance = random.Random(seed)
    kinds = sorted(_KINDS)
    return [
        RandomStep(chance.choice(kinds), *(chance.randrange(_NUMBER_MAX) for _ in range(_NUMBERS)))
        for _ in range(count)
    ]


def script_of(row: Sequence[RandomStep]) -> Callable[[World], Generator[Any, Any, None]]:
    """The row as a case."""

    def play(w: World) -> Generator[Any, Any, None]:
        state = _State(w)
        for step in row:
            yield from _KINDS[step.kind](state, step)
        w.producer(state.name)  # aborts what is still open
        state.settle()
        for topic in state.topics:
            for level in (0, 1):
                yield state.fetch(topic, 0, 0, level)

    return play


def shortest(row: Sequence[RandomStep], differs: Callable[[Sequence[RandomStep]], bool]) -> list[RandomStep]:
    """The row without the steps that can be left out while it still differs: halves first, single steps last."""
    kept = list(row)
    size = len(kept) // 2
    while size:
        start = 0
        while start < len(kept):
            without = kept[:start] + kept[start + size :]
            if without and differs(without):
                kept = without
            else:
                start += size
        size //= 2
    return kept


class _State:
    """What the steps of a row have made so far on one broker."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.topics = [w.topic(f"t{number}", PARTITIONS) for number in range(_TOPICS)]
        self.group = w.group()
        self.name = w.transactional_id()
        self.idempotent = w.producer()
        self.transactional: Producer | None = None
        self.sequences: dict[tuple[Producer, Topic, int], int] = {}
        self.member, self.generation = "", -1
        self.session, self.session_epoch = 0, 0

    def topic(self, number: int) -> Topic:
        return self.topics[number % _TOPICS]

    def fetch(self, topic: Topic, partition: int, offset: int, level: int, **said: Any) -> FetchRequest:
        wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=_MB)
        return FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=_MB,
            isolation_level=level,
            topics=[FetchTopic(topic=topic.name, topic_id=topic.id, partitions=[wanted])],
            **said,
        )

    def sequence(self, producer: Producer, topic: Topic, partition: int, count: int, how: int) -> int:
        """The next sequence number; now and then the last one again, or one too far."""
        key = (producer, topic, partition)
        following = self.sequences.get(key, 0)
        if how == 0:
            return max(following - count, 0)
        if how == 1:
            return following + 1
        self.sequences[key] = following + count
        return following

    def settle(self) -> None:
        """Wait until no marker is under way: Apache Kafka answers EndTxn before it has written them."""
        for topic in self.topics:
            self.w.until(lambda topic=topic: self._ends(topic, 0) == self._ends(topic, 1), "the markers are written")

    def _ends(self, topic: Topic, level: int) -> list[int]:
        asked = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(PARTITIONS)]
        wanted = [ListOffsetsTopic(name=topic.name, partitions=asked)]
        answer = self.w.ask(ListOffsetsRequest(replica_id=-1, isolation_level=level, topics=wanted))
        found = sorted(answer.topics[0].partitions, key=lambda partition: partition.partition_index)
        return [partition.offset for partition in found]


Requests = "Generator[Any, Any, None]"


def _produce(s: _State, step: RandomStep) -> Requests:
    yield produce_request(s.topic(step.a), batch(*[b"v"] * (step.b + 1)), partition=step.c % (PARTITIONS + 1))


def _produce_in_order(s: _State, step: RandomStep) -> Requests:
    topic, partition, count = s.topic(step.a), step.b % PARTITIONS, step.b % 3 + 1
    sequence = s.sequence(s.idempotent, topic, partition, count, step.c)
    records = batch(*[b"i"] * count, producer=s.idempotent, sequence=sequence)
    yield produce_request(topic, records, partition=partition)


def _begin(s: _State, step: RandomStep) -> Requests:
    answer = yield InitProducerIdRequest(transactional_id=s.name, transaction_timeout_ms=60_000)
    s.transactional = Producer(answer.producer_id, answer.producer_epoch)
    s.settle()


def _produce_in_transaction(s: _State, step: RandomStep) -> Requests:
    if s.transactional is None:
        return
    topic, partition = s.topic(step.a), step.b % PARTITIONS
    sequence = s.sequence(s.transactional, topic, partition, 1, step.c)
    records = batch(b"t", producer=s.transactional, sequence=sequence, is_transactional=True)
    yield produce_request(topic, records, partition=partition, transactional_id=s.name)


def _end(s: _State, step: RandomStep) -> Requests:
    if s.transactional is None:
        return
    answer = yield EndTxnRequest(
        transactional_id=s.name,
        producer_id=s.transactional.id,
        producer_epoch=s.transactional.epoch,
        committed=step.a % 2 == 0,
    )
    if answer.error_code == 0:
        s.settle()
        s.transactional = Producer(answer.producer_id, answer.producer_epoch)


def _fetch(s: _State, step: RandomStep) -> Requests:
    yield s.fetch(s.topic(step.a), step.b % (PARTITIONS + 1), step.b * 2, step.c % 2)


def _open_session(s: _State, step: RandomStep) -> Requests:
    answer = yield s.fetch(s.topic(step.a), step.b % PARTITIONS, 0, step.c % 2, session_epoch=0)
    s.session, s.session_epoch = answer.session_id, 1


def _go_on_with_session(s: _State, step: RandomStep) -> Requests:
    if not s.session:
        return
    request = s.fetch(s.topic(step.a), step.b % PARTITIONS, step.b, 0, session_id=s.session)
    request.session_epoch = s.session_epoch + (step.c == 0)
    if step.c % 2:
        request.topics = []
    answer = yield request
    s.session_epoch += answer.error_code == 0


def _list_offsets(s: _State, step: RandomStep) -> Requests:
    asked = [ListOffsetsPartition(partition_index=step.b % PARTITIONS, timestamp=-1 - step.c % 3)]
    wanted = [ListOffsetsTopic(name=s.topic(step.a).name, partitions=asked)]
    yield ListOffsetsRequest(replica_id=-1, isolation_level=step.b % 2, topics=wanted)


def _delete_records(s: _State, step: RandomStep) -> Requests:
    asked = [DeleteRecordsPartition(partition_index=step.b % PARTITIONS, offset=step.c - 1)]
    topics = [DeleteRecordsTopic(name=s.topic(step.a).name, partitions=asked)]
    yield DeleteRecordsRequest(topics=topics, timeout_ms=30_000)


def _grow(s: _State, step: RandomStep) -> Requests:
    wanted = CreatePartitionsTopic(name=s.topic(step.a).name, count=step.b, assignments=None)
    yield CreatePartitionsRequest(topics=[wanted], timeout_ms=30_000, validate_only=True)


def _join(s: _State, step: RandomStep) -> Requests:
    # One member alone, which keeps the id that it is given: a join that waits for another would wait in vain.
    who = s.member if step.b else "nobody"
    answer = yield join(s.group, who)
    if who == s.member and answer.member_id:
        s.member = answer.member_id
    if answer.error_code == 0:
        s.generation = answer.generation_id


def _sync(s: _State, step: RandomStep) -> Requests:
    yield sync(s.group, s.generation + (step.a == 0), s.member, [(s.member, b"%d" % step.b)])


def _beat(s: _State, step: RandomStep) -> Requests:
    yield beat(s.group, s.generation - (step.a == 0), s.member)


def _commit(s: _State, step: RandomStep) -> Requests:
    who = {"generation": s.generation, "member": s.member} if step.c else {}
    yield commit(s.group, s.topic(step.a), (step.b % (PARTITIONS + 1), step.b), **who)


def _fetch_offsets(s: _State, step: RandomStep) -> Requests:
    yield OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=s.group, topics=None)])


def _delete_offsets(s: _State, step: RandomStep) -> Requests:
    asked = [OffsetDeleteRequestPartition(partition_index=step.b % PARTITIONS)]
    yield OffsetDeleteRequest(
        group_id=s.group, topics=[OffsetDeleteRequestTopic(name=s.topic(step.a).name, partitions=asked)]
    )


_KINDS: dict[str, Callable[[_State, RandomStep], Generator[Any, Any, None]]] = {
    "begin": _begin,
    "commit": _commit,
    "delete offsets": _delete_offsets,
    "delete records": _delete_records,
    "end": _end,
    "fetch": _fetch,
    "fetch offsets": _fetch_offsets,
    "go on with session": _go_on_with_session,
    "grow": _grow,
    "heartbeat": _beat,
    "join": _join,
    "list offsets": _list_offsets,
    "open session": _open_session,
    "produce": _produce,
    "produce in order": _produce_in_order,
    "produce in transaction": _produce_in_transaction,
    "sync": _sync,
}
