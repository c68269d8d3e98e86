"""Transactional producers, of either transaction version, and what read_committed readers must see of them.

A committed transaction is wholly visible and an aborted one wholly not; of one whose end was never told, either holds.
Nothing is visible before its commit was asked for.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
)
from ottla.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)
from ottla.protocol.records import Record, build_batch

from .network import Client, ConnectionLostError
from .topics import READ_COMMITTED, insist, read_partition

if TYPE_CHECKING:
    from .world import World

TIMEOUT_MS = 15_000
_TRY_AGAIN = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.UNSTABLE_OFFSET_COMMIT,
)


class Outcome(Enum):
    """What is known of a transaction."""

    OPEN = "open"
    COMMITTING = "committing"
    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


class FencedError(Exception):
    """The producer's epoch is over: its transaction timed out, or was ended otherwise."""


class TransactionalProducer:
    """One transaction after the other, over all partitions of a topic and one group's offset."""

    def __init__(self, world: World, name: str, topic: str, partitions: int, version: int) -> None:
        self.name = name
        self.outcomes: dict[str, Outcome] = {}
        self.sent: dict[str, set[tuple[int, bytes]]] = {}
        """(partition, value) of each transaction's records that were acknowledged or may have arrived."""
        self._world = world
        self._topic = topic
        self._partitions = partitions
        self._version = version
        self._client = Client(world, name)
        self._group = f"group-of-{name}"
        self._producer_id = -1
        self._epoch = -1
        self._sequences: dict[int, int] = {}

    async def run(self, count: int) -> None:
        for kind, key in ((1, self.name), (0, self._group)):
            keys = FindCoordinatorRequest(key_type=kind, coordinator_keys=[key])
            await self._asked(keys, FindCoordinatorResponse, 4, lambda answer: answer.coordinators[0].error_code)
        await self._begin_anew()
        for number in range(count):
            await self._world.soon(1.0)
            label = f"{self.name}-{number}"
            try:
                await self._transaction(label, number)
            except FencedError:
                if self.outcomes[label] is Outcome.OPEN:
                    self.outcomes[label] = Outcome.ABORTED
                elif self.outcomes[label] is Outcome.COMMITTING:
                    self.outcomes[label] = Outcome.UNKNOWN
                await self._begin_anew()

    async def _begin_anew(self) -> None:
        request = InitProducerIdRequest(transactional_id=self.name, transaction_timeout_ms=TIMEOUT_MS)
        version = 5 if self._version == 2 else 4
        answer = await self._asked(request, InitProducerIdResponse, version, _code)
        self._producer_id, self._epoch = answer.producer_id, answer.producer_epoch
        self._sequences = {}

    # One transaction

    async def _transaction(self, label: str, number: int) -> None:
        chance = self._world.chance
        self.outcomes[label] = Outcome.OPEN
        self.sent[label] = set()
        touched = chance.sample(range(self._partitions), chance.randint(1, self._partitions))
        # Too long before one of its steps: the broker aborts it meanwhile, and the rest must not go on as another.
        pause_before = chance.randrange(len(touched) + 1) if chance.random() < 0.08 else None
        for step, partition in enumerate(touched):
            if step == pause_before:
                await self._world.sleep(2 * TIMEOUT_MS / 1000)
            if self._version == 1:
                await self._add_partition(partition)
            await self._produce(label, partition)
        if chance.random() < 0.5:
            await self._commit_offset(number)
        if pause_before == len(touched):
            await self._world.sleep(2 * TIMEOUT_MS / 1000)
        commit = chance.random() < 0.7
        await self._end(label, commit)

    async def _add_partition(self, partition: int) -> None:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.name,
            v3_and_below_producer_id=self._producer_id,
            v3_and_below_producer_epoch=self._epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=self._topic, partitions=[partition])],
        )
        await self._asked(
            request,
            AddPartitionsToTxnResponse,
            3,
            lambda answer: answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code,
        )

    async def _produce(self, label: str, partition: int) -> None:
        values = [f"{label}:{partition}.{number}".encode() for number in range(self._world.chance.randint(1, 3))]
        self.sent[label] |= {(partition, value) for value in values}
        now_ms = self._world.clock.now_ms()
        batch = build_batch(
            [Record(number, now_ms, None, value) for number, value in enumerate(values)],
            base_offset=0,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            base_sequence=self._sequences.get(partition, 0),
            is_transactional=True,
        )
        data = PartitionProduceData(index=partition, records=bytes(batch))
        request = ProduceRequest(
            transactional_id=self.name,
            acks=-1,
            timeout_ms=30_000,
            topic_data=[TopicProduceData(name=self._topic, partition_data=[data])],
        )
        await self._asked(
            request,
            ProduceResponse,
            12 if self._version == 2 else 11,
            lambda answer: answer.responses[0].partition_responses[0].error_code,
        )
        self._sequences[partition] = self._sequences.get(partition, 0) + len(values)

    async def _commit_offset(self, number: int) -> None:
        if self._version == 1:
            group = AddOffsetsToTxnRequest(
                transactional_id=self.name,
                producer_id=self._producer_id,
                producer_epoch=self._epoch,
                group_id=self._group,
            )
            await self._asked(group, AddOffsetsToTxnResponse, 3, _code)
        partition = TxnOffsetCommitRequestPartition(
            partition_index=0, committed_offset=number + 1, committed_metadata=None
        )
        request = TxnOffsetCommitRequest(
            transactional_id=self.name,
            group_id=self._group,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            member_id="",
            topics=[TxnOffsetCommitRequestTopic(name=self._topic, partitions=[partition])],
        )
        await self._asked(
            request,
            TxnOffsetCommitResponse,
            5 if self._version == 2 else 3,
            lambda answer: answer.topics[0].partitions[0].error_code,
        )

    async def _end(self, label: str, commit: bool) -> None:
        self.outcomes[label] = Outcome.COMMITTING if commit else Outcome.OPEN
        request = EndTxnRequest(
            transactional_id=self.name,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            committed=commit,
        )
        self._world.good_moment()
        # Who does not hear of the end may be an application that is restarted, and begins anew without asking again.
        insists = self._world.chance.random() < 0.2
        answer = await self._asked(request, EndTxnResponse, 5 if self._version == 2 else 3, _code, insists=insists)
        self.outcomes[label] = Outcome.COMMITTED if commit else Outcome.ABORTED
        if self._version == 2:
            if (answer.producer_id, answer.producer_epoch) != (self._producer_id, self._epoch):
                self._sequences = {}
            self._producer_id, self._epoch = answer.producer_id, answer.producer_epoch

    async def _asked(self, request: Any, response: type, version: int, code_of: Any, *, insists: bool = True) -> Any:
        """The answer once it is one. Raises FencedError, also when the connection is lost and it does not insist."""
        while True:
            try:
                answer = await self._client.ask(request, response, version)
            except ConnectionLostError as error:
                if not insists:
                    raise FencedError("begun anew") from error
                await self._world.soon(0.5)
                continue
            code = ErrorCode(code_of(answer))
            if code is ErrorCode.NONE:
                return answer
            if code not in _TRY_AGAIN:
                if not isinstance(request, InitProducerIdRequest):
                    raise FencedError(code.name)
                raise AssertionError(f"{self.name}: {code.name}")
            await self._world.soon(0.2)

    # What must be found

    def check_visible(self, values: set[tuple[int, bytes]], known_before: dict[str, Outcome]) -> None:
        """What a read_committed reader may see while the producer goes on."""
        for label, records in self.sent.items():
            if values & records:
                assert self.outcomes[label] is not Outcome.OPEN, f"{label} was seen before its commit"
                assert known_before.get(label) is not Outcome.ABORTED, f"{label} was aborted and is seen"

    def check_all(self, values: list[tuple[int, bytes]]) -> None:
        """What must be there at the end."""
        assert len(values) == len(set(values)), "a record is there twice"
        found = set(values)
        for label, records in self.sent.items():
            outcome, seen = self.outcomes[label], found & records
            if outcome is Outcome.COMMITTED:
                assert seen == records, f"{label} was committed, {len(seen)} of {len(records)} records are visible"
            elif outcome is Outcome.UNKNOWN:
                assert seen in (set(), records), f"{label} is visible in part"
            else:
                assert not seen, f"{label} is {outcome.value} and visible"

    async def check_offset(self) -> None:
        """The group's offset is that of a transaction that may have been committed; nothing is pending."""
        topics = [OffsetFetchRequestTopics(name=self._topic, partition_indexes=[0])]
        group = OffsetFetchRequestGroup(group_id=self._group, topics=topics)
        request = OffsetFetchRequest(groups=[group], require_stable=True)
        while True:
            answer = await insist(self._world, self._client, request, OffsetFetchResponse, 8)
            if answer.groups[0].error_code not in _TRY_AGAIN:
                break
            await self._world.soon(0.5)
        result = answer.groups[0].topics[0].partitions[0]
        assert result.error_code == 0, ErrorCode(result.error_code).name
        if result.committed_offset >= 0:
            outcome = self.outcomes[f"{self.name}-{result.committed_offset - 1}"]
            assert outcome in (Outcome.COMMITTED, Outcome.UNKNOWN), (
                f"an offset of a transaction that is {outcome.value}"
            )


def _code(answer: Any) -> int:
    return int(answer.error_code)


async def read_committed(world: World, client: Client, topic: str, partitions: int) -> list[tuple[int, bytes]]:
    """(partition, value) of all that a read_committed reader sees now."""
    values = []
    for index in range(partitions):
        records = await read_partition(world, client, topic, index, READ_COMMITTED)
        values += [(index, record.value) for record in records]
    return values
