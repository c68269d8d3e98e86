"""Starts on directories that are not as they should be: repaired with a line that says so, or refused with one that
names the file and the way out, and then not a byte is changed."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ottla.broker.app import Broker, StartError
from ottla.broker.config import ConfigError, load_config
from ottla.broker.inspection.progress import Tally
from ottla.broker.inspection.verification import verify_directory

from .inspection.data_directory import OPTIONS, add, cut, fingerprint, flip, replace, write_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METADATA = "__cluster_metadata-0"
LOG = "00000000000000000000.log"
LAST = "orders-0/00000000000000000120"
TXN = "txn-0/00000000000000000000"
SERVE = [sys.executable, "-m", "ottla.broker", "serve", "--port", "0"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "data"
    write_directory(path)
    return path


@pytest.fixture
def directory(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "data")


def start(*paths: Path, options: list[str] | None = None) -> None:
    """Start a broker and stop it again. Raises StartError."""

    async def run() -> None:
        directories = ",".join(map(os.fspath, paths))
        broker = Broker(load_config(overrides=[*OPTIONS, f"log.dirs={directories}", *(options or [])]))
        await broker.start()
        await broker.stop()

    asyncio.run(run())


def refused(*paths: Path, options: list[str] | None = None) -> str:
    """The reason of a refusal, which changed nothing."""
    before = [fingerprint(path) for path in paths]
    with pytest.raises(StartError) as error:
        start(*paths, options=options)
    assert [fingerprint(path) for path in paths] == before
    assert "\n" not in str(error.value)
    return str(error.value)


class Bad(NamedTuple):
    do: Callable[[Path], object]
    file: str
    said: str
    """A regular expression."""


def metadata_flip(path: Path) -> None:
    """Within the first batches: they were on the disk long ago, so nothing may be cut off there."""
    flip(path / METADATA / LOG, 200)


def metadata_snapshot(path: Path) -> None:
    (path / METADATA / f"{5:020d}-{1:010d}.checkpoint").write_bytes(b"\xff" * 200)


def unknown_metadata(path: Path) -> None:
    """A record of a later Kafka, in a batch that is whole."""
    from ottla.protocol.record_batch import read_headers
    from ottla.protocol.records import Record, build_batch

    log = path / METADATA / LOG
    end = max(header.next_offset for _, header in read_headers(log.read_bytes()))
    batch = build_batch([Record(end, 0, None, b"\x01\x7d\x00\x00")], base_offset=end, partition_leader_epoch=1)
    add(log, bytes(batch))


REFUSED = {
    "a version of ZooKeeper's days": Bad(
        lambda p: replace(p / "meta.properties", "version=1", "version=0"),
        "meta.properties",
        "has version 0, of Kafka with ZooKeeper; let Kafka 3.9 migrate",
    ),
    "a later version": Bad(
        lambda p: replace(p / "meta.properties", "version=1", "version=2"),
        "meta.properties",
        "has version 2, only 1 is known; open the directory with what wrote it",
    ),
    "no version": Bad(lambda p: (p / "meta.properties").write_text(""), "meta.properties", "names no version; restore"),
    "meta.properties that is no text": Bad(
        lambda p: (p / "meta.properties").write_bytes(b"\xff\xfe\0"), "meta.properties", "is not text; restore the file"
    ),
    "no cluster": Bad(
        lambda p: replace(p / "meta.properties", "cluster.id", "cluster"), "meta.properties", "no cluster.id; restore"
    ),
    "a node without a number": Bad(
        lambda p: replace(p / "meta.properties", "node.id=1", "node.id=one"), "meta.properties", "no node.id.*; restore"
    ),
    "another node": Bad(
        lambda p: replace(p / "meta.properties", "node.id=1", "node.id=7"),
        "meta.properties",
        r"belongs to node 7, this broker is node 1 \(node.id\); start with node.id=7 or name another directory",
    ),
    "a directory id that is none": Bad(
        lambda p: replace(p / "meta.properties", "directory.id=", "directory.id=?"),
        "meta.properties",
        "directory.id that cannot be read: .*; restore",
    ),
    "no meta.properties": Bad(
        lambda p: (p / "meta.properties").unlink(), "data", r"but no meta.properties; restore that file or name another"
    ),
    "broken recovery points": Bad(
        lambda p: (p / "recovery-point-offset-checkpoint").write_text("0\nx\n"),
        "recovery-point-offset-checkpoint",
        "restore it from a copy, or remove it: ",
    ),
    "broken log starts": Bad(
        lambda p: (p / "log-start-offset-checkpoint").write_text("0\n2\norders 0 1\n"),
        "log-start-offset-checkpoint",
        "announces 2 entries and holds 1; restore it from a copy, or remove it: ",
    ),
    "a broken high watermark file": Bad(
        lambda p: (p / "replication-offset-checkpoint").write_text("0\n1\norders zero 1\n"),
        "replication-offset-checkpoint",
        "is not a topic, a partition and an offset; restore it from a copy, or remove it: it is written anew",
    ),
    "a broken quorum state": Bad(
        lambda p: (p / METADATA / "quorum-state").write_text("{"),
        f"{METADATA}/quorum-state",
        "is not a quorum state: .*; restore it from a copy, or remove it",
    ),
    "a quorum state of a later version": Bad(
        lambda p: replace(p / METADATA / "quorum-state", '"data_version":1', '"data_version":9'),
        f"{METADATA}/quorum-state",
        "data_version 9 is not known; restore",
    ),
    "a topic id that cannot be read": Bad(
        lambda p: (p / "orders-1" / "partition.metadata").write_text("zzz\n"),
        "orders-1/partition.metadata",
        "restore it from a copy, or remove it",
    ),
    "a topic id of the metadata that cannot be read": Bad(
        lambda p: (p / METADATA / "partition.metadata").write_text("version: 1\n"),
        f"{METADATA}/partition.metadata",
        "has version '1', only 0 is known; restore",
    ),
    "a flipped byte in the metadata": Bad(metadata_flip, METADATA, "CRC .*; restore"),
    "a metadata snapshot that is none": Bad(
        metadata_snapshot, f"{5:020d}-{1:010d}.checkpoint", "restore this file from a copy of the directory, or remove"
    ),
    "metadata of a later version": Bad(unknown_metadata, METADATA, "type 125 .*newer than this broker"),
}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_refused_with_the_file_and_the_way_out(bad: Bad, directory: Path) -> None:
    bad.do(directory)
    said = refused(directory)
    assert bad.file in said
    assert re.search(bad.said, said), said


# After a crash a broken batch is where recovery ends the log, as in Kafka.
AFTER_A_CRASH = {name: bad for name, bad in REFUSED.items() if bad.do is not metadata_flip}


@pytest.mark.parametrize("bad", AFTER_A_CRASH.values(), ids=AFTER_A_CRASH)
def test_refused_after_a_crash_as_well(bad: Bad, directory: Path) -> None:
    (directory / ".kafka_cleanshutdown").unlink()
    bad.do(directory)
    assert re.search(bad.said, refused(directory))


REPAIRED = {
    "an offset index of half entries": Bad(lambda p: cut(p / f"{LAST}.index", 3), "orders-0", "not of whole entries"),
    "an offset index that is gone": Bad(lambda p: (p / f"{LAST}.index").unlink(), "orders-0", "missing"),
    "an offset index of anything": Bad(
        lambda p: (p / f"{LAST}.index").write_bytes(b"\x7f" * 80), f"{LAST}.index", "do not ascend|is beyond"
    ),
    "a time index of half entries": Bad(lambda p: cut(p / f"{LAST}.timeindex", 5), "orders-0", "not of whole entries"),
    "a transaction index of half entries": Bad(
        lambda p: cut(p / f"{TXN}.txnindex", 5), "txn-0", "not of whole entries|not whole entries"
    ),
    "a transaction index of a later version": Bad(
        lambda p: (p / f"{TXN}.txnindex").write_bytes(struct.pack(">hqqqq", 9, 1, 1, 1, 1)),
        f"{TXN}.txnindex",
        "version 9, only 0 is known",
    ),
    "a producer snapshot with a wrong CRC": Bad(
        lambda p: flip(max((p / "txn-0").glob("*.snapshot")), -1), ".snapshot", "does not match its CRC"
    ),
    "a torn tail": Bad(lambda p: cut(p / f"{LAST}.log", 5), "orders-0", r"cut \d+ bytes, ends at offset 177"),
    "leader epochs that cannot be read": Bad(
        lambda p: (p / "orders-0/leader-epoch-checkpoint").write_text("zzz"),
        "orders-0/leader-epoch-checkpoint",
        "leader epochs read from the log",
    ),
    "no topic id": Bad(
        lambda p: (p / "orders-0/partition.metadata").unlink(), "orders-0", "it gets that of the metadata log"
    ),
    "the id of another topic": Bad(
        lambda p: shutil.copy(p / "txn-0/partition.metadata", p / "orders-0/partition.metadata"),
        "orders-0",
        r"it is kept as orders-0\.[0-9a-f]{32}-stray",
    ),
    "a folder that nobody knows": Bad(
        lambda p: shutil.copytree(p / "orders-0", p / "strange-3"),
        "strange-3",
        r"kept as strange-3\.[0-9a-f]{32}-stray",
    ),
}


@pytest.mark.parametrize("bad", REPAIRED.values(), ids=REPAIRED)
def test_repaired_with_a_line_that_names_it(bad: Bad, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bad.do(directory)
    start(directory)
    told = [message for message in caplog.messages if bad.file in message and re.search(bad.said, message)]
    assert len(told) == 1, caplog.messages
    findings = verify_directory(str(directory), lambda _: Tally()).findings
    assert findings.errors == 0, [str(finding) for finding in findings.found]


def test_cleaner_offsets_that_cannot_be_read(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The next compaction writes them again."""
    (directory / "cleaner-offset-checkpoint").write_text("zzz")
    start(directory)
    assert [message for message in caplog.messages if "cleaner-offset-checkpoint" in message], caplog.messages


QUIET = {
    "an empty recovery point file": lambda p: (p / "recovery-point-offset-checkpoint").write_text(""),
    "no checkpoints": lambda p: [path.unlink() for path in p.glob("*-checkpoint")],
    "a clean stop with another text": lambda p: (p / ".kafka_cleanshutdown").write_text("{"),
    "a bootstrap file, once the log has begun": lambda p: (p / "bootstrap.checkpoint").write_bytes(b"x"),
    "a file with a partition's name": lambda p: (p / "backup-1").write_text("mine"),
    "a folder of somebody else": lambda p: (p / "lost+found").mkdir(),
}


@pytest.mark.parametrize("do", QUIET.values(), ids=QUIET)
def test_what_does_not_matter(do: Callable[[Path], object], directory: Path) -> None:
    do(directory)
    start(directory)
    findings = verify_directory(str(directory), lambda _: Tally()).findings
    assert findings.errors == 0, [str(finding) for finding in findings.found]


def test_a_directory_of_before_directory_ids_gets_one(tmp_path: Path) -> None:
    """As in Kafka 3.7 and later; a quorum had its voters in the configuration then."""
    directory = tmp_path / "data"
    directory.mkdir()
    options = ["controller.quorum.voters=1@localhost:9093"]
    start(directory, options=options)
    lines = (directory / "meta.properties").read_text().splitlines(keepends=True)
    (directory / "meta.properties").write_text("".join(line for line in lines if not line.startswith("directory.id")))
    start(directory, options=options)
    text = (directory / "meta.properties").read_text()
    assert re.search(r"^directory\.id=\S{22}$", text, re.MULTILINE)
    assert "node.id=1" in text


def test_a_broken_bootstrap_file_at_the_first_start(tmp_path: Path) -> None:
    """What `kafka-storage format` left says with which features the cluster begins."""
    path = tmp_path / "data"
    path.mkdir()
    (path / "meta.properties").write_text("version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\nnode.id=1\n")
    (path / "bootstrap.checkpoint").write_bytes(b"\0" * 200)
    with pytest.raises(StartError, match=r"bootstrap.checkpoint: .*") as error:
        start(path)
    assert "restore" in str(error.value)
    assert sorted(name for name in os.listdir(path) if name != ".lock") == ["bootstrap.checkpoint", "meta.properties"]


class TestClusterId:
    WANTED = "4L6g3nShT-eMCtK--X86sw"

    def test_a_new_directory_gets_the_one_that_is_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        start(tmp_path / "new", options=[f"ottla.cluster.id={self.WANTED}"])
        assert f"cluster.id={self.WANTED}\n" in (tmp_path / "new" / "meta.properties").read_text()
        start(tmp_path / "new", options=[f"ottla.cluster.id={self.WANTED}"])

    def test_a_directory_of_another_one_is_refused(self, directory: Path) -> None:
        theirs = re.search(r"cluster\.id=(\S+)", (directory / "meta.properties").read_text())[1]
        assert refused(directory, options=[f"ottla.cluster.id={self.WANTED}"]) == (
            f"{directory / 'meta.properties'} belongs to cluster {theirs}, not to {self.WANTED} (ottla.cluster.id); "
            "name another directory, or its own cluster"
        )

    @pytest.mark.parametrize("text", ["", "cluster", "4L6g3nShT-eMCtK--X86sw=", "4L6g3nShT eMCtK--X86sw"])
    def test_what_is_no_id_is_refused_before_anything_is_touched(self, text: str) -> None:
        with pytest.raises(ConfigError, match="a cluster id has 22 characters"):
            load_config(overrides=[f"ottla.cluster.id={text}"])

    def test_the_command_lines_own_option(self) -> None:
        assert load_config(cluster_id=self.WANTED).cluster_id == self.WANTED
        assert load_config().cluster_id is None


class TestSeveralDirectories:
    def test_of_different_clusters(self, directory: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        write_directory(other)
        said = refused(directory, other)
        assert "different clusters" in said
        assert str(directory) in said
        assert str(other) in said

    def test_one_is_a_copy_of_the_other(self, directory: Path, tmp_path: Path) -> None:
        other = shutil.copytree(directory, tmp_path / "other")
        said = refused(directory, other)
        assert "same directory.id: one is a copy; name only one of them" in said
        assert str(other) in said

    def test_of_different_nodes(self, directory: Path, tmp_path: Path) -> None:
        other = shutil.copytree(directory, tmp_path / "other")
        replace(other / "meta.properties", "node.id=1", "node.id=2")
        assert f"{other / 'meta.properties'} belongs to node 2" in refused(directory, other)

    def test_a_new_one_joins(self, directory: Path, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        start(directory, tmp_path / "new")
        cluster = re.search(r"cluster\.id=\S+", (directory / "meta.properties").read_text())[0]
        assert cluster in (tmp_path / "new" / "meta.properties").read_text()

    def test_a_bad_one_keeps_the_good_one_as_it_was(self, directory: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        start(other)
        text = (directory / "meta.properties").read_text()
        cluster = re.search(r"cluster\.id=(\S+)", text)[1]
        replace(
            other / "meta.properties",
            re.search(r"cluster\.id=(\S+)", (other / "meta.properties").read_text())[1],
            cluster,
        )
        (other / "orders-7").mkdir()
        (other / "orders-7" / "partition.metadata").write_text("zzz\n")
        assert "orders-7/partition.metadata" in refused(directory, other)


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(StartError, match=r"data is not a directory; name another one"):
        start(tmp_path / "data")
    assert (tmp_path / "data").read_text() == "mine"


def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StartError, match=r"is not a directory; name another one"):
        start(tmp_path / "file" / "data")


def test_a_live_broker_has_it(directory: Path) -> None:
    with subprocess.Popen(
        [*SERVE, "--data-dir", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as broker:
        try:
            assert "listening" in broker.stdout.readline()
            with pytest.raises(StartError, match=r"\.lock is locked: another broker uses this directory; stop it or"):
                start(directory)
        finally:
            broker.send_signal(signal.SIGTERM)
            assert broker.wait(20) == 0
    start(directory)


def test_the_command_says_one_line_and_fails(directory: Path) -> None:
    replace(directory / "meta.properties", "version=1", "version=0")
    before = fingerprint(directory)
    done = subprocess.run([*SERVE, "--data-dir", str(directory)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("ottla: ")
    assert done.stderr.count("\n") == 1
    assert fingerprint(directory) == before


PERMISSIONS = {
    "the directory": (".", 0o555, "data"),
    "meta.properties": ("meta.properties", 0o000, "meta.properties: permission denied"),
    "a partition's folder": ("orders-1", 0o555, "orders-1: permission denied"),
    "a folder that cannot be entered": ("orders-1", 0o000, "orders-1: permission denied"),
    "the lock": (".lock", 0o444, ".lock: permission denied"),
    "quorum-state": (f"{METADATA}/quorum-state", 0o000, "quorum-state: [Pp]ermission denied"),
    "the metadata log": (f"{METADATA}/{LOG}", 0o000, f"{LOG}: [Pp]ermission denied"),
}


def as_nobody(command: list[str], directory: Path) -> list[str]:
    """The command as a user that is not root, who owns the directory."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root may do everything, and there is no setpriv to be somebody else")
    for root, folders, files in os.walk(directory):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(root, name), 65534, 65534)
    for parent in directory.parents:
        if len(parent.parts) > 2:
            parent.chmod(parent.stat().st_mode | 0o055)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


def test_a_segment_that_may_not_be_read_takes_one_partition_off_line(directory: Path) -> None:
    """All others are served; the stop is not called a clean one, so that the next start reads that log."""
    command = as_nobody([*SERVE, "--data-dir", str(directory)], directory)
    (directory / f"{LAST}.log").chmod(0o000)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as broker:
        try:
            assert "listening" in broker.stdout.readline()
        finally:
            broker.send_signal(signal.SIGTERM)
            said = broker.stderr.read()
        assert broker.wait(20) == 0
    (directory / f"{LAST}.log").chmod(0o644)
    told = [line for line in said.splitlines() if "ERROR" in line]
    assert len(told) == 1, said
    assert "orders-0 is off line" in told[0]
    assert f"{LAST}.log: Permission denied" in told[0]
    assert "Traceback" not in said
    assert not (directory / ".kafka_cleanshutdown").exists()
    start(directory)


@pytest.mark.parametrize(("name", "mode", "said"), PERMISSIONS.values(), ids=PERMISSIONS)
def test_without_permission(name: str, mode: int, said: str, directory: Path) -> None:
    command = as_nobody([*SERVE, "--data-dir", str(directory)], directory)
    before = fingerprint(directory)
    kept = (directory / name).stat().st_mode
    (directory / name).chmod(mode)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        (directory / name).chmod(kept)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(said, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert fingerprint(directory) == before
