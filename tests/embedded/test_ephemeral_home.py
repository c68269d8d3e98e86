"""Where data lies that nobody keeps, and what becomes of it."""

from __future__ import annotations

import os
import time

import pytest
from ottla.broker import Broker
from ottla.broker.embedded import ephemeral_home
from ottla.broker.embedded.ephemeral_home import PREFIX, EphemeralHome


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A place that counts as memory, with room enough."""
    monkeypatch.setattr(ephemeral_home, "_MEMORY", str(tmp_path))
    monkeypatch.setattr(ephemeral_home, "_FREE_BYTES_MIN", 0)
    return tmp_path


def make_old(path) -> None:
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))


def test_it_is_there_until_it_is_removed(memory):
    home = EphemeralHome()
    (memory / os.path.basename(home.path) / "file").write_bytes(b"x")
    assert os.stat(home.path).st_mode & 0o777 == 0o700
    home.remove()
    home.remove()
    assert list(memory.iterdir()) == []


def test_without_room_it_is_among_temporary_files(memory, monkeypatch):
    monkeypatch.setattr(ephemeral_home, "_FREE_BYTES_MIN", 1 << 62)
    home = EphemeralHome()
    assert list(memory.iterdir()) == []
    home.remove()


def test_without_memory_it_is_among_temporary_files(monkeypatch, tmp_path):
    monkeypatch.setattr(ephemeral_home, "_MEMORY", str(tmp_path / "absent"))
    home = EphemeralHome()
    assert os.path.isdir(home.path)
    home.remove()


def test_what_a_killed_process_left_is_removed_and_nothing_else(memory):
    for name in (f"{PREFIX}old", f"{PREFIX}new", "ottla-other"):
        (memory / name).mkdir()
        (memory / name / "orders-0").mkdir()
    make_old(memory / f"{PREFIX}old")
    make_old(memory / "ottla-other")
    with Broker(topics=["orders"]) as running:
        (of_running,) = {path.name for path in memory.iterdir()} - {f"{PREFIX}new", "ottla-other"}
        make_old(memory / of_running)
        home = EphemeralHome()
        running.produce("orders", "still here")
        names = {path.name for path in memory.iterdir()}
        assert names == {of_running, f"{PREFIX}new", "ottla-other", os.path.basename(home.path)}
        assert len(running.records("orders")) == 1


def test_who_looks_for_leftovers_does_not_lock_what_somebody_begins_with(memory, monkeypatch):
    """A broker that starts in another process would find its directory locked."""
    (memory / f"{PREFIX}young").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(ephemeral_home.fcntl, "flock", lambda *_: pytest.fail("a young directory was locked"))
        home = EphemeralHome()
    assert {path.name for path in memory.iterdir()} == {f"{PREFIX}young", os.path.basename(home.path)}
