"""Kafka's DumpLogSegments reads the files of a log that we wrote, in one JVM, and says what we say."""

from __future__ import annotations

import re

import pytest
from ottla.protocol.compression import Compression
from ottla.protocol.records import Record, RecordHeader
from ottla.storage.append import AppendOrigin

from ..harness.markers import end_txn_batch
from .log_home import NOW_MS, LogHome, append, append_raw, records_of

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"
CODECS = [Compression.NONE, Compression.GZIP, Compression.ZSTD]
HEADERS = (RecordHeader("trace", b"abc"), RecordHeader("empty", None))
COMPLAINT = re.compile(r"error|mismatch|corrupt|non-consecutive|out of order|exception|invalid bytes", re.IGNORECASE)
# The tool takes -1 for the offset before a file's first record, so it says this of every segment but the first.
SEGMENT_START = re.compile(r"Non-consecutive offsets in \S+/0*([1-9]\d*)\.log\n  -1 is followed by \1\n")
RECORD = re.compile(
    r"^\| offset: (?P<offset>\d+) .*CreateTime: (?P<time>\d+) .*headerKeys: \[(?P<headers>.*?)\]"
    r"(?: key: (?P<key>\S*) payload: (?P<value>\S*))?",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[LogHome, list[Record]]:
    """Several segments; plain, gzip and zstd batches; an aborted, a committed and an open transaction."""
    place = LogHome(tmp_path_factory.mktemp("dumped") / "t-0", segment_bytes=2500, index_interval_bytes=200)
    log = place.open()
    for number in range(60):
        values = [b"value-%d-%d" % (number, i) for i in range(3)]
        append(
            log,
            *values,
            timestamps=[NOW_MS + 10 * number + i for i in (0, 2, 1)],
            compression=CODECS[number % 3],
            headers=HEADERS,
            key=b"key-%d" % number,
            leader_epoch=number // 25,
            producer_id=7,
            producer_epoch=1,
            base_sequence=3 * number,
        )
    for producer_id, commit in ((100, False), (101, True)):
        options = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": 0}
        append(log, b"in-transaction", is_transactional=True, leader_epoch=2, **options)
        marker = end_txn_batch(
            commit=commit,
            base_offset=0,
            producer_id=producer_id,
            producer_epoch=0,
            coordinator_epoch=0,
            timestamp_ms=NOW_MS,
        )
        append_raw(log, marker, origin=AppendOrigin.COORDINATOR, leader_epoch=2)
    append(log, b"open", producer_id=102, producer_epoch=0, base_sequence=0, is_transactional=True, leader_epoch=2)
    records = records_of(log)
    log.close()
    return place, records


@pytest.fixture
def place(written) -> LogHome:
    return written[0]


def dump(java_tools, place, suffix, *options) -> str:
    files = ",".join(str(place.directory / name) for name in place.names(suffix))
    done = java_tools.run(DUMP_LOG, "--files", files, *options)
    assert done.status == 0, done.err
    print(done.out + done.err)  # noqa: T201 (pytest shows it beside a failure)
    return SEGMENT_START.sub("", done.out + done.err)


def complaints(out: str) -> list[str]:
    return [line for line in out.splitlines() if COMPLAINT.search(line)]


def test_the_log_has_what_the_other_tests_are_about(place):
    assert len(place.names(".log")) > 2
    for suffix in (".log", ".index", ".timeindex"):
        assert all((place.directory / name).stat().st_size for name in place.names(suffix))
    assert len(place.names(".snapshot")) > 2
    assert place.names(".txnindex")


def test_every_record_is_read_as_we_read_it(java_tools, written):
    place, records = written
    out = dump(java_tools, place, ".log", "--print-data-log", "--deep-iteration")
    assert complaints(out) == []
    assert out.count("isvalid: true") >= 60
    assert "isvalid: false" not in out
    ours = {
        record.offset: (record.timestamp, record.key, record.value)
        for record in records
        if not record.key.startswith(b"\0")
    }
    theirs = {
        int(match["offset"]): (int(match["time"]), match["key"].encode(), match["value"].encode())
        for match in RECORD.finditer(out)
        if match["key"]
    }
    assert theirs == ours
    assert {match["headers"] for match in RECORD.finditer(out) if (match["key"] or "").startswith("key-")} == {
        "trace,empty"
    }
    for kind in ("ABORT", "COMMIT"):
        assert f"endTxnMarker: {kind}" in out
    for codec in ("none", "gzip", "zstd"):
        assert f"compresscodec: {codec}" in out


@pytest.mark.parametrize("options", [[], ["--index-sanity-check"]], ids=["entries", "sanity"])
@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
def test_indexes_fit_their_logs(java_tools, place, suffix, options):
    out = dump(java_tools, place, suffix, *options)
    assert complaints(out) == []
    if options:
        assert out.count("passed sanity check") == len(place.names(suffix))
    else:
        assert out.count("offset:") > 4 * len(place.names(suffix))


def test_producer_snapshots(java_tools, place):
    out = dump(java_tools, place, ".snapshot")
    assert complaints(out) == []
    last = out[out.rindex("Dumping") :]
    assert re.findall(r"producerId: (\d+) producerEpoch: (\d+)", last) == [
        ("7", "1"),
        ("100", "0"),
        ("101", "0"),
        ("102", "0"),
    ]
    assert "lastSequence: 179" in last


def test_aborted_transactions(java_tools, place):
    out = dump(java_tools, place, ".txnindex")
    assert complaints(out) == []
    assert re.findall(r"producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+)", out) == [("100", "180", "181")]
