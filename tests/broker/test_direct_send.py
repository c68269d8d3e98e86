"""Large responses over real sockets: every byte in its order, whoever reads how slowly."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
from typing import TYPE_CHECKING

import pytest
from ottla.broker.direct_send import DirectSend
from ottla.storage.file_records import FileRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

MB = 1 << 20
FILE_BYTES = 8 * MB


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("direct") / "x.log"
    path.write_bytes(random.Random(1).randbytes(FILE_BYTES))
    return path


pytestmark = pytest.mark.usefixtures("every_event_loop")


def stretch(file: Path, position: int, size: int) -> FileRecords:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return FileRecords(descriptor, str(file), position, size, 0)
    finally:
        os.close(descriptor)


class Pair:
    """Two connected sockets, and how the sending ended."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.reader = socket.create_connection(listener.getsockname())
        self.writer, _ = listener.accept()
        listener.close()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        self.is_done = asyncio.Event()
        self.is_lost = asyncio.Event()
        self.error: OSError | None = None

    def send(self, parts: list[bytes | FileRecords]) -> DirectSend:
        def lost(error: OSError) -> None:
            self.error = error
            self.is_lost.set()

        loop = asyncio.get_running_loop()
        sending = DirectSend(self.writer, list(parts), loop, self.is_done.set, lost)
        sending.go_on()
        return sending

    async def read(self, size: int, at_once: int = MB) -> bytes:
        loop, data = asyncio.get_running_loop(), bytearray()
        while len(data) < size:
            data += await loop.sock_recv(self.reader, min(size - len(data), at_once))
        return bytes(data)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


def run(scenario: Callable[[Pair], Coroutine[None, None, None]]) -> None:
    async def bounded() -> None:
        pair = Pair()
        try:
            async with asyncio.timeout(30):
                await scenario(pair)
        finally:
            pair.close()

    asyncio.run(bounded())


def open_files() -> int:
    gc.collect()  # what a test before left to it
    return len(os.listdir("/dev/fd"))


def test_files_and_memory_arrive_in_their_order(file: Path) -> None:
    content = file.read_bytes()
    large = random.Random(2).randbytes(3 * MB)

    async def scenario(pair: Pair) -> None:
        before = open_files()
        first, second, third = stretch(file, 5, 2 * MB), stretch(file, 100, 70_000), stretch(file, 9, 5 * MB)
        pair.send([b"head", first, b"", b"a", b"b", large, b"c", second, third, b"tail"])
        del first, second, third
        expected = b"".join(
            (
                b"head",
                content[5 : 5 + 2 * MB],
                b"ab",
                large,
                b"c",
                content[100:70_100],
                content[9 : 9 + 5 * MB],
                b"tail",
            )
        )
        assert await pair.read(len(expected)) == expected
        await pair.is_done.wait()
        assert open_files() == before

    run(scenario)


@pytest.mark.parametrize("seed", range(12))
def test_any_parts_arrive_whole_however_the_reader_reads(file: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = file.read_bytes()
    parts: list[bytes | FileRecords] = []
    expected = bytearray()
    for _ in range(chance.randrange(1, 40)):
        size = chance.choice((0, 1, 100, 65_535, 65_536, 200_000))
        start = chance.randrange(FILE_BYTES - size)
        if size and chance.random() < 0.5:
            parts.append(stretch(file, start, size))
        else:
            parts.append(content[start : start + size])
        expected += content[start : start + size]

    async def scenario(pair: Pair) -> None:
        if chance.random() < 0.5:
            pair.writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, chance.choice((4096, 100_000)))
        sending = pair.send(parts)
        received = bytearray()
        while len(received) < len(expected):
            wanted = min(chance.choice((10_000, 200_000, MB)), len(expected) - len(received))
            received += await pair.read(wanted)
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        assert received == expected
        await pair.is_done.wait()
        assert sending._parts == []

    run(scenario)


def test_a_reader_in_small_steps_gets_everything(file: Path) -> None:
    expected = b"head" + file.read_bytes() + bytes(MB)

    async def scenario(pair: Pair) -> None:
        pair.send([b"head", stretch(file, 0, FILE_BYTES), bytes(MB)])
        assert not pair.is_done.is_set()
        assert await pair.read(len(expected), 100_000) == expected
        await pair.is_done.wait()

    run(scenario)


def test_others_are_served_while_a_long_response_is_sent(file: Path) -> None:
    async def scenario(pair: Pair) -> None:
        reading = asyncio.ensure_future(pair.read(64 * FILE_BYTES))
        sending = pair.send([stretch(file, 0, FILE_BYTES) for _ in range(64)])
        turns = 0
        while not pair.is_done.is_set():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 64 * FILE_BYTES // (2 * MB) - 1
        assert sending.last_active_s <= asyncio.get_running_loop().time()
        assert len(await reading) == 64 * FILE_BYTES

    run(scenario)


def test_a_reader_that_hangs_up_ends_it_and_blames_no_file(file: Path) -> None:
    async def scenario(pair: Pair) -> None:
        before = open_files()
        records = stretch(file, 0, FILE_BYTES)
        blamed: list[OSError] = []
        records.on_failure = blamed.append
        pair.reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        pair.send([records] * 8)
        pair.reader.close()
        await pair.is_lost.wait()
        assert isinstance(pair.error, ConnectionError)
        pair.error = pair.error.with_traceback(None)  # it holds on to the parts
        assert not blamed
        assert not pair.is_done.is_set()
        del records
        assert open_files() == before - 1

    run(scenario)


def test_a_file_that_cannot_be_read_is_blamed(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        path = tmp_path / "short.log"
        path.write_bytes(bytes(MB))
        records = stretch(path, 0, MB)
        blamed: list[OSError] = []
        records.on_failure = blamed.append
        os.truncate(path, MB // 2)
        pair.send([b"head", records])
        await pair.is_lost.wait()
        assert "short.log" in str(pair.error)
        assert blamed == [pair.error]

    run(scenario)


def test_what_is_abandoned_sends_no_more_and_keeps_nothing_open(file: Path) -> None:
    async def scenario(pair: Pair) -> None:
        before = open_files()
        sending = pair.send([stretch(file, 0, FILE_BYTES)] * 8)
        assert not pair.is_done.is_set()
        sending.abandon()
        sending.abandon()
        sending.go_on()
        await asyncio.sleep(0)
        assert not pair.is_done.is_set()
        assert not pair.is_lost.is_set()
        assert open_files() == before

    run(scenario)
