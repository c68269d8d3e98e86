"""kafka-python 2.0.2 told to speak to an older Kafka: what Kafka 4 no longer serves ends in the client's own error."""

from __future__ import annotations

from facts import BOOTSTRAP, PREFIX, feature
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

SERVED = "served"


def outcome(call):
    """SERVED, or the kind of error that the client gives."""
    try:
        call()
    except (KafkaError, AssertionError) as error:
        return type(error).__name__
    return SERVED


def produce(topic, version):
    settings = {"api_version": version, "request_timeout_ms": 5_000, "max_block_ms": 5_000, "retries": 0}
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, **settings)
    try:
        producer.send(topic, b"value").get(6)
    finally:
        producer.close(1)


def read(topic, version):
    settings = {"api_version": version, "auto_offset_reset": "earliest", "consumer_timeout_ms": 4_000}
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, **settings)
    consumer.assign([TopicPartition(topic, 0)])
    try:
        assert next(iter(consumer), None) is not None, "nothing came"
    finally:
        consumer.close()


def seen(topic, version):
    return {
        "produce": outcome(lambda: produce(topic, version)),
        "read": outcome(lambda: read(topic, version)),
    }


def main():
    topic = f"{PREFIX}-pinned"
    feature("pinned_newest", lambda: seen(topic, (2, 5, 0)))
    for name, version in (("1_0", (1, 0, 0)), ("0_11", (0, 11, 0)), ("0_10", (0, 10, 1))):
        feature(f"pinned_{name}", lambda version=version: seen(topic, version))


main()
