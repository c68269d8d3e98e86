"""The least that a server in Python does for a request: receive, and send it back.

What waking a CPU costs is charged to whoever runs on it first; beside this server one sees how much that is.
"""

from __future__ import annotations

import select
import socket

_CHUNK_BYTES = 65536


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
