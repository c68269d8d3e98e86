from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.protocol.frames import FrameSplitter, FrameTooLargeError


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def feed(splitter: FrameSplitter, pieces: list[bytes]) -> list[bytes]:
    return [bytes(frame) for piece in pieces for frame in splitter.frames(memoryview(piece))]


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_frames_come_out_whole_however_they_arrive(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, bodies))
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(stream[at : at + cut])
        at += cut
    pieces.append(stream[at:])
    assert feed(FrameSplitter(100), [piece for piece in pieces if piece]) == bodies


def test_a_large_frame_is_received_into_the_tail() -> None:
    body = bytes(range(256)) * 4000
    stream = framed(body)
    splitter = FrameSplitter(2_000_000)
    assert feed(splitter, [stream[:1000]]) == []
    at, frame, rooms = 1000, None, []
    while frame is None:
        tail = splitter.tail()
        rooms.append(len(tail))
        tail[:] = stream[at : at + len(tail)]
        at += len(tail)
        frame = splitter.filled(len(tail))
    assert bytes(frame) == body
    assert max(rooms) <= len(stream) // 2
    assert splitter.missing_bytes == 0
    assert feed(splitter, [framed(b"next")]) == [b"next"]


def test_an_announced_length_alone_takes_no_memory() -> None:
    splitter = FrameSplitter(2_000_000_000)
    assert feed(splitter, [(1_900_000_000).to_bytes(4, "big") + b"x"]) == []
    assert len(splitter.tail()) <= 64 * 1024


@pytest.mark.parametrize("length", [-1, -(2**31), 101, 2**31 - 1])
@pytest.mark.parametrize("bytewise", [False, True])
def test_a_length_out_of_bounds_is_refused(length: int, bytewise: bool) -> None:
    start = length.to_bytes(4, "big", signed=True)
    pieces = [start[i : i + 1] for i in range(4)] if bytewise else [start]
    with pytest.raises(FrameTooLargeError, match=str(length)):
        feed(FrameSplitter(100), pieces)
