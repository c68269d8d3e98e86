"""The loop of Linux: what asyncio promises holds while the poll itself calls the receivers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from ottla.broker.event_loop import add_receiver, new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if sys.platform != "linux":
    pytest.skip("the loop is for Linux", allow_module_level=True)

from ottla.broker.epoll_loop import EpollLoop


@pytest.fixture
def loop() -> Iterator[EpollLoop]:
    """A loop that the test runs."""
    loop = new_event_loop()
    assert isinstance(loop, EpollLoop)
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends that do not block."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


Pair = tuple[socket.socket, socket.socket]


def echo_until(loop: EpollLoop, pair: Pair, is_over: Callable[[], bool]) -> list[int]:
    """Let two receivers send a byte to each other until something is so; the list counts the bytes."""
    count = [0]

    def pass_on(end: socket.socket) -> None:
        end.recv(1)
        count[0] += 1
        if is_over():
            loop.stop()
        else:
            end.send(b"x")

    for end in pair:
        loop.add_receiver(end, lambda end=end: pass_on(end))  # type: ignore[misc]
    pair[0].send(b"x")
    return count


def test_receivers_are_called_without_a_turn_of_asyncio(loop: EpollLoop, pair: Pair) -> None:
    count = [0]
    turns = []
    count = echo_until(loop, pair, lambda: count[0] >= 1000)
    run_once = loop._run_once  # type: ignore[attr-defined]
    loop._run_once = lambda: (turns.append(1), run_once())  # type: ignore[attr-defined]
    loop.run_forever()
    assert count[0] >= 1000
    assert len(turns) <= 3


def test_a_callback_of_a_receiver_runs_before_the_next_poll(loop: EpollLoop, pair: Pair) -> None:
    done = []
    echo_until(loop, pair, lambda: False)
    loop.add_receiver(pair[1], lambda: loop.call_soon(lambda: (done.append(1), loop.stop())))
    loop.run_forever()
    assert done == [1]


def test_a_timer_that_a_receiver_set_is_kept(loop: EpollLoop, pair: Pair) -> None:
    fired = []
    loop.add_receiver(pair[1], lambda: (pair[1].recv(1), loop.call_later(0.01, lambda: (fired.append(1), loop.stop()))))
    pair[0].send(b"x")
    loop.run_forever()
    assert fired == [1]


def test_a_timer_is_kept_while_receivers_are_never_idle(loop: EpollLoop, pair: Pair) -> None:
    fired: list[int] = []
    count = echo_until(loop, pair, lambda: bool(fired))
    loop.call_later(0.05, fired.append, 1)
    loop.run_forever()
    assert fired
    assert count[0] > 1


def test_an_earlier_timer_than_the_one_that_was_waited_for(loop: EpollLoop, pair: Pair) -> None:
    fired = []
    never = loop.call_later(3000, loop.stop)
    loop.add_receiver(
        pair[1], lambda: (pair[1].recv(1), loop.call_at(loop.time(), lambda: (fired.append(1), loop.stop())))
    )
    pair[0].send(b"x")
    loop.run_forever()
    never.cancel()
    assert fired == [1]


def test_another_thread_wakes_the_poll(loop: EpollLoop, pair: Pair) -> None:
    loop.add_receiver(pair[1], lambda: None)
    caller = threading.Thread(target=lambda: loop.call_soon_threadsafe(loop.stop))
    loop.call_soon(caller.start)
    loop.run_forever()
    caller.join()


def test_a_signal_wakes_the_poll(loop: EpollLoop, pair: Pair) -> None:
    told = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: (told.append(1), loop.stop()))
    loop.add_receiver(pair[1], lambda: (pair[1].recv(1), os.kill(os.getpid(), signal.SIGUSR1)))
    pair[0].send(b"x")
    loop.run_forever()
    assert told == [1]


def test_an_interrupt_in_a_receiver_leaves_the_loop(loop: EpollLoop, pair: Pair) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    loop.add_receiver(pair[1], interrupted)
    pair[0].send(b"x")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()


def test_a_receiver_that_fails_ends_nothing_but_itself(
    loop: EpollLoop, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    received = []

    def fail_first() -> None:
        received.append(pair[1].recv(1))
        if len(received) == 1:
            pair[0].send(b"2")
            raise ValueError("it is not well")
        loop.stop()

    loop.add_receiver(pair[1], fail_first)
    pair[0].send(b"1")
    loop.run_forever()
    assert received == [b"1", b"2"]
    assert "it is not well" in caplog.text


def test_a_socket_that_is_removed_is_not_received_from(loop: EpollLoop, pair: Pair) -> None:
    """Not even when the poll told of both, and the first receiver gave the other up."""
    called = []

    def give_the_other_up(own: socket.socket, other: socket.socket) -> None:
        called.append(own)
        own.recv(1)
        assert loop.remove_reader(other)
        loop.call_soon(loop.stop)

    for own, other in (pair, pair[::-1]):
        loop.add_receiver(own, lambda own=own, other=other: give_the_other_up(own, other))  # type: ignore[misc]
        other.send(b"x")
    loop.run_forever()
    assert len(called) == 1
    assert not loop.remove_reader(pair[pair.index(called[0]) - 1])


def test_a_reader_in_place_of_a_receiver_is_called(loop: EpollLoop, pair: Pair) -> None:
    called = []
    loop.add_receiver(pair[1], lambda: called.append("receiver"))
    loop.remove_reader(pair[1].fileno())
    loop.add_reader(pair[1], lambda: (called.append("reader"), loop.stop()))
    pair[0].send(b"x")
    loop.run_forever()
    assert called == ["reader"]


def test_a_socket_is_written_and_received_from(loop: EpollLoop, pair: Pair) -> None:
    """Receiver and writer of one socket are both served, whatever the poll tells together."""
    own, other = pair
    events = []

    def write() -> None:
        events.append("written")
        loop.remove_writer(own)
        other.send(b"2")

    def receive() -> None:
        events.append(own.recv(1).decode())
        if events[-1] == "2":
            loop.stop()

    loop.add_receiver(own, receive)
    loop.add_writer(own, write)
    other.send(b"1")
    loop.run_forever()
    assert sorted(events) == ["1", "2", "written"]


def test_a_peer_that_is_gone_is_told(loop: EpollLoop, pair: Pair) -> None:
    read = []
    loop.add_receiver(pair[1], lambda: (read.append(pair[1].recv(1)), loop.stop()))
    pair[0].close()
    loop.run_forever()
    assert read == [b""]


def test_more_sockets_than_one_poll_tells_of(loop: EpollLoop) -> None:
    pairs = [socket.socketpair() for _ in range(300)]
    received = set()

    def receive(index: int) -> None:
        pairs[index][1].recv(1)
        received.add(index)
        if len(received) == len(pairs):
            loop.stop()

    for index, (sender, receiver) in enumerate(pairs):
        loop.add_receiver(receiver, lambda index=index: receive(index))  # type: ignore[misc]
        sender.send(b"x")
    loop.run_forever()
    assert received == set(range(300))
    for ends in pairs:
        for end in ends:
            end.close()


def test_coroutines_and_streams_run_beside_receivers(loop: EpollLoop, pair: Pair) -> None:
    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        answer = await asyncio.wait_for(reader.readexactly(5), 10)
        writer.close()
        return answer

    async def run() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readexactly(5)).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return await ask(server.sockets[0].getsockname()[1])

    over: list[int] = []
    echo_until(loop, pair, lambda: bool(over))
    assert loop.run_until_complete(run()) == b"HELLO"


def test_a_closed_loop_keeps_no_descriptor() -> None:
    before = set(os.listdir("/proc/self/fd"))
    loop = new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_another_loop_is_given_a_reader(pair: Pair) -> None:
    other = asyncio.new_event_loop()
    add_receiver(other, pair[1], other.stop)
    pair[0].send(b"x")
    other.run_forever()
    other.remove_reader(pair[1])
    other.close()


def test_elsewhere_the_loop_is_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    loop = new_event_loop()
    assert not isinstance(loop, EpollLoop)
    loop.close()
