"""All rows in their order, by subject; and the work that warms brokers up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import consume, groups, growth, latency, many_producers, parked, produce, start_and_memory, transactions

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..workload import Workload

_MODULES = (
    start_and_memory,
    produce,
    consume,
    latency,
    parked,
    many_producers,
    groups,
    transactions,
    growth,
)


def all_rows(quick: bool) -> list[Workload]:
    """Every row; with `quick` fewer and smaller ones."""
    found = [row for module in _MODULES for row in module.rows(quick)]
    return [*found, *start_and_memory.last_rows(quick)]


def subjects() -> list[str]:
    """The names that rows can be chosen by."""
    return list(dict.fromkeys(row.subject for row in all_rows(quick=True)))


def chosen_rows(wanted: Collection[str], text: str, quick: bool) -> list[Workload]:
    """The rows of some subjects, of all where none is named, that have `text` in their name; perhaps none."""
    found = [row for row in all_rows(quick) if not wanted or row.subject in wanted]
    return [row for row in found if text.lower() in row.name.lower()]


def warm_up_rows() -> list[Workload]:
    """Work of the hot paths, in small portions."""
    return [
        produce.ProduceBatches("warm up batches", megabytes=20),
        produce.OneRecordRequests("warm up requests", requests=10_000),
        consume.ConsumeAll("warm up consuming", records=96_000),
        latency.ProduceToConsume("warm up latency", records=300),
    ]
