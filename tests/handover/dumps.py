"""Kafka's DumpLogSegments over every file of a data directory.

Each kind of file is read with the decoder that belongs to it, many files in one run. What the tool complains about is
handed back; what it says of sound files is not a complaint.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..harness.java_tools import JavaTools

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"

COMPLAINT = re.compile(
    r"error|mismatch|corrupt|non-consecutive|out of order|exception|invalid bytes|isvalid: false|could not"
    r"|found timestamp|not found|warn",
    re.IGNORECASE,
)
# Folders of deleted topics are left as they were, with Kafka's indexes as long as they were made.
DELETED = "-delete"
PREALLOCATED = "preallocated-"
# The tool takes -1 for the offset before a file's first record, so it says this of every segment but the first.
SEGMENT_START = re.compile(r"Non-consecutive offsets in \S+/0*([1-9]\d*)\.log\n  -1 is followed by \1\n")
# In a compacted log some are missing.
COMPACTED = re.compile(
    r"Non-consecutive offsets in \S+/(?:compacted|__\w+)-\d+/\d+\.log\n(?:  -?\d+ is followed by \d+\n)+"
)


class Kind(NamedTuple):
    """Files of one kind, and how the tool is to read them."""

    folders: str
    suffix: str
    options: tuple[str, ...]


DEEP = ("--deep-iteration", "--print-data-log")
KINDS = (
    Kind(r"(?!__).*", ".log", DEEP),
    Kind(r"__consumer_offsets-.*", ".log", ("--deep-iteration", "--offsets-decoder")),
    Kind(r"__transaction_state-.*", ".log", ("--deep-iteration", "--transaction-log-decoder")),
    Kind(r"__share_group_state-.*", ".log", ("--deep-iteration", "--share-group-state-decoder")),
    Kind(r"__cluster_metadata-0", ".log", ("--deep-iteration", "--cluster-metadata-decoder")),
    Kind(r"__cluster_metadata-0", ".checkpoint", ("--deep-iteration", "--cluster-metadata-decoder")),
    Kind(r".*", ".index", ()),
    Kind(r".*", ".index", ("--index-sanity-check",)),
    Kind(r".*", ".index", ("--verify-index-only",)),
    Kind(r".*", ".timeindex", ()),
    Kind(r".*", ".timeindex", ("--index-sanity-check",)),
    Kind(r".*", ".timeindex", ("--verify-index-only",)),
    Kind(r".*", ".txnindex", ()),
    Kind(r".*", ".snapshot", ()),
)


def complaints(tools: JavaTools, data_dirs: Sequence[Path], keep: Path, *, crashed_kafka: bool) -> list[str]:
    """What the tool says against any file; everything it said is written to `keep`.

    A Kafka that crashed leaves indexes and preallocated segments as long as it made them, which its own tool calls
    corrupt.
    """
    found: list[str] = []
    with keep.open("w") as log:
        for kind in KINDS:
            if crashed_kafka and kind.suffix in (".index", ".timeindex"):
                continue
            files = [file for data_dir in data_dirs for file in _files(data_dir, kind)]
            if crashed_kafka:
                files = [file for file in files if not file.parent.name.startswith(PREALLOCATED)]
            if not files:
                continue
            done = tools.run(DUMP_LOG, *kind.options, "--files", ",".join(map(str, files)))
            out = done.out + done.err
            log.write(f"=== {kind}: {len(files)} files, status {done.status}\n{out}\n")
            if done.status:
                found.append(f"{kind}: status {done.status}, {done.err[-500:]}")
            found += _complaints_in(out)
    return found


def _files(data_dir: Path, kind: Kind) -> list[Path]:
    return sorted(
        path
        for folder in data_dir.iterdir()
        if folder.is_dir() and not folder.name.endswith(DELETED) and re.fullmatch(kind.folders, folder.name)
        for path in folder.glob(f"*{kind.suffix}")
    )


def _complaints_in(out: str) -> list[str]:
    """Each complaint with the file that it is about."""
    found = []
    file = ""
    for line in COMPACTED.sub("", SEGMENT_START.sub("", out)).splitlines():
        if line.startswith("Dumping "):
            file = line.removeprefix("Dumping ")
        elif COMPLAINT.search(line):
            found.append(f"{file}: {line[:300]}")
    return found
