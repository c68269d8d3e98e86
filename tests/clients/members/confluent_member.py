"""A group member by confluent-kafka: prints what it reads, commits what it has printed, leaves on SIGTERM.

In the consumer protocol (KIP-848) the broker sets session and heartbeats.
"""

from __future__ import annotations

import signal
import sys

from confluent_kafka import Consumer, KafkaException

IN_PROTOCOL = {
    "classic": {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300},
    "consumer": {"group.protocol": "consumer"},
}


def main(bootstrap: str, group: str, topic: str, protocol: str = "classic") -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 500,
            "enable.auto.offset.store": False,
            **IN_PROTOCOL[protocol],
            "reconnect.backoff.max.ms": 500,
            "fetch.error.backoff.ms": 100,
        }
    )
    consumer.subscribe([topic])
    leaving = []
    signal.signal(signal.SIGTERM, lambda *_: leaving.append(True))
    while not leaving:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            if message.error().fatal():
                raise KafkaException(message.error())
            continue
        key, value = message.key().decode(), message.value().decode()
        sys.stdout.write(f"{message.partition()} {message.offset()} {key} {value}\n")
        sys.stdout.flush()
        consumer.store_offsets(message)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
