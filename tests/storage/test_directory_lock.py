"""Who may hold a directory at the same time, and what is left behind."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

import pytest
from ottla.storage.directory_lock import LOCK_FILE, DirectoryLock, LockHeld


@pytest.fixture
def taken():
    """A function that takes a lock; all are released at the end."""
    locks = []

    def take(directory, **options):
        locks.append(DirectoryLock(str(directory), **options))
        return locks[-1]

    yield take
    for lock in locks:
        lock.release()


@pytest.fixture(params=[True, False], ids=["with a file", "without a file"])
def directory(request, tmp_path):
    if request.param:
        (tmp_path / LOCK_FILE).touch()
    return tmp_path


def test_a_writer_has_it_alone(directory, taken):
    taken(directory)
    for shared in (False, True):
        with pytest.raises(LockHeld, match="is locked: another broker uses this directory"):
            DirectoryLock(str(directory), shared=shared)


def test_readers_share_it_and_keep_writers_out(directory, taken):
    taken(directory, shared=True)
    taken(directory, shared=True)
    with pytest.raises(LockHeld):
        DirectoryLock(str(directory))


def test_a_writer_that_turns_reader_lets_readers_in(directory, taken):
    taken(directory).share()
    taken(directory, shared=True)
    with pytest.raises(LockHeld):
        DirectoryLock(str(directory))


def test_it_is_free_again_after_its_release(directory, taken):
    taken(directory).release()
    taken(directory)


def test_nothing_is_made_before_somebody_begins_to_write(tmp_path, taken):
    lock = taken(tmp_path)
    assert os.listdir(tmp_path) == []
    lock.make_file()
    assert os.listdir(tmp_path) == [LOCK_FILE]
    lock.make_file()


def test_another_process_sees_the_lock_that_java_takes(tmp_path, taken):
    lock = taken(tmp_path)
    lock.make_file()
    pid = os.fork()
    if not pid:
        # Java's FileChannel.tryLock: fcntl alone, on a descriptor of its own.
        descriptor = os.open(tmp_path / LOCK_FILE, os.O_RDWR)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_file_system_without_locks_on_directories_leaves_the_file(tmp_path, taken, monkeypatch):
    flock = fcntl.flock

    def without_directories(descriptor, kind):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", without_directories)
    taken(tmp_path).make_file()
    for shared in (False, True):
        with pytest.raises(LockHeld):
            DirectoryLock(str(tmp_path), shared=shared)


def test_a_directory_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        DirectoryLock(str(tmp_path / "none"), shared=True)
    assert os.listdir(tmp_path) == []
