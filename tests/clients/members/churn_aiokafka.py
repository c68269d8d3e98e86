"""A member under churn by aiokafka: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; see churn_lines.

aiokafka does not say whether partitions were given up or lost: both are `revoked`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from churn_lines import GIVE_UP_S, say, say_offsets, say_partitions


class Churned(ConsumerRebalanceListener):
    def __init__(self, bootstrap: str, group: str, topic: str, client_id: str, protocol: str) -> None:
        assert protocol == "classic", "aiokafka has no other"
        self._topic = topic
        self._read: dict[int, int] = {}
        """What was read and not committed: the next offset of each partition."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            client_id=client_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=2000,
            heartbeat_interval_ms=250,
        )
        self._consumer.subscribe([topic], listener=self)
        self._leaving = asyncio.Event()
        self._noting = asyncio.Lock()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        say_partitions("assigned", (each.partition for each in assigned))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        async with self._noting:
            if revoked:
                await asyncio.sleep(GIVE_UP_S)
            await self._commit()
            for each in revoked:
                self._read.pop(each.partition, None)
            say_partitions("revoked", (each.partition for each in revoked))

    async def _commit(self) -> None:
        offsets = self._read
        if not offsets:
            return
        try:
            await self._consumer.commit({TopicPartition(self._topic, index): at for index, at in offsets.items()})
        except KafkaError:
            say_offsets("refused", offsets)
        else:
            say_offsets("committed", offsets)
            self._read = {}

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._leaving.set)
        await self._consumer.start()
        while not self._leaving.is_set():
            batches = await self._consumer.getmany(timeout_ms=100)
            async with self._noting:
                for records in batches.values():
                    for record in records:
                        say("record", partition=record.partition, offset=record.offset)
                        self._read[record.partition] = record.offset + 1
                await self._commit()
        say("leaving")
        await self._consumer.stop()


async def main() -> None:
    await Churned(*sys.argv[1:]).run()


if __name__ == "__main__":
    asyncio.run(main())
