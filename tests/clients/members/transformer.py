"""Consume, transform, produce, in transactions: BOOTSTRAP GROUP SOURCE SINK NAME PROTOCOL SEED.

What comes out for the record at an offset of a partition is `PARTITION-OFFSET`. Some transactions are aborted, before
or after their offsets were sent, as the seed decides. The line `stand PLACE` on standard input lets the next
transaction wait at that place, `before-offsets` or `after-offsets`, until another line comes. It writes, as JSON
lines (see churn_lines), `ended` with `how` for each transaction, `standing` with `where`, and `failed` with `error`
for a transaction that the broker did not let it commit, which is aborted too.
"""

from __future__ import annotations

import queue
import random
import sys
import threading

from churn_lines import say
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

TIMEOUT_S = 60
ENDS = {"commit": 5, "abort-before-offsets": 1, "abort-after-offsets": 1}
"""How often each is drawn."""
AT_ONCE = 10
IN_PROTOCOL = {
    "classic": {"session.timeout.ms": 2000, "heartbeat.interval.ms": 250},
    "consumer": {"group.protocol": "consumer"},
}
# As for any client that lives through the death of its broker; see test_transactions.
PATIENT = {"reconnect.backoff.max.ms": 500, "metadata.recovery.strategy": "none"}


class Transformer:
    def __init__(self, bootstrap: str, group: str, source: str, sink: str, name: str, protocol: str, seed: str) -> None:
        self._sink = sink
        self._chance = random.Random(seed)
        self._orders: queue.Queue[str] = queue.Queue()
        common = {"bootstrap.servers": bootstrap, "client.id": name, **PATIENT}
        self._consumer = Consumer(
            {
                **common,
                "group.id": group,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **IN_PROTOCOL[protocol],
            }
        )
        self._producer = Producer({**common, "transactional.id": f"{group}-{name}", "linger.ms": 0})
        self._producer.init_transactions(TIMEOUT_S)
        # With a callback of its own a rebalance waits for the next poll, so that none comes amid a transaction.
        self._consumer.subscribe([source], on_revoke=lambda *_: None)

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            messages = [each for each in self._consumer.consume(AT_ONCE, 0.1) if each.error() is None]
            if messages:
                self._transform(messages)

    def _listen(self) -> None:
        for line in sys.stdin:
            self._orders.put(line.strip())

    def _transform(self, messages: list[Message]) -> None:
        metadata = self._consumer.consumer_group_metadata()
        end = self._chance.choices(list(ENDS), ENDS.values())[0]
        place = "" if self._orders.empty() else self._orders.get().removeprefix("stand ")
        if place:
            end = "commit"
        self._producer.begin_transaction()
        try:
            self._produce(messages)
            self._stand("before-offsets", place)
            if end != "abort-before-offsets":
                self._producer.send_offsets_to_transaction(next_offsets(messages), metadata, TIMEOUT_S)
                self._stand("after-offsets", place)
            if end == "commit":
                self._producer.commit_transaction(TIMEOUT_S)
                say("ended", how=end)
                return
        except KafkaException as error:
            reason = error.args[0]
            if not (reason.txn_requires_abort() or reason.retriable()):
                raise
            end = "failed"
            say("failed", error=reason.name())
        self._producer.abort_transaction(TIMEOUT_S)
        self._go_back(messages)
        say("ended", how=end)

    def _produce(self, messages: list[Message]) -> None:
        for message in messages:
            what = f"{message.partition()}-{message.offset()}"
            self._producer.produce(self._sink, what, partition=message.partition())
        self._producer.flush(TIMEOUT_S)

    def _stand(self, here: str, place: str) -> None:
        if here == place:
            say("standing", where=here)
            self._orders.get()

    def _go_back(self, messages: list[Message]) -> None:
        """To be read again, unless somebody else will."""
        first: dict[int, Message] = {}
        for message in messages:
            first.setdefault(message.partition(), message)
        assigned = {each.partition for each in self._consumer.assignment()}
        for partition, message in first.items():
            if partition in assigned:
                self._consumer.seek(TopicPartition(message.topic(), partition, message.offset()))


def next_offsets(messages: list[Message]) -> list[TopicPartition]:
    last = {message.partition(): message for message in messages}
    return [TopicPartition(each.topic(), each.partition(), each.offset() + 1) for each in last.values()]


if __name__ == "__main__":
    Transformer(*sys.argv[1:]).run()
