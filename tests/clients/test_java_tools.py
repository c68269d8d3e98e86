"""Kafka's own command-line tools, unchanged, in the order in which an operator would use them."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from ..harness.java_tools import CONFIGS, DELETE_RECORDS, GET_OFFSETS, GROUPS, TOPICS


def run(java_tools: Any, broker: Any, tool: str, *arguments: str) -> str:
    done = java_tools.run(tool, "--bootstrap-server", broker.bootstrap, *arguments)
    assert done.status == 0, done.out + done.err
    return done.out + done.err


def test_kafka_topics(broker: Any, java_tools: Any, unique: str) -> None:
    run(java_tools, broker, TOPICS, "--create", "--topic", unique, "--partitions", "2", "--config", "retention.ms=5000")
    described = run(java_tools, broker, TOPICS, "--describe", "--topic", unique)
    assert "PartitionCount: 2" in described
    assert "retention.ms=5000" in described
    assert described.count("Leader: 1") == 2
    run(java_tools, broker, TOPICS, "--alter", "--topic", unique, "--partitions", "5")
    assert "PartitionCount: 5" in run(java_tools, broker, TOPICS, "--describe", "--topic", unique)
    assert unique in run(java_tools, broker, TOPICS, "--list").split()
    run(java_tools, broker, TOPICS, "--delete", "--topic", unique)
    assert unique not in run(java_tools, broker, TOPICS, "--list").split()


def test_kafka_configs(broker: Any, java_tools: Any, unique: str) -> None:
    run(java_tools, broker, TOPICS, "--create", "--topic", unique)
    topic = ("--entity-type", "topics", "--entity-name", unique)
    run(java_tools, broker, CONFIGS, *topic, "--alter", "--add-config", "max.message.bytes=2000,cleanup.policy=compact")
    described = run(java_tools, broker, CONFIGS, *topic, "--describe")
    assert "max.message.bytes=2000" in described
    assert "cleanup.policy=compact" in described
    run(java_tools, broker, CONFIGS, *topic, "--alter", "--delete-config", "cleanup.policy")
    assert "cleanup.policy" not in run(java_tools, broker, CONFIGS, *topic, "--describe")
    everything = run(java_tools, broker, CONFIGS, *topic, "--describe", "--all")
    assert "cleanup.policy=delete" in everything
    brokers = run(java_tools, broker, CONFIGS, "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all")
    assert "num.partitions=1" in brokers


def test_kafka_consumer_groups(broker: Any, java_tools: Any, unique: str) -> None:
    run(java_tools, broker, TOPICS, "--create", "--topic", unique, "--partitions", "1")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(10):
        producer.produce(unique, str(number).encode())
    assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": unique})
    consumer.commit(offsets=[TopicPartition(unique, 0, 4)], asynchronous=False)
    consumer.close()

    assert unique in run(java_tools, broker, GROUPS, "--list").split()
    line = next(x for x in run(java_tools, broker, GROUPS, "--describe", "--group", unique).splitlines() if "4" in x)
    assert line.split()[:6] == [unique, unique, "0", "4", "10", "6"]
    reset = ("--reset-offsets", "--group", unique, "--topic", unique, "--to-earliest", "--execute")
    assert unique in run(java_tools, broker, GROUPS, *reset)
    line = next(x for x in run(java_tools, broker, GROUPS, "--describe", "--group", unique).splitlines() if "10" in x)
    assert line.split()[3:6] == ["0", "10", "10"]
    assert "Empty" in run(java_tools, broker, GROUPS, "--describe", "--group", unique, "--state")
    run(java_tools, broker, GROUPS, "--delete-offsets", "--group", unique, "--topic", unique)
    run(java_tools, broker, GROUPS, "--delete", "--group", unique)
    assert unique not in run(java_tools, broker, GROUPS, "--list").split()


def test_kafka_get_offsets_and_delete_records(broker: Any, java_tools: Any, unique: str, tmp_path: Any) -> None:
    run(java_tools, broker, TOPICS, "--create", "--topic", unique, "--partitions", "1")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(10):
        producer.produce(unique, str(number).encode())
    assert producer.flush(20) == 0
    assert f"{unique}:0:10" in run(java_tools, broker, GET_OFFSETS, "--topic", unique)
    plan = tmp_path / "plan.json"
    plan.write_text(f'{{"version": 1, "partitions": [{{"topic": "{unique}", "partition": 0, "offset": 3}}]}}')
    assert "low_watermark: 3" in run(java_tools, broker, DELETE_RECORDS, "--offset-json-file", str(plan))
    assert f"{unique}:0:3" in run(java_tools, broker, GET_OFFSETS, "--topic", unique, "--time", "earliest")
