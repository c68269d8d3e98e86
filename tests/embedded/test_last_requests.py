"""The newest requests, as a failed test's report has them."""

from __future__ import annotations

from ottla.broker.embedded.last_requests import LastRequests
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse

from ..harness.raw_client import RawClient


class Client:
    def __init__(self, client_id):
        self.client_id = client_id


def frame(key: int, version: int) -> memoryview:
    return memoryview(key.to_bytes(2, "big") + version.to_bytes(2, "big") + b"rest of it")


def test_repetitions_are_one_line():
    requests = LastRequests()
    first, second = Client("a"), Client(None)
    for client in (first, first, second, first):
        requests.note(frame(1, 17), client)
    requests.note(frame(999, 3), first)
    requests.note(memoryview(b"\x00"), first)
    assert requests.lines() == ["Fetch 17 of a, 2 times", "Fetch 17 of None", "Fetch 17 of a", "API 999 3 of a"]
    requests.clear()
    assert requests.lines() == []


def test_only_the_newest():
    requests = LastRequests()
    for version in range(2000):
        requests.note(frame(0, version), Client("a"))
    assert requests.lines() == [f"Produce {version} of a" for version in range(1990, 2000)]


def test_a_broker_tells_them_until_it_is_reset(kafka_broker):
    assert "last requests: none" in kafka_broker.describe()
    kafka_broker.produce("orders", "this is none of a client")
    with RawClient(kafka_broker) as client:
        client.ask(MetadataRequest(topics=[]), MetadataResponse, 12)
        assert "last requests:\n  Metadata 12 of " in kafka_broker.describe()
    kafka_broker.reset()
    assert "last requests: none" in kafka_broker.describe()
