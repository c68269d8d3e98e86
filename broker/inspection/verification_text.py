"""A verification for people and for programs: the findings, a table of topics, a verdict; or one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .identity import State
from .text_table import Column, bytes_text, count_text, number, render

if TYPE_CHECKING:
    from .verification import TopicVerdict, Verification

FORMAT_VERSION: Final = 1

_COLUMNS: Final = (
    Column("TOPIC"),
    number("PARTITIONS"),
    number("SEGMENTS"),
    number("SIZE"),
    number("BATCHES"),
    number("RECORDS"),
    number("ERRORS"),
    number("NOTES"),
)


def report(verification: Verification, elapsed_s: float, width: int | None) -> list[str]:
    """Findings first, the verdict last, where a terminal shows it."""
    findings = verification.findings
    lines = [str(finding) for finding in findings.found]
    lines += [f"{file}: {count} more" for file, count in findings.not_shown().items()]
    rows = [_row(name, topic) for name, topic in sorted(verification.topics.items(), key=_internal_last)]
    if lines:
        lines.append("")
    lines += [*render(_COLUMNS, rows, width), ""]
    return [*lines, *_remarks(verification), _verdict(verification, elapsed_s)]


def as_json(verification: Verification, elapsed_s: float) -> dict[str, Any]:
    """The document; `format_version` rises when a name changes or goes away."""
    total = verification.total()
    return {
        "format_version": FORMAT_VERSION,
        "directory": verification.identity.path,
        "state": verification.identity.state.value,
        "errors": verification.findings.errors,
        "notes": verification.findings.notes,
        "bytes_read": total.bytes,
        "duration_ms": int(elapsed_s * 1000),
        "batches_not_decoded": total.not_decoded,
        "topics": [
            {
                "name": name,
                "partitions": topic.partitions,
                "segments": topic.totals.segments,
                "size_bytes": topic.totals.bytes,
                "batches": topic.totals.batches,
                "records": topic.totals.records,
                "errors": topic.errors,
                "notes": topic.notes,
            }
            for name, topic in sorted(verification.topics.items())
        ],
        "findings": [
            {
                "severity": finding.severity.value,
                "file": finding.file,
                "position": finding.position,
                "problem": finding.problem,
            }
            for finding in verification.findings.found
        ],
        "findings_not_shown": verification.findings.not_shown(),
    }


def _internal_last(item: tuple[str, TopicVerdict]) -> tuple[bool, str]:
    return item[0].startswith("__"), item[0]


def _row(name: str, topic: TopicVerdict) -> list[str]:
    totals = topic.totals
    return [
        name,
        str(topic.partitions),
        str(totals.segments),
        bytes_text(totals.bytes),
        str(totals.batches),
        str(totals.records),
        str(topic.errors),
        str(topic.notes),
    ]


def _remarks(verification: Verification) -> list[str]:
    not_decoded = verification.total().not_decoded
    lines = [
        f"{count_text(count, f'{codec} batch', f'{codec} batches')}: the CRC was checked, the records were not; "
        "that takes pip install 'ottla[codecs]'"
        for codec, count in sorted(not_decoded.items())
    ]
    if verification.identity.state is State.LIVE:
        lines.append("A broker has the directory open: what it was writing is not held against it.")
    return lines


def _verdict(verification: Verification, elapsed_s: float) -> str:
    findings, total = verification.findings, verification.total()
    rate = bytes_text(int(total.bytes / max(elapsed_s, 0.001)))
    outcome = count_text(findings.errors, "error") if findings.errors else "No errors"
    return (
        f"{outcome}, {count_text(findings.notes, 'note')} in {count_text(total.batches, 'batch', 'batches')} of "
        f"{bytes_text(total.bytes)}, read in {elapsed_s:.1f} s ({rate}/s)"
    )
