"""The command line as a person meets it: real processes, one line, and nothing changed when it refuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "ottla.broker", "serve"]


def refused(*arguments: str, cwd: Path) -> str:
    """The one line that a refused start says."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, cwd=cwd)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ottla: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@contextmanager
def serving(*arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd
    )
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def port_of(line: str) -> int:
    return int(re.search(r"listening on 127\.0\.0\.1:(\d+), data in ", line)[1])


def contents(folder: Path) -> set[str]:
    return {os.path.relpath(os.path.join(root, name), folder) for root, _, names in os.walk(folder) for name in names}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_answers_and_stops_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with serving("--port", "0", "--data-dir", "data", cwd=tmp_path) as (process, line):
        with socket.create_connection(("127.0.0.1", port_of(line)), timeout=5):
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in errors
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_ephemeral_data_is_gone_at_the_end(tmp_path: Path) -> None:
    with serving("--port", "0", "--ephemeral", cwd=tmp_path) as (process, line):
        folder = line.strip().rpartition("data in ")[2]
        assert os.path.isdir(folder)
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert not os.path.exists(folder)
    assert contents(tmp_path) == set()


REFUSALS = {
    "unknown key": (["-o", "num.partition=3"], r"-o: num\.partition=3: unknown key.*num\.partitions"),
    "value that is no number": (["-o", "num.partitions=many"], r"num\.partitions=many: Not a number of type INT"),
    "value out of range": (["-o", "num.partitions=0"], r"num\.partitions=0: .*"),
    "not KEY=VALUE": (["-o", "num.partitions"], "not KEY=VALUE"),
    "an authorizer": (["-o", "authorizer.class.name=a.B"], r"authorizer\.class\.name=a\.B: an authorizer is not there"),
    "TLS": (["-o", "listeners=SSL://127.0.0.1:0"], "listeners=SSL"),
    "SASL": (["-o", "sasl.enabled.mechanisms=PLAIN"], r"sasl\.enabled\.mechanisms"),
    "more replicas than brokers": (["-o", "default.replication.factor=3"], r"default\.replication\.factor=3: .*one"),
    "no such file": (["--config", "nowhere.properties"], r"nowhere\.properties: No such file"),
}


@pytest.mark.parametrize(("arguments", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_had_is_refused_by_name(arguments: list[str], expected: str, tmp_path: Path) -> None:
    assert re.search(expected, refused(*arguments, "--data-dir", "data", cwd=tmp_path))
    assert contents(tmp_path) == set()


def test_a_line_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "server.properties").write_text("# mine\nnum.partitions=3\nlog.retention.hour=5\n")
    line = refused("--config", "server.properties", "--data-dir", "data", cwd=tmp_path)
    assert "server.properties:3: log.retention.hour=5: unknown key" in line


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("--port", str(port), "--data-dir", "data", cwd=tmp_path)
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line
    assert contents(tmp_path) == set()


def test_a_directory_that_another_broker_uses(tmp_path: Path) -> None:
    with serving("--port", "0", "--data-dir", "data", cwd=tmp_path):
        before = contents(tmp_path)
        line = refused("--port", "0", "--data-dir", "data", cwd=tmp_path)
        assert "another broker uses this directory" in line
        assert os.path.join("data", ".lock") in line
        assert contents(tmp_path) == before


def test_a_directory_of_another_node(tmp_path: Path) -> None:
    with serving("--port", "0", "--data-dir", "data", cwd=tmp_path) as (process, _):
        process.terminate()
        process.communicate(timeout=20)
    before = contents(tmp_path)
    line = refused("--port", "0", "--data-dir", "data", "-o", "node.id=7", cwd=tmp_path)
    assert "belongs to node 1" in line
    assert contents(tmp_path) == before


def test_a_broken_meta_properties(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=7\n")
    line = refused("--port", "0", "--data-dir", "data", cwd=tmp_path)
    assert "meta.properties: has version 7" in line


def test_an_unknown_option_is_the_command_lines_own_error(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "--bogus"], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 2
    assert "--bogus" in done.stderr


def test_tuning_keys_are_named_at_debug_level_only(tmp_path: Path) -> None:
    said = {}
    for level in ("info", "debug"):
        with serving("--port", "0", "--ephemeral", "-o", "num.io.threads=9", "--log-level", level, cwd=tmp_path) as (
            process,
            _,
        ):
            process.terminate()
            said[level] = process.communicate(timeout=20)[1]
    assert "num.io.threads" not in said["info"]
    assert "num.io.threads" in said["debug"]
