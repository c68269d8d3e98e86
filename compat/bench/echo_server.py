"""The least that a server in Python does for a request: receive, and send it back.

What waking a CPU costs is charged to whoever runs on it first; beside this server one sees how much that is.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 65536
_ECHO_BYTES = 100


class Echo:
    """A server that gives back what it gets, and a client of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._client = socket.create_connection(("127.0.0.1", int(self._process.stdout.readline())))
        self.pid = self._process.pid

    def __enter__(self) -> Echo:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.communicate()

    def ask(self) -> Callable[[], None]:
        """Send as many bytes as a commit has; what is returned reads them."""
        self._client.sendall(bytes(_ECHO_BYTES))

        def read() -> None:
            left = _ECHO_BYTES
            while left:
                left -= len(self._client.recv(left))

        return read


def main() -> None:
    """Listen, say where, and serve one client until it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setblocking(False)
    epoll = select.epoll()
    epoll.register(client, select.EPOLLIN)
    receive, send, poll = client.recv, client.send, epoll.poll
    while True:
        poll()
        data = receive(_CHUNK_BYTES)
        if not data:
            return
        send(data)


if __name__ == "__main__":
    main()
