"""A member under churn by kafka-python: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; see churn_lines."""

from __future__ import annotations

import signal
import sys

from churn_lines import say, say_offsets, say_partitions
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError


class Churned(ConsumerRebalanceListener):
    def __init__(self, bootstrap: str, group: str, topic: str, client_id: str, protocol: str) -> None:
        assert protocol == "classic", "kafka-python has no other"
        self._topic = topic
        self._read: dict[int, int] = {}
        """What was read and not committed: the next offset of each partition."""
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            client_id=client_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=2000,
            heartbeat_interval_ms=250,
        )
        self._consumer.subscribe([topic], listener=self)
        self._leaving = False
        signal.signal(signal.SIGTERM, self._leave)

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        say_partitions("assigned", (each.partition for each in assigned))

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        self._commit()
        say_partitions("revoked", (each.partition for each in revoked))

    def on_partitions_lost(self, lost: list[TopicPartition]) -> None:
        self._read.clear()
        say_partitions("lost", (each.partition for each in lost))

    def _commit(self) -> None:
        offsets, self._read = self._read, {}
        if not offsets:
            return
        wanted = {
            TopicPartition(self._topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
        }
        try:
            self._consumer.commit(wanted)
        except KafkaError:
            say_offsets("refused", offsets)
        else:
            say_offsets("committed", offsets)

    def run(self) -> None:
        while not self._leaving:
            for records in self._consumer.poll(timeout_ms=100).values():
                for record in records:
                    say("record", partition=record.partition, offset=record.offset)
                    self._read[record.partition] = record.offset + 1
            self._commit()
        say("leaving")
        self._consumer.close()


if __name__ == "__main__":
    Churned(*sys.argv[1:]).run()
