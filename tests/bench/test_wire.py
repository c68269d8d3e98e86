"""Where raw clients look for error codes, what they count, and what they refuse to take for work."""

from __future__ import annotations

import socket
import struct

import pytest
from ottla.protocol.compiler import encode
from ottla.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from ottla.protocol.messages.end_txn import EndTxnResponse
from ottla.protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from ottla.protocol.messages.heartbeat import HeartbeatResponse
from ottla.protocol.messages.offset_commit import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ottla.protocol.messages.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse
from ottla.protocol.record_batch import check_crc, read_header

from compat.bench.comparison import wire
from compat.bench.comparison.workload import NotDone
from compat.bench.comparison.workloads import groups, transactions
from compat.bench.comparison.workloads.produce import numbered

TOPIC = "some-topic"
CODE = 77


def answer_of(response, version):
    """A flexible answer as it comes over the wire."""
    body = struct.pack(">ix", 1) + encode(response, version)
    return struct.pack(">i", len(body)) + body


def produced(code):
    partition = PartitionProduceResponse(index=0, error_code=code, base_offset=12345)
    return ProduceResponse(responses=[TopicProduceResponse(name=TOPIC, partition_responses=[partition])])


def committed(code):
    partition = OffsetCommitResponsePartition(partition_index=0, error_code=code)
    return OffsetCommitResponse(topics=[OffsetCommitResponseTopic(name=TOPIC, partitions=[partition])])


def added(code):
    partition = AddPartitionsToTxnPartitionResult(partition_index=3, partition_error_code=code)
    topic = AddPartitionsToTxnTopicResult(name=TOPIC, results_by_partition=[partition])
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=[topic])


@pytest.mark.parametrize(
    ("made", "version", "error_at"),
    [
        (produced, wire.PRODUCE_VERSION, wire.produce_error_at(TOPIC)),
        (lambda code: HeartbeatResponse(error_code=code), groups._HEARTBEAT_VERSION, groups._HEARTBEAT_ERROR_AT),
        (committed, groups._COMMIT_VERSION, groups._commit_error_at(TOPIC)),
        (lambda code: EndTxnResponse(error_code=code), transactions._END_VERSION, transactions._END_ERROR_AT),
        (added, transactions._ADD_VERSION, -transactions._ADD_ERROR_FROM_END),
    ],
)
def test_an_error_is_where_it_is_looked_for(made, version, error_at):
    wire.check_code(answer_of(made(0), version), error_at)
    answer = answer_of(made(CODE), version)
    with pytest.raises(NotDone, match=str(CODE)):
        wire.check_code(answer, error_at if error_at >= 0 else len(answer) + error_at)


def fetched(records):
    partition = PartitionData(high_watermark=1, last_stable_offset=1, log_start_offset=0, records=records)
    return answer_of(
        FetchResponse(responses=[FetchableTopicResponse(topic=TOPIC, partitions=[partition])]), wire.FETCH_VERSION
    )


def test_a_fetch_without_records_is_told_from_one_with_a_record():
    assert len(fetched(b"")) <= wire.fetched_bytes_min(TOPIC) < len(fetched(wire.batch_of(100)))


def test_batches_are_numbered_and_whole():
    batch = wire.batch_of(100, producer_id=5, producer_epoch=0, base_sequence=0)
    following = numbered(wire.produce_frame(TOPIC, 0, batch), batch)
    for sequence in range(3):
        frame = following()
        at = len(frame) - len(batch) - 3  # three counts of tagged fields follow
        header = read_header(frame, at)
        check_crc(frame, at, header)
        assert (header.producer_id, header.base_sequence) == (5, sequence)


@pytest.mark.parametrize(("part", "expected"), [(0.0, 1), (0.5, 2), (0.75, 3), (0.76, 4), (0.99, 4), (1.0, 4)])
def test_a_percentile_is_a_value_that_was_there(part, expected):
    assert wire.percentile([4, 1, 3, 2], part) == expected


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_answers_are_cut_wherever_they_break(ends):
    ours, theirs = ends
    answers = wire.Answers(ours)
    whole = [answer_of(produced(0), wire.PRODUCE_VERSION), answer_of(HeartbeatResponse(), 4)]
    data = b"".join(whole)
    found = []
    for at in range(0, len(data), 7):
        theirs.sendall(data[at : at + 7])
        found += answers.receive()
    assert found == whole


def test_a_closed_connection_is_no_answer(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises(NotDone, match="closed"):
        wire.Answers(ours).receive()
