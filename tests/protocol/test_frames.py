from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ottla.protocol.frames import FrameSplitter, FrameTooLargeError
from ottla.protocol.receive_buffers import LARGE_FROM_BYTES, ReceiveBuffers

SHARED_BYTES = 256 * 1024


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def body_of(size: int) -> bytes:
    return Random(size).randbytes(size)


def new_splitter(frame_bytes_max: int = 2_000_000, buffers: ReceiveBuffers | None = None) -> FrameSplitter:
    return FrameSplitter(frame_bytes_max, buffers or ReceiveBuffers(SHARED_BYTES))


def receive(splitter: FrameSplitter, stream: bytes) -> tuple[list[bytes], bytes]:
    """What one call to a socket with these bytes in it completes, and what stays in the socket."""
    room = splitter.room()
    count = min(len(room), len(stream))
    room[:count] = stream[:count]
    del room
    whole = splitter.whole(count)
    return [bytes(frame) for frame in (splitter.frames(count) if whole is None else (whole,))], stream[count:]


def feed(splitter: FrameSplitter, pieces: list[bytes]) -> list[bytes]:
    found = []
    for piece in pieces:
        left = piece
        while left:
            frames, left = receive(splitter, left)
            found += frames
    return found


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_frames_come_out_whole_however_they_arrive(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, bodies))
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(stream[at : at + cut])
        at += cut
    pieces.append(stream[at:])
    assert feed(new_splitter(100), pieces) == bodies


@pytest.mark.parametrize(
    ("received", "is_whole"),
    [
        (framed(b"abc"), True),
        (framed(b""), True),
        (framed(b"abc")[:-1], False),
        (framed(b"abc") + b"\0", False),
        (framed(b"abc") + framed(b"abc"), False),
        (framed(bytes(101)), False),
        (b"\xff\xff\xff\xff", False),
        (b"\0\0\0", False),
    ],
)
def test_one_frame_and_nothing_else_is_seen_at_once(received: bytes, is_whole: bool) -> None:
    splitter = new_splitter(100)
    splitter.room()[:4] = b"\xff\xff\xff\xff"  # what is left of the frame before
    splitter.room()[: len(received)] = received
    whole = splitter.whole(len(received))
    assert (None if whole is None else bytes(whole)) == (received[4:] if is_whole else None)


def test_the_end_of_a_frame_is_not_taken_for_one() -> None:
    splitter = new_splitter(100)
    inner = framed(b"abc")
    assert feed(splitter, [framed(b"12" + inner)[:6], inner]) == [b"12" + inner]


SIZES = st.one_of(
    st.integers(0, 200),
    st.sampled_from([LARGE_FROM_BYTES + change for change in (-5, -4, -3, 0, 1)]),
    st.integers(LARGE_FROM_BYTES, 600_000),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(SIZES, max_size=4), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_connections_in_turn_get_their_own_frames_of_any_size_in_pieces_of_any_size(
    sizes: list[list[int]], chance: Random
) -> None:
    buffers = ReceiveBuffers(SHARED_BYTES)
    splitters = [new_splitter(buffers=buffers) for _ in sizes]
    expected = [[body_of(size) for size in each] for each in sizes]
    streams = [b"".join(map(framed, bodies)) for bodies in expected]
    found: list[list[bytes]] = [[] for _ in sizes]
    while any(streams):
        number = chance.choice([at for at, stream in enumerate(streams) if stream])
        size = chance.choice([1, 3, 5, 1000, LARGE_FROM_BYTES, 200_000, 1_000_000])
        piece = streams[number][:size]
        found[number] += feed(splitters[number], [piece])
        streams[number] = streams[number][len(piece) :]
    assert found == expected


def test_the_rest_of_a_large_frame_is_received_behind_its_beginning() -> None:
    body = body_of(1_000_000)
    buffers = ReceiveBuffers(SHARED_BYTES)
    splitter = new_splitter(buffers=buffers)
    assert feed(splitter, [framed(body)[:1000]]) == []
    left, frames, rooms = framed(body)[1000:], [], []
    while left:
        assert splitter.room() is not buffers.shared
        rooms.append(len(splitter.room()))
        frames, left = receive(splitter, left)
    assert frames == [body]
    assert max(rooms) <= len(body) // 2
    assert splitter.room() is buffers.beginning
    assert feed(splitter, [framed(b"next")]) == [b"next"]
    assert splitter.room() is buffers.shared


def test_the_next_large_frame_has_room_for_all_of_it_at_once() -> None:
    buffers = ReceiveBuffers(SHARED_BYTES)
    splitter = new_splitter(buffers=buffers)
    stream = framed(body_of(1_000_000))
    feed(splitter, [stream])
    spare_bytes = buffers.spare_bytes
    feed(splitter, [stream[:1000]])
    assert len(splitter.room()) == len(stream) - 1000
    assert buffers.spare_bytes == 0
    feed(splitter, [stream[1000:]])
    assert buffers.spare_bytes == spare_bytes


def test_a_frame_that_is_still_viewed_keeps_its_buffer() -> None:
    buffers = ReceiveBuffers(SHARED_BYTES)
    splitter = new_splitter(buffers=buffers)
    first, second = body_of(1_000_000), body_of(1_000_001)
    feed(splitter, [framed(first)[:-1]])
    splitter.room()[:1] = first[-1:]
    (kept,) = [frame[10:] for frame in splitter.frames(1)]
    assert buffers.spare_bytes == 0
    assert feed(splitter, [framed(second)]) == [second]
    assert kept == first[10:]


def test_an_announced_length_alone_takes_no_memory() -> None:
    splitter = new_splitter(2_000_000_000)
    assert feed(splitter, [(1_900_000_000).to_bytes(4, "big") + b"x"]) == []
    assert len(splitter.room()) <= LARGE_FROM_BYTES


@pytest.mark.parametrize("length", [-1, -(2**31), 101, 2**31 - 1])
@pytest.mark.parametrize("bytewise", [False, True])
def test_a_length_out_of_bounds_is_refused(length: int, bytewise: bool) -> None:
    start = length.to_bytes(4, "big", signed=True)
    pieces = [start[i : i + 1] for i in range(4)] if bytewise else [start]
    with pytest.raises(FrameTooLargeError, match=str(length)):
        feed(new_splitter(100), pieces)
