"""Produce requests by hand, for the tests of faults, and what came of them."""

from __future__ import annotations

from ottla.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ottla.protocol.records import Record, build_batch

OTHERS = {"bills": 1, "orders": 2}


def produce_request(*places, acks=-1, value=b"x") -> ProduceRequest:
    topics: dict[str, list[PartitionProduceData]] = {}
    for topic, index in places:
        records = build_batch([Record(0, 1, None, value, ())], base_offset=0)
        topics.setdefault(topic, []).append(PartitionProduceData(index=index, records=records))
    data = [TopicProduceData(name=name, partition_data=each) for name, each in topics.items()]
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=data)


def codes(response: ProduceResponse) -> dict:
    return {
        (topic.name, each.index): each.error_code for topic in response.responses for each in topic.partition_responses
    }


def counts(broker) -> dict:
    return {
        (name, partition.index): partition.end_offset
        for name, topic in broker.topics().items()
        for partition in topic.partitions
        if partition.end_offset
    }
