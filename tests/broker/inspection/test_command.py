"""`ottla storage` as a person runs it: processes, exit statuses, terminals, and a directory that a broker has open."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .data_directory import Fingerprint, fingerprint, flip

if TYPE_CHECKING:
    from pathlib import Path

OTTLA = [sys.executable, "-m", "ottla.broker"]
LOG = "orders-0/00000000000000000000.log"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*OTTLA, "storage", *arguments], capture_output=True, text=True, timeout=60)


def test_without_a_command_it_explains_itself() -> None:
    done = run()
    assert done.returncode == 0
    assert "inspect" in done.stdout
    assert "verify" in done.stdout


def test_inspect(sound: Path) -> None:
    before = fingerprint(sound)
    done = run("inspect", str(sound))
    assert (done.returncode, done.stderr) == (0, "")
    assert "State      clean stop" in done.stdout
    assert json.loads(run("inspect", str(sound), "--json").stdout)["format_version"] == 1
    assert "PARTITION" in run("inspect", str(sound), "--topic", "orders").stdout
    assert "LOG END" in run("inspect", str(sound), "--group", "readers").stdout
    assert fingerprint(sound) == before


def test_verify(directory: Path) -> None:
    before = fingerprint(directory)
    done = run("verify", str(directory))
    assert (done.returncode, done.stderr) == (0, "")
    assert "No errors, 0 notes" in done.stdout
    assert fingerprint(directory) == before
    flip(directory / LOG, 100)
    before = fingerprint(directory)
    done = run("verify", str(directory))
    assert done.returncode == 1
    assert done.stdout.startswith(f"error: {LOG}: position 0: ")
    told = json.loads(run("verify", str(directory), "--json").stdout)
    assert told["errors"] == 1
    assert told["findings"][0]["file"] == LOG
    assert told["findings"][0]["position"] == 0
    assert fingerprint(directory) == before


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_what_is_no_data_directory(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, problem in (
        (tmp_path, "is no broker's data directory"),
        (tmp_path / "nowhere", "No such file or directory"),
        (tmp_path / "file", "Not a directory"),
    ):
        done = run(command, str(path))
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"ottla: {path}")
        assert problem in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_a_name_that_is_not_there(sound: Path) -> None:
    for option in ("--topic", "--group"):
        done = run("inspect", str(sound), option, "nobody")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "nobody" in done.stderr


def quiet_part(directory: Path) -> Fingerprint:
    """What a broker without clients leaves alone."""
    everything = fingerprint(directory).items()
    return {name: known for name, known in everything if name.startswith(("orders", "txn", "meta", ".lock"))}


def test_a_directory_in_use(directory: Path) -> None:
    command = [*OTTLA, "serve", "--port", "0", "--data-dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as broker:
        try:
            assert "listening" in broker.stdout.readline()
            before = quiet_part(directory)
            told = json.loads(run("inspect", str(directory), "--json").stdout)
            assert told["directory"]["state"] == "live"
            assert told["directory"]["locked_by_pid"] == broker.pid
            done = run("verify", str(directory))
            assert done.returncode == 0, done.stdout
            assert "A broker has the directory open" in done.stdout
            assert quiet_part(directory) == before
        finally:
            broker.send_signal(signal.SIGTERM)
            assert broker.wait(20) == 0
    assert json.loads(run("inspect", str(directory), "--json").stdout)["directory"]["state"] == "clean stop"


def test_snappy_without_its_codec_is_said(directory: Path) -> None:
    """The extra is not installed everywhere: the CRC is checked, the records are not."""
    blocked = "import sys; sys.modules['cramjam'] = None; from ottla.broker.cli import main; sys.exit(main())"
    from ottla.protocol.compression import Compression
    from ottla.protocol.records import Record, build_batch

    log = directory / "orders-0" / "00000000000000000120.log"
    batch = build_batch([Record(180, 0, b"k", b"v")], base_offset=180, compression=Compression.ZSTD)
    batch[12:16] = bytes(4)
    log.write_bytes(log.read_bytes() + batch)
    done = subprocess.run(
        [sys.executable, "-c", blocked, "storage", "verify", str(directory)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 zstd batch: the CRC was checked, the records were not" in done.stdout


def big_copy(directory: Path) -> Path:
    """A log that takes a while: its one segment many times, as segments of their own."""
    folder = directory / "orders-0"
    content = (folder / "00000000000000000000.log").read_bytes()
    for number in range(3000):
        (folder / f"{10_000 + number:020d}.log").write_bytes(content)
    return directory


def on_a_terminal(arguments: list[str], out: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Standard error is a terminal, standard output a file."""
    ours, theirs = pty.openpty()
    with out.open("wb") as file:
        process = subprocess.Popen(
            [*OTTLA, "storage", *arguments], stdout=file, stderr=theirs, preexec_fn=_hear_interrupts
        )
    os.close(theirs)
    return process, ours


def _hear_interrupts() -> None:
    """A shell that runs the tests in its background has them ignore SIGINT, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def read_all(descriptor: int) -> bytes:
    said = b""
    while True:
        try:
            data = os.read(descriptor, 4096)
        except OSError:  # the other side of a terminal is gone
            return said
        if not data:
            return said
        said += data


def test_progress_on_a_terminal(directory: Path, tmp_path: Path) -> None:
    process, terminal = on_a_terminal(["verify", str(big_copy(directory))], tmp_path / "out")
    with process:
        said = read_all(terminal)
    os.close(terminal)
    assert process.returncode == 1
    assert b"orders-0/" in said
    assert b"/s" in said
    assert said.endswith(b"\r\x1b[K")
    assert b"\x1b" not in (tmp_path / "out").read_bytes()


def test_ctrl_c_ends_it_cleanly(directory: Path, tmp_path: Path) -> None:
    process, terminal = on_a_terminal(["verify", str(big_copy(directory))], tmp_path / "out")
    with process:
        said = os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        said += read_all(terminal)
    os.close(terminal)
    assert process.returncode == 130
    assert b"interrupted" in said
    assert b"Traceback" not in said
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root reads everything")
def test_what_may_not_be_read_is_said(directory: Path) -> None:
    """As another user than root, who may read everything."""
    secret = directory / "orders-0" / "00000000000000000000.log"
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in directory.parents:
        if parent.stat().st_uid == os.geteuid() and parent != parent.parent and os.geteuid() == 0:
            parent.chmod(parent.stat().st_mode | 0o055)
    secret.chmod(0o000)
    command = [*OTTLA, "storage", "verify", str(directory)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"error: {LOG}: Permission denied" in done.stdout
