"""The same log, compacted by Ottla and by Apache Kafka: what is left is the same, batch by batch.

Batches may differ in what cannot be the same: how well a codec compresses, and when a tombstone's time is over.
"""

from __future__ import annotations

import re
import time

import pytest
from ottla.protocol.compression import Compression

pytestmark = pytest.mark.timeout(600)  # several starts of brokers on a busy machine

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"


@pytest.mark.parametrize(
    ("seed", "codecs", "timestamps"),
    [
        (1, [Compression.NONE], "CreateTime"),
        (2, list(Compression), "CreateTime"),
        (3, [Compression.GZIP], "LogAppendTime"),
    ],
    ids=["plain", "all codecs", "append time"],
)
def test_what_is_left_is_the_same(compacted_pair, java_tools, seed, codecs, timestamps):
    config = {"delete.retention.ms": "1000", "message.timestamp.type": timestamps}
    ottla, kafka = compacted_pair(seed, codecs, config, message_timestamp_type=timestamps)
    for number in range(4):
        for place in (kafka, ottla):
            place.write(300 if number == 0 else 60, end_transactions=number != 1)
        assert ottla.batches() == kafka.batches()
        before = len(ottla.batches())
        compact_both(ottla, kafka)
        assert len(ottla.batches()) < before or number > 0
        assert ottla.horizons()
        if codecs == [Compression.NONE]:
            for suffix in (".index", ".timeindex"):
                assert [p.read_bytes() for p in ottla.files(suffix)] == [p.read_bytes() for p in kafka.files(suffix)]
        dump(java_tools, ottla)
        wait_until_past(max(ottla.horizons() + kafka.horizons()))


def test_more_keys_than_the_map_holds(compacted_pair):
    ottla, kafka = compacted_pair(4, [Compression.NONE], {"internal.segment.bytes": "300000"}, segment_bytes=300_000)
    for numbers in (range(60_000), range(30_000, 50_000)):
        for place in (ottla, kafka):
            place.write_keys(numbers)
        compact_both(ottla, kafka)
    assert "cleaned offsets 0 to 39321 " in ottla.first_compaction_log
    assert "cleaned offsets 39321 to 60000 " in ottla.first_compaction_log
    offset_of = {record.key: record.offset for _, _, records in ottla.batches() for record in records}
    assert offset_of[b"29999"] == 29_999
    assert offset_of[b"30000"] > 60_000


def compact_both(ottla, kafka) -> None:
    assert ottla.clean_to == kafka.clean_to
    for place in (kafka, ottla):
        place.compact(place.clean_to)
    assert ottla.batches() == kafka.batches()
    assert ottla.aborted() == kafka.aborted()


def wait_until_past(time_ms: int) -> None:
    while time.time() * 1000 <= time_ms:
        time.sleep(0.1)


def dump(java_tools, place) -> None:
    """Kafka's own tool finds nothing to complain about in what Ottla has written."""
    for suffix, options in (
        (".log", ["--deep-iteration", "--print-data-log"]),
        (".index", ["--index-sanity-check"]),
        (".timeindex", ["--index-sanity-check"]),
        (".txnindex", []),
    ):
        files = place.files(suffix)
        if files:
            done = java_tools.run(DUMP_LOG, "--files", ",".join(map(str, files)), *options)
            assert done.status == 0, done.err
            assert "isvalid: false" not in done.out
            for complaint in ("mismatch", "Corrupt", "Exception", "out of order", "Found timestamp"):
                assert complaint not in done.out + done.err, done.out + done.err
            if "--index-sanity-check" in options:
                assert len(re.findall("passed sanity check|is empty", done.out)) == len(files)
