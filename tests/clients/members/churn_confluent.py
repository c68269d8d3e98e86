"""A member under churn by confluent-kafka: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; see churn_lines."""

from __future__ import annotations

import signal
import sys
import time

from churn_lines import GIVE_UP_S, say, say_offsets, say_partitions
from confluent_kafka import Consumer, KafkaException, TopicPartition

IN_PROTOCOL = {
    "classic": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 250},
    "consumer": {"group.protocol": "consumer"},
}


class Churned:
    def __init__(self, bootstrap: str, group: str, topic: str, client_id: str, protocol: str) -> None:
        self._topic = topic
        self._read: dict[int, int] = {}
        """What was read and not committed: the next offset of each partition."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "client.id": client_id,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **IN_PROTOCOL[protocol],
            }
        )
        self._consumer.subscribe([topic], on_assign=self._take, on_revoke=self._give_up, on_lost=self._lose)
        self._leaving = False
        signal.signal(signal.SIGTERM, self._leave)

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def _take(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        say_partitions("assigned", (each.partition for each in partitions))

    def _give_up(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        time.sleep(GIVE_UP_S)
        self._commit()
        self._forget(partitions)
        say_partitions("revoked", (each.partition for each in partitions))

    def _lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        say_partitions("lost", (each.partition for each in partitions))

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._read.pop(each.partition, None)

    def _commit(self) -> None:
        offsets = self._read
        if not offsets:
            return
        wanted = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        try:
            answer = self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException:
            answer = None
        if answer is None or any(each.error for each in answer):
            say_offsets("refused", offsets)
        else:
            say_offsets("committed", offsets)
            self._read = {}

    def run(self) -> None:
        while not self._leaving:
            message = self._consumer.poll(0.1)
            if message is None:
                self._commit()
            elif message.error() is None:
                self._note(message.partition(), message.offset())
            elif message.error().fatal():
                raise KafkaException(message.error())
        self._commit()
        say("leaving")
        self._consumer.close()

    def _note(self, partition: int, offset: int) -> None:
        say("record", partition=partition, offset=offset)
        self._read[partition] = offset + 1
        if offset % 20 == 0:
            self._commit()


if __name__ == "__main__":
    Churned(*sys.argv[1:]).run()
