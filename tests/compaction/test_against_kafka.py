"""The same log, compacted by Ottla and by Apache Kafka: what is left is the same, batch by batch.

Batches may differ in what cannot be the same: how well a codec compresses, and when a tombstone's time is over.
"""

from __future__ import annotations

import re
import time

import pytest
from ottla.protocol.compression import Compression

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"


@pytest.mark.parametrize(
    ("seed", "codecs"),
    [(1, [Compression.NONE]), (2, list(Compression))],
    ids=["plain", "all codecs"],
)
def test_what_is_left_is_the_same(compacted_pair, java_tools, seed, codecs):
    ottla, kafka = compacted_pair(seed, codecs, steps=300, delete_retention_ms="1000")
    assert ottla.batches() == kafka.batches()
    before = len(ottla.batches())
    for number in range(3):
        for place in (kafka, ottla):
            place.compact(place.clean_to)
        assert ottla.batches() == kafka.batches()
        assert ottla.aborted() == kafka.aborted()
        if codecs == [Compression.NONE]:
            for suffix in (".index", ".timeindex"):
                assert [p.read_bytes() for p in ottla.files(suffix)] == [p.read_bytes() for p in kafka.files(suffix)]
        if number == 0:
            assert len(ottla.batches()) < before
            assert ottla.horizons()
        dump(java_tools, ottla)
        wait_until_past(max(ottla.horizons() + kafka.horizons()))
        ottla.write(60)
        kafka.write(60)
    assert ottla.batches() == kafka.batches()


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
