"""Stretches of files: what they hold on to, and what a reader gets through them."""

from __future__ import annotations

import gc
import os
import socket

import pytest
from ottla.storage.file_records import FileRecords

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path):
    (tmp_path / "x.log").write_bytes(CONTENT)
    return str(tmp_path / "x.log")


def stretch_of(path: str, position: int, size: int) -> FileRecords:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return FileRecords(descriptor, path, position, size, base_offset=7)
    finally:
        os.close(descriptor)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def received(reader: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += reader.recv(size - len(data))
    return data


def test_it_outlives_the_descriptor_it_came_from_and_the_file_s_name(path):
    stretch = stretch_of(path, 100, 300)
    os.unlink(path)
    assert len(stretch) == 300
    assert stretch.read() == CONTENT[100:400]


def test_the_file_is_closed_with_the_last_reference(path):
    before = open_files()
    stretch = stretch_of(path, 0, 10)
    shared = [stretch, stretch]
    assert open_files() == before + 1
    del stretch
    shared.pop()
    assert shared[0].read() == CONTENT[:10]
    shared.clear()
    gc.collect()
    assert open_files() == before


def test_what_is_sent_is_within_the_stretch(path):
    stretch = stretch_of(path, 1000, 500)
    writer, reader = socket.socketpair()
    with writer, reader:
        assert stretch.send_to(writer.fileno(), 0, 200) == 200
        assert stretch.send_to(writer.fileno(), 200, 10_000) == 300
        assert received(reader, 500) == CONTENT[1000:1500]


def test_a_file_that_became_shorter_is_an_error_and_no_endless_loop(path):
    stretch = stretch_of(path, 1000, 500)
    os.truncate(path, 1200)
    writer, reader = socket.socketpair()
    with writer, reader:
        assert stretch.send_to(writer.fileno(), 0, 500) == 200
        with pytest.raises(OSError, match=r"shorter than it was.*x\.log"):
            stretch.send_to(writer.fileno(), 200, 300)


def test_a_failure_is_told_to_who_wants_to_know(path):
    stretch = stretch_of(path, 0, 10)
    stretch.failed(OSError("nobody asked"))
    told: list[OSError] = []
    stretch.on_failure = told.append
    stretch.failed(OSError(5, "gone"))
    assert [error.errno for error in told] == [5]


def test_a_descriptor_that_is_none_is_refused(path):
    with pytest.raises(OSError, match="Bad file descriptor"):
        FileRecords(-1, path, 0, 10, 0)
