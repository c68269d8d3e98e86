"""Answers that are put together from bytes are what the codec would have made of them."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.session_partitions import CachedPartition
from ottla.broker.runtime.fetch_shape import LOWEST_VERSION, FetchShape
from ottla.protocol.compiler import encode
from ottla.protocol.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from ottla.storage.file_records import FileRecords

from ..data_broker import DataBroker, batch

TOPIC_ID = bytes(range(16))
VERSIONS = range(LOWEST_VERSION, FetchRequest.versions.highest + 1)
WANTED = CachedPartition(("t", 3), "t", TOPIC_ID, FetchPartition(partition=3))


def told(records: object, **changes: object) -> PartitionData:
    fields = {"high_watermark": 1 << 40, "last_stable_offset": 17, "log_start_offset": 5, **changes}
    return PartitionData(partition_index=3, records=records, **fields)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 20_000])
def test_a_body_is_what_the_codec_makes(version, is_committed, size):
    data = told(bytes(size), aborted_transactions=[] if is_committed else None)
    topic = FetchableTopicResponse(topic="t", topic_id=TOPIC_ID, partitions=[data])
    shape = FetchShape(WANTED, version, is_committed=is_committed)
    assert shape.body(data) == encode(FetchResponse(responses=[topic]), version)


@pytest.mark.parametrize(
    "data",
    [
        told(b"", error_code=6),
        told(b"", diverging_epoch=EpochEndOffset(epoch=1, end_offset=2)),
        told(b"r", aborted_transactions=[AbortedTransaction(producer_id=1, first_offset=2)]),
        told(memoryview(b"r")),
    ],
)
def test_whatever_is_more_than_records_is_left_to_the_codec(data):
    assert FetchShape(WANTED, LOWEST_VERSION, is_committed=True).body(data) is None


# (partitions, fields of the request, whether the answer can be put together)
WAITING = [
    ([{}], {}, True),
    ([{}], {"isolation_level": 1}, True),
    ([{"partition": 1}], {"version": 13}, True),
    ([{"partition_max_bytes": 10}], {}, True),
    ([{}], {"version": 11}, False),
    ([{}, {"partition": 1}], {}, False),
    ([{}], {"session_epoch": 0}, False),
]


@pytest.mark.parametrize("happens", ["records", "large records", "deadline", "deleted"])
def test_a_woken_fetch_gets_the_same_answer_as_bytes_and_as_a_message(tmp_path, happens):
    broker = DataBroker(tmp_path)
    broker.create("t", 2)
    pairs = []
    for partitions, fields, is_plain in WAITING:
        asked = {"session_epoch": -1, "max_wait_ms": 5000, **fields}
        message, encoded = (broker.fetch(("t", partitions), **asked) for _ in range(2))
        taken: list[object] = []
        encoded.when_complete(taken.append, taken.append)
        pairs.append((message, taken, asked.get("version", 12), is_plain))
    if happens == "deadline":
        broker.advance(5000)
    elif happens == "deleted":
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
    else:
        value = b"v" * (100 if happens == "records" else 100_000)
        broker.produce_all("t", [(0, batch(value=value)), (1, batch(value=value))])
    for message, (answer,), version, is_plain in pairs:
        assert isinstance(answer, bytes) == (is_plain and happens in ("records", "deadline"))
        assert sent(answer, version) == sent(message.response, version)
    assert len(broker.fetches) == 0


def sent(answer, version):
    """What the client gets, whichever session it is told of."""
    if isinstance(answer, bytes):
        return answer
    answer.session_id = 0
    for topic in answer.responses:
        for data in topic.partitions:
            if isinstance(data.records, FileRecords):
                data.records = data.records.read()
    return encode(answer, version)
