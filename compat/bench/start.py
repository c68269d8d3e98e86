"""How fast the broker starts and how little it takes: printed beside what it is meant to be, judged by people.

Starts `ottla serve` on an empty directory several times and asks for Metadata until it answers; then looks at the
resident memory of one broker before and with 1000 idle connections.
"""

from __future__ import annotations

import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ottla.protocol.compiler import encode
from ottla.protocol.headers import RequestHeader, request_header_version
from ottla.protocol.messages.metadata import MetadataRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
IDLE_CONNECTIONS = 1000
METADATA_VERSION = 12
START_S_MAX, RESIDENT_MB_MAX, RESIDENT_WITH_CONNECTIONS_MB_MAX = 0.4, 50, 80


class Broker(NamedTuple):
    """A running broker process."""

    process: subprocess.Popen[str]
    port: int

    @property
    def resident_mb(self) -> float:
        """Resident memory, from the operating system's accounting."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


@contextmanager
def broker() -> Iterator[Broker]:
    """A broker on an empty directory and a free port."""
    with tempfile.TemporaryDirectory(prefix="ottla-bench-") as folder:
        command = [sys.executable, "-m", "ottla.broker", "serve", "--port", "0", "--data-dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            line = process.stdout.readline()  # type: ignore[union-attr]
            yield Broker(process, int(re.search(r"listening on \S+:(\d+)", line)[1]))  # type: ignore[index]
        finally:
            process.terminate()
            process.wait()


def ask_metadata(connection: socket.socket) -> None:
    """Send one Metadata request and wait for the whole answer."""
    header = RequestHeader(request_api_key=3, request_api_version=METADATA_VERSION, correlation_id=1, client_id="bench")
    frame = encode(header, request_header_version(MetadataRequest, METADATA_VERSION))
    frame += encode(MetadataRequest(), METADATA_VERSION)
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    with connection.makefile("rb") as stream:
        (size,) = struct.unpack(">i", stream.read(4))
        stream.read(size)


def start_s() -> float:
    """Seconds from the start of the process to its first answer."""
    begun = time.perf_counter()
    with broker() as running, socket.create_connection(("127.0.0.1", running.port)) as connection:
        ask_metadata(connection)
        return time.perf_counter() - begun


def resident_mb() -> tuple[float, float]:
    """Resident memory after the start, and with idle connections that each sent one request."""
    with broker() as running:
        after_start = running.resident_mb
        connections = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(IDLE_CONNECTIONS)]
        for connection in connections:
            ask_metadata(connection)
        with_connections = running.resident_mb
        for connection in connections:
            connection.close()
        return after_start, with_connections


def main() -> None:
    """Measure and print a table."""
    starts = []
    for number in range(ROUNDS):
        print(f"\rstart {number + 1} of {ROUNDS}", end="", file=sys.stderr, flush=True)
        starts.append(start_s())
    print("\r" + " " * 20 + "\r", end="", file=sys.stderr)
    after_start, with_connections = resident_mb()
    rows = [
        ("start to first answered Metadata, s", statistics.median(starts), START_S_MAX),
        ("resident after start, MB", after_start, RESIDENT_MB_MAX),
        (f"resident with {IDLE_CONNECTIONS} idle connections, MB", with_connections, RESIDENT_WITH_CONNECTIONS_MB_MAX),
    ]
    print(f"{'':45}{'measured':>10}{'at most':>10}")
    for name, value, most in rows:
        print(f"{name:45}{value:10.2f}{most:10}")
    print(f"starts: {', '.join(f'{value:.2f}' for value in sorted(starts))} s, median of {ROUNDS}")


if __name__ == "__main__":
    main()
