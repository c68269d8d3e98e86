"""A broker process to be measured: started, stopped and killed, with what the operating system counts of it.

CPU time stands beside wall time everywhere, since the machine that runs a benchmark often runs something else as well.
"""

from __future__ import annotations

import compileall
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import ottla.broker
import ottla.protocol
import ottla.storage
from ottla.protocol.compiler import decode, decode_with_end, encode
from ottla.protocol.headers import RequestHeader, ResponseHeader, request_header_version, response_header_version
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ottla.protocol.schema import Message

R = TypeVar("R", bound="Message")

METADATA_VERSION = 12
START_TIMEOUT_S = 120
ANSWER_TIMEOUT_S = 300
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PORT = re.compile(r"listening on \S+?:(\d+)")
SERVE = ("-m", "ottla.broker")


class Cost(NamedTuple):
    """What something took."""

    wall_s: float
    cpu_s: float


class BrokerProcess:
    """A running broker on a data directory. `program` is what Python runs; the log goes to `broker.log` beside it."""

    def __init__(
        self, data_dir: Path, options: dict[str, str], *, program: Sequence[str] = SERVE, port: int = 0
    ) -> None:
        self.begun_s = time.perf_counter()
        command = [sys.executable, *program, "serve", "--port", str(port), "--data-dir", str(data_dir)]
        for key, value in options.items():
            command += ["-o", f"{key}={value}"]
        with (data_dir.parent / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        found = _PORT.search(line)
        if found is None:
            self.process.wait()
            raise SystemExit(f"the broker did not start: {line!r}; see {data_dir.parent / 'broker.log'}")
        self.port = int(found[1])

    def status(self, field: str) -> int:
        """A number of /proc/PID/status, such as VmRSS in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", text)[1])  # type: ignore[index]

    @property
    def resident_mb(self) -> float:
        """Resident memory now."""
        return self.status("VmRSS") / 1024

    @property
    def peak_resident_mb(self) -> float:
        """The most resident memory so far."""
        return self.status("VmHWM") / 1024

    @property
    def cpu_s(self) -> float:
        """CPU time of all threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @property
    def descriptor_count(self) -> int:
        """How many files and sockets are open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self) -> Cost:
        """End it in good order; what that took."""
        cpu_before_s = self.cpu_s
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        # The accounts of a process that is waited for are gone: they are read from its remains.
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        wall_s = time.perf_counter() - begun
        cost = Cost(wall_s, self.cpu_s - cpu_before_s)
        self._reap()
        return cost

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self._reap()

    def _reap(self) -> None:
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]


class Connection:
    """One connection that asks and waits for the answer."""

    def __init__(self, port: int, receive_buffer_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(ANSWER_TIMEOUT_S)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = bytearray(1 << 16)

    def send(self, request: Message, version: int) -> None:
        """Send a request and do not wait."""
        header = RequestHeader(
            request_api_key=request.api_key, request_api_version=version, correlation_id=1, client_id="bench"
        )
        frame = encode(header, request_header_version(type(request), version)) + encode(request, version)
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def receive(self) -> memoryview:
        """The next response's bytes, valid until the next call."""
        size = struct.unpack(">i", self._read(4))[0]
        return self._read(size)

    def ask(self, request: Message, response: type[R], version: int) -> R:
        """Send a request and read its answer."""
        self.send(request, version)
        return self.answer_to(request, response, version)

    def answer_to(self, request: Message, response: type[R], version: int) -> R:
        """Read the answer to a request that was sent before."""
        frame = self.receive()
        _, end = decode_with_end(ResponseHeader, frame, response_header_version(type(request), version))
        return decode(response, frame, version, end)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def _read(self, size: int) -> memoryview:
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        view, at = memoryview(self._buffer)[:size], 0
        while at < size:
            received = self.socket.recv_into(view[at:])
            if not received:
                raise SystemExit("the broker closed the connection")
            at += received
        return view


def ask_metadata(connection: Connection, topics: bool = True) -> MetadataResponse:
    """One Metadata answer, of all topics or of none."""
    request = MetadataRequest(topics=None if topics else [])
    return connection.ask(request, MetadataResponse, METADATA_VERSION)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as what is in them; numbers stand to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(head, *cells, strict=True)]
    for row in [list(head), *cells]:
        first = row[0].ljust(widths[0])
        print(first, *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)), sep="  ")


def _text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else "" if cell is None else str(cell)


def progress(text: str) -> None:
    """Say on standard error what is being done."""
    print(text, file=sys.stderr, flush=True)


def write_bytecode() -> None:
    """Compile what was edited since it last ran, as an installation does.

    Where PYTHONDONTWRITEBYTECODE is set each start would compile it again, which once made 0.6 s of 0.45.
    """
    for package in (ottla.broker, ottla.protocol, ottla.storage):
        compileall.compile_dir(Path(package.__path__[0]), quiet=2)


def print_complaints(log_path: Path) -> None:
    """What the broker's log warns of: a measurement with errors in it is none."""
    said = re.findall(r"(?:WARNING|ERROR|Traceback).*(?:\n(?!\d{4}-).*)*", log_path.read_text())
    print(f"{len(said)} warnings and errors in the broker's log", *said[:2], sep="\n")
