"""Files that a log gave up: renamed at once, removed when their time has come."""

from __future__ import annotations

import errno
import os

import pytest
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import OsFiles
from ottla.storage.released_files import ReleasedFiles

from ..held_background import HeldBackground

NOW_MS = 1_000


class NoRenames(OsFiles):
    """A disk that refuses to rename."""

    def rename(self, source, target, /):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.fixture
def paths(tmp_path):
    for name in ("a.log", "a.index"):
        (tmp_path / name).write_bytes(b"x")
    return [str(tmp_path / name) for name in ("a.log", "a.index", "a.txnindex")]


def names(tmp_path):
    return sorted(os.listdir(tmp_path))


def test_renamed_first_and_removed_when_due(tmp_path, paths):
    released = ReleasedFiles(StorageEnvironment(), pytest.fail)
    released.release(paths, NOW_MS)
    assert names(tmp_path) == ["a.index.deleted", "a.log.deleted"]
    assert len(released) == 2
    assert released.remove_due(NOW_MS - 1) == 0
    assert released.remove_due(NOW_MS) == 2
    assert (names(tmp_path), len(released)) == ([], 0)


def test_the_disk_is_left_to_the_background(tmp_path, paths):
    background = HeldBackground()
    background.hold = True
    released = ReleasedFiles(StorageEnvironment(background=background), pytest.fail)
    released.release(paths, NOW_MS)
    assert names(tmp_path) == ["a.index", "a.log"]
    background.finish_all()
    assert released.remove_due(NOW_MS) == 2
    assert len(names(tmp_path)) == 2
    background.finish_all()
    assert names(tmp_path) == []


def test_what_is_gone_already_is_no_trouble(tmp_path, paths):
    released = ReleasedFiles(StorageEnvironment(), pytest.fail)
    released.release(paths, NOW_MS)
    for name in names(tmp_path):
        (tmp_path / name).unlink()
    assert released.remove_due(NOW_MS) == 2


def test_a_disk_that_refuses_is_told(paths):
    told = []
    ReleasedFiles(StorageEnvironment(files=NoRenames()), told.append).release(paths, NOW_MS)
    assert [error.errno for error in told] == [errno.EROFS]
