"""Writes that a disk takes in pieces or refuses, files replaced in one step, and the bound on open files."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.storage.files import (
    OS_FILES,
    Descriptors,
    OpenFile,
    OsFiles,
    make_directories,
    remove_if_present,
    write_file,
    write_whole,
)


class PiecemealDisk(OsFiles):
    """Takes a few bytes a call, and none after `room_bytes`; keeps the names of what it was asked."""

    def __init__(self, *, piece_bytes: int = 3, room_bytes: int = 1 << 30) -> None:
        self.piece_bytes = piece_bytes
        self.room_bytes = room_bytes
        self.calls: list[str] = []

    def pwrite(self, descriptor, data, position):
        self.calls.append("pwrite")
        if not self.room_bytes:
            raise OSError(28, "No space left on device")
        written = os.pwrite(descriptor, data[: min(self.piece_bytes, self.room_bytes)], position)
        self.room_bytes -= written
        return written

    def fsync(self, descriptor):
        self.calls.append("fsync")
        os.fsync(descriptor)

    def rename(self, source, target):
        self.calls.append("rename")
        os.replace(source, target)


@given(data=st.binary(max_size=40), piece_bytes=st.integers(1, 9))
def test_a_disk_that_takes_little_at_once_gets_everything(tmp_path_factory, data, piece_bytes):
    path = tmp_path_factory.getbasetemp() / "pieces"
    path.write_bytes(b"")
    descriptor = os.open(path, os.O_RDWR)
    write_whole(PiecemealDisk(piece_bytes=piece_bytes), descriptor, data, 5)
    os.close(descriptor)
    assert path.read_bytes() == (b"\0" * 5 + data if data else b"")


class TestWriteFile:
    def test_it_replaces_the_old_file(self, tmp_path):
        path = tmp_path / "f"
        path.write_bytes(b"old and longer")
        write_file(OS_FILES, str(path), b"new", sync=True)
        assert path.read_bytes() == b"new"
        assert os.listdir(tmp_path) == ["f"]

    def test_a_full_disk_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "f"
        path.write_bytes(b"old")
        with pytest.raises(OSError, match="No space left"):
            write_file(PiecemealDisk(room_bytes=4), str(path), b"123456789", sync=True)
        assert path.read_bytes() == b"old"

    def test_bytes_are_on_the_disk_before_the_name_changes_and_the_name_after(self, tmp_path):
        disk = PiecemealDisk(piece_bytes=100)
        write_file(disk, str(tmp_path / "f"), b"12", sync=True)
        assert disk.calls == ["pwrite", "fsync", "rename", "fsync"]

    def test_without_sync_nothing_waits_for_the_disk(self, tmp_path):
        disk = PiecemealDisk(piece_bytes=100)
        write_file(disk, str(tmp_path / "f"), b"12", sync=False)
        assert disk.calls == ["pwrite", "rename"]


def test_removing_says_whether_the_file_was_there(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"")
    assert remove_if_present(OS_FILES, str(path))
    assert not remove_if_present(OS_FILES, str(path))


def new_file(path):
    path.write_bytes(b"")
    return path


class TestDescriptors:
    def test_a_file_that_is_not_there_is_not_made(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            OpenFile(str(tmp_path / "gone"), Descriptors(1), OS_FILES).open()

    def test_no_more_are_open_than_the_limit(self, tmp_path):
        descriptors = Descriptors(3)
        files = [OpenFile(str(new_file(tmp_path / str(i))), descriptors, OS_FILES) for i in range(10)]
        for file in files:
            os.pwrite(file.open(), b"x", 0)
            assert descriptors.open_count <= 3
        assert sum(file.descriptor >= 0 for file in files) == 3
        assert all(path.read_bytes() == b"x" for path in tmp_path.iterdir())
        for file in files:
            file.close()
        assert descriptors.open_count == 0

    def test_a_file_in_use_outlives_one_that_is_not(self, tmp_path):
        descriptors = Descriptors(2)
        busy, idle, new = (
            OpenFile(str(new_file(tmp_path / name)), descriptors, OS_FILES) for name in ("busy", "idle", "new")
        )
        busy.open()
        idle.open()
        idle.used = False
        new.open()
        assert busy.descriptor >= 0
        assert idle.descriptor < 0
        assert new.descriptor >= 0
        for file in (busy, idle, new):
            file.close()

    def test_a_closed_file_opens_again_with_its_content(self, tmp_path):
        file = OpenFile(str(new_file(tmp_path / "f")), Descriptors(1), OS_FILES)
        os.pwrite(file.open(), b"abc", 0)
        file.close()
        assert os.pread(file.open(), 9, 0) == b"abc"
        file.close()

    def test_a_limit_of_none_is_refused(self):
        with pytest.raises(ValueError, match="a limit of 0 open files"):
            Descriptors(0)


class TestMakeDirectories:
    def test_the_name_of_each_is_on_the_disk(self, tmp_path):
        disk = PiecemealDisk()
        make_directories(disk, str(tmp_path / "a" / "b"))
        assert (tmp_path / "a" / "b").is_dir()
        assert disk.calls == ["fsync", "fsync"]

    def test_one_that_is_there_costs_nothing(self, tmp_path):
        disk = PiecemealDisk()
        make_directories(disk, str(tmp_path))
        assert disk.calls == []

    def test_a_file_in_the_way_is_named(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match="file"):
            make_directories(OS_FILES, str(tmp_path / "file"))
        with pytest.raises(OSError, match="file"):
            make_directories(OS_FILES, str(tmp_path / "file" / "below"))
