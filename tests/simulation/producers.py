"""Idempotent producers that send again what was not answered, and what must be found of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

from .network import Client
from .topics import insist, read_partition

if TYPE_CHECKING:
    from .world import World

RETRIABLE = (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


class IdempotentProducer:
    """Sends numbered values to one partition, one batch at a time."""

    def __init__(self, world: World, name: str, topic: str, partition: int) -> None:
        self.name = name
        self.topic = topic
        self.partition = partition
        self.acknowledged: list[tuple[int, bytes]] = []
        """(offset, value) of each record."""
        self._world = world
        self._client = Client(world, name)
        self._next_number = 0
        self._sequence = 0
        self._producer_id = -1

    async def run(self, batches: int) -> None:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        answer = await insist(self._world, self._client, request, InitProducerIdResponse, 4)
        assert answer.error_code == 0
        self._producer_id = answer.producer_id
        for _ in range(batches):
            await self._world.soon(2.0)
            await self._send([self._value() for _ in range(self._world.chance.randint(1, 4))])

    def _value(self) -> bytes:
        self._next_number += 1
        return f"{self.name}:{self._next_number}:{self._padding()}".encode()

    def _padding(self) -> str:
        """Enough, at times, for a batch that no disk writes at once."""
        return "x" * self._world.chance.choice((0, 400, 900))

    async def _send(self, values: list[bytes]) -> None:
        """Send a batch until it is answered: the broker must recognise it when it comes again."""
        now_ms = self._world.clock.now_ms()
        batch = build_batch(
            [Record(number, now_ms, None, value) for number, value in enumerate(values)],
            base_offset=0,
            producer_id=self._producer_id,
            producer_epoch=0,
            base_sequence=self._sequence,
        )
        data = PartitionProduceData(index=self.partition, records=bytes(batch))
        request = ProduceRequest(
            acks=-1, timeout_ms=30_000, topic_data=[TopicProduceData(name=self.topic, partition_data=[data])]
        )
        self._world.good_moment()
        while True:
            answer = await insist(self._world, self._client, request, ProduceResponse, 9)
            result = answer.responses[0].partition_responses[0]
            if result.error_code not in RETRIABLE:
                break
            await self._world.soon(0.5)
        assert result.error_code == 0, f"{self.name}: {ErrorCode(result.error_code).name}"
        self._world.good_moment()
        self._sequence += len(values)
        self.acknowledged += [(result.base_offset + i, value) for i, value in enumerate(values)]

    async def check(self) -> None:
        """Everything acknowledged is there, once, in order, at the offset that was told."""
        records = await read_partition(self._world, Client(self._world, "reader"), self.topic, self.partition)
        mine = [(r.offset, r.value) for r in records if r.value.startswith(f"{self.name}:".encode())]
        assert mine[: len(self.acknowledged)] == self.acknowledged, self.name
        numbers = [int(value.split(b":")[1]) for _, value in mine]
        assert numbers == list(range(1, len(numbers) + 1)), self.name
