"""The health check, of brokers and of what only listens."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from ottla.broker.config.listeners import Listener
from ottla.broker.container.health import ask
from ottla.protocol.errors import ErrorCode

OTHERS = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "another correlation id": struct.pack(">iihi", 10, 7, 0, 0),
    "too little": struct.pack(">ii", 4, 1),
    "a huge frame": struct.pack(">ii", 1 << 30, 1),
    "nothing": b"",
}


def test_a_broker(kafka):
    answer = ask(Listener("PLAINTEXT", "", kafka.port))
    assert answer.error_code == ErrorCode.NONE
    assert answer.api_keys


@pytest.mark.parametrize("said", OTHERS.values(), ids=list(OTHERS))
def test_something_else(said):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer_once, args=(listening, said))
        thread.start()
        with pytest.raises((OSError, ValueError)):
            ask(Listener("PLAINTEXT", "0.0.0.0", listening.getsockname()[1]))
        thread.join()


def test_nobody():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            ask(Listener("PLAINTEXT", "", bound.getsockname()[1]))


def answer_once(listening, said: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(said)
