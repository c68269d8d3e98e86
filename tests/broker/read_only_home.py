"""Records for the brokers of test_read_only."""

from __future__ import annotations

from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ottla.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from ottla.protocol.records import Record, build_batch

from ..harness.raw_client import RawClient


def produce_some(broker, count: int, topic: str = "orders") -> None:
    """Create the topic when it is not there, and append a batch for each record."""
    with RawClient(broker) as client:
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=True)
        assert client.ask(asked, MetadataResponse, 8).topics[0].error_code == 0
        for number in range(count):
            batch = bytes(build_batch([Record(0, 1_700_000_000_000, None, b"%d" % number)], base_offset=0))
            data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])]
            response = client.ask(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=data), ProduceResponse, 8)
            assert response.responses[0].partition_responses[0].error_code == 0
