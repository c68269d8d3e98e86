from __future__ import annotations

from ottla.protocol.receive_buffers import LARGE_FROM_BYTES, ReceiveBuffers

MEGABYTE = 1 << 20


def used(buffers: ReceiveBuffers, size_bytes: int) -> bytearray:
    """A buffer that had a frame in it and came back."""
    buffer = buffers.take(size_bytes)
    buffers.give_back(buffer, memoryview(buffer))
    return buffer


def test_a_buffer_that_came_back_is_taken_again() -> None:
    buffers = ReceiveBuffers(0)
    buffer = used(buffers, MEGABYTE)
    assert buffers.take(MEGABYTE - 1) is buffer
    assert buffers.take(MEGABYTE - 1) is not buffer


def test_a_buffer_comes_back_as_it_was() -> None:
    buffers = ReceiveBuffers(0)
    buffer = buffers.take(MEGABYTE)
    buffer[:] = bytes(range(256)) * 4096
    buffers.give_back(buffer, memoryview(buffer))
    assert buffer == bytes(range(256)) * 4096


def test_a_buffer_of_which_somebody_has_a_view_is_not_taken_by_others() -> None:
    buffers = ReceiveBuffers(0)
    buffer = buffers.take(MEGABYTE)
    frame = memoryview(buffer)
    batch = frame[100:200]
    buffers.give_back(buffer, frame)
    assert buffers.spare_bytes == 0
    assert buffers.take(MEGABYTE) is not buffer
    assert batch == bytes(100)


def test_a_spare_buffer_that_is_too_small_gives_way() -> None:
    buffers = ReceiveBuffers(0)
    used(buffers, LARGE_FROM_BYTES)
    large = used(buffers, MEGABYTE)
    assert buffers.spare_bytes == MEGABYTE
    assert buffers.take(LARGE_FROM_BYTES) is large


def test_small_buffers_are_as_small_as_asked_and_not_kept() -> None:
    buffers = ReceiveBuffers(0)
    used(buffers, MEGABYTE)
    small = used(buffers, 100)
    assert len(small) == 100
    assert buffers.spare_bytes == MEGABYTE


def test_what_is_kept_has_a_bound() -> None:
    buffers = ReceiveBuffers(0)
    taken = [buffers.take(MEGABYTE) for _ in range(100)]
    for buffer in taken:
        buffers.give_back(buffer, memoryview(buffer))
    assert buffers.spare_bytes == 8 * MEGABYTE
    huge = ReceiveBuffers(0)
    used(huge, 100 * MEGABYTE)
    assert huge.spare_bytes == 0


def test_spare_buffers_that_nobody_used_are_dropped() -> None:
    calls: list[int] = []
    buffers = ReceiveBuffers(0, on_spare=lambda: calls.append(1))
    used(buffers, MEGABYTE)
    assert calls == [1]
    assert buffers.drop_unused()
    used(buffers, MEGABYTE)
    assert buffers.drop_unused()
    assert not buffers.drop_unused()
    assert buffers.spare_bytes == 0
    used(buffers, MEGABYTE)
    assert len(calls) > 1
