"""How fast the broker starts and how little it takes: printed beside what it is meant to be, judged by people.

Starts `ottla serve` on an empty directory several times and asks for Metadata until it answers; then looks at the
resident memory of one broker before and with idle connections that each sent one request.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from broker_process import BrokerProcess, Connection, ask_metadata, print_table, progress, write_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S_MAX, RESIDENT_MB_MAX, RESIDENT_WITH_CONNECTIONS_MB_MAX = 0.4, 50, 80


@contextmanager
def broker() -> Iterator[BrokerProcess]:
    """A broker on an empty directory and a free port."""
    with tempfile.TemporaryDirectory(prefix="ottla-bench-") as home:
        data_dir = Path(home) / "data"
        data_dir.mkdir()
        running = BrokerProcess(data_dir, {})
        try:
            yield running
        finally:
            running.stop()


def start_s() -> float:
    """Seconds from the start of the process to its first answer."""
    with broker() as running:
        connection = Connection(running.port)
        ask_metadata(connection)
        taken_s = time.perf_counter() - running.begun_s
        connection.close()
        return taken_s


def resident_mb(connection_count: int) -> tuple[float, float]:
    """Resident memory after the start, and with idle connections that each sent one request."""
    with broker() as running:
        after_start = running.resident_mb
        connections = [Connection(running.port) for _ in range(connection_count)]
        for connection in connections:
            ask_metadata(connection)
        with_connections = running.resident_mb
        for connection in connections:
            connection.close()
        return after_start, with_connections


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="starts (5)")
    parser.add_argument("--connections", type=int, default=1000, help="idle connections (1000)")
    options = parser.parse_args()
    write_bytecode()
    starts = []
    for number in range(options.rounds):
        progress(f"start {number + 1} of {options.rounds}")
        starts.append(start_s())
    after_start, with_connections = resident_mb(options.connections)
    idle = f"resident with {options.connections} idle connections, MB"
    rows = [
        ("start to first answered Metadata, s", statistics.median(starts), START_S_MAX),
        ("resident after start, MB", after_start, RESIDENT_MB_MAX),
        (idle, with_connections, RESIDENT_WITH_CONNECTIONS_MB_MAX),
    ]
    print_table(("", "measured", "at most"), rows)
    print(f"starts: {', '.join(f'{value:.2f}' for value in sorted(starts))} s, median of {options.rounds}")


if __name__ == "__main__":
    main()
