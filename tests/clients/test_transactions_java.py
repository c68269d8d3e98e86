"""Kafka's own tools on transactions: what an operator does about one that hangs, and what is in the log of them."""

from __future__ import annotations

import re
from typing import Any

from confluent_kafka import Producer
from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

from ..harness.java_tools import CONSOLE_CONSUMER
from ..harness.raw_client import RawClient
from .group_members import wait_until
from .test_transactions import create_topic, producer, read_all

TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand"
DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"


def transactions(java_tools: Any, broker: Any, *arguments: str) -> str:
    done = java_tools.run(TRANSACTIONS, "--bootstrap-server", broker.bootstrap, *arguments)
    assert done.status == 0, done.out + done.err
    return done.out


def test_kafka_transactions(broker, java_tools, unique):
    topic = create_topic(broker, unique, 1)
    writer = producer(broker, unique)
    writer.begin_transaction()
    writer.produce(topic, "open", partition=0)
    writer.flush(30)
    listed = transactions(java_tools, broker, "list", "--transactional-id-pattern", f"{unique}.*")
    assert re.search(rf"{unique}\s+\d+\s+\d+\s+Ongoing", listed), listed
    described = transactions(java_tools, broker, "describe", "--transactional-id", unique)
    assert f"{topic}-0" in described
    producers = transactions(java_tools, broker, "describe-producers", "--topic", topic, "--partition", "0")
    assert len(producers.splitlines()) == 2, producers
    writer.commit_transaction(30)
    assert "CompleteCommit" in transactions(java_tools, broker, "describe", "--transactional-id", unique)


def test_a_hanging_transaction_is_found_and_aborted(own_broker, java_tools, unique):
    """It hangs because its producer was let in without being asked for, as before Kafka 3.6."""
    broker = own_broker({"transaction.partition.verification.enable": "false"})
    topic = create_topic(broker, unique, 1)
    producer(broker, f"{unique}-other")  # so that there is a coordinator
    with RawClient(broker) as client:
        batch = build_batch(
            [Record(0, 1_700_000_000_000, None, b"forgotten")],
            base_offset=0,
            producer_id=4_000_000,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=bytes(batch))])
        request = ProduceRequest(transactional_id=unique, acks=-1, timeout_ms=10_000, topic_data=[data])
        answer = client.ask(request, ProduceResponse, 9)
        assert answer.responses[0].partition_responses[0].error_code == 0
    plain = Producer({"bootstrap.servers": broker.bootstrap})
    plain.produce(topic, "behind", partition=0)
    plain.flush(30)
    assert read_all(broker, topic) == []
    found = transactions(
        java_tools, broker, "find-hanging", "--topic", topic, "--partition", "0", "--max-transaction-timeout", "0"
    )
    assert re.search(rf"{topic}\s+0\s+4000000\s+0\s+-1\s+0", found), found
    transactions(java_tools, broker, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0")
    wait_until(lambda: read_all(broker, topic) == ["behind"], "the hanging transaction is aborted")


def test_kafka_reads_the_log_of_transactions(own_broker, java_tools, unique):
    broker = own_broker({"transaction.state.log.num.partitions": "1"})
    topic = create_topic(broker, unique, 1)
    writer = producer(broker, unique)
    for number in range(2):
        writer.begin_transaction()
        writer.produce(topic, f"record {number}", partition=0)
        if number:
            writer.flush(30)
            writer.abort_transaction(30)
        else:
            writer.commit_transaction(30)
    assert read_all(broker, topic) == ["record 0"]
    broker.stop()
    segment = "00000000000000000000.log"
    log = java_tools.succeed(
        DUMP_LOG, "--transaction-log-decoder", "--files", str(broker.data_dir / "__transaction_state-0" / segment)
    )
    # librdkafka knows transaction version 1, so the producer keeps its epoch.
    states = re.findall(r'"transactionStatus":(\d)', log)
    assert states == ["0", "1", "2", "4", "1", "3", "5"], log
    assert unique in log
    dumped = java_tools.succeed(DUMP_LOG, "--print-data-log", "--files", str(broker.data_dir / f"{topic}-0" / segment))
    assert re.findall(r"endTxnMarker: (\w+) coordinatorEpoch: (\d+)", dumped) == [("COMMIT", "0"), ("ABORT", "0")]
    aborted = java_tools.succeed(
        DUMP_LOG, "--files", str(broker.data_dir / f"{topic}-0" / "00000000000000000000.txnindex")
    )
    assert re.search(r"lastOffset: 3", aborted), aborted


def test_the_java_console_reads_what_is_committed(broker, java_tools, unique):
    topic = create_topic(broker, unique, 1)
    writer = producer(broker, unique)
    for word, is_commit in (("one", True), ("two", False), ("three", True)):
        writer.begin_transaction()
        writer.produce(topic, word, partition=0)
        if is_commit:
            writer.commit_transaction(30)
        else:
            writer.flush(30)
            writer.abort_transaction(30)
    wait_until(lambda: read_all(broker, topic) == ["one", "three"], "the markers are written")
    said = java_tools.succeed(
        CONSOLE_CONSUMER,
        "--bootstrap-server",
        broker.bootstrap,
        "--topic",
        topic,
        "--from-beginning",
        "--max-messages",
        "2",
        "--isolation-level",
        "read_committed",
        "--timeout-ms",
        "30000",
    )
    assert said.split() == ["one", "three"]
