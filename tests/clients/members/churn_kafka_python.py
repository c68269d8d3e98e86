"""A member under churn by kafka-python: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; see churn_lines.

Version 3.0.12 sometimes hangs for ever on a busy machine, waiting for its own network thread while nothing is under
way, against Apache Kafka too (https://github.com/dpkp/kafka-python/issues/3121 is of that kind). A member that finds
itself so begins anew.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from churn_lines import GIVE_UP_S, say, say_offsets, say_partitions
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

HANGS_AFTER_S = 10


class Hanging(BaseException):
    """No poll has come back for a while."""


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
        signal.signal(signal.SIGALRM, self._despair)

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def _despair(self, *_: object) -> None:
        raise Hanging

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        say_partitions("assigned", (each.partition for each in assigned))

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        time.sleep(GIVE_UP_S)
        self._commit()
        self._forget(revoked)
        say_partitions("revoked", (each.partition for each in revoked))

    def on_partitions_lost(self, lost: list[TopicPartition]) -> None:
        self._forget(lost)
        say_partitions("lost", (each.partition for each in lost))

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._read.pop(each.partition, None)

    def _commit(self) -> None:
        offsets = self._read
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
            self._read = {}

    def run(self) -> None:
        while not self._leaving:
            signal.alarm(HANGS_AFTER_S)
            for records in self._consumer.poll(timeout_ms=100).values():
                for record in records:
                    say("record", partition=record.partition, offset=record.offset)
                    self._read[record.partition] = record.offset + 1
            self._commit()
        say("leaving")
        self._consumer.close()


if __name__ == "__main__":
    try:
        Churned(*sys.argv[1:]).run()
    except Hanging:
        say("leaving")
        os.execv(sys.executable, [sys.executable, *sys.argv])
