"""The door between the actors and the broker, and the connections that outlive the broker's deaths."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..harness.raw_client import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_START_S = 60


class Finished(Exception):
    """No more is to be done."""


class Disconnected(Exception):
    """The connection ended; what was asked last may have happened or not."""


class Gate:
    """Open while a broker listens on `port`."""

    def __init__(self) -> None:
        self.port = 0
        self.openings = 0
        self._open = threading.Event()
        self._finished = False

    def open(self, port: int) -> None:
        """Let everybody go on."""
        self.port = port
        self.openings += 1
        self._open.set()

    def close(self) -> None:
        """Keep everybody out who is not in already."""
        self._open.clear()

    def finish(self) -> None:
        """Send everybody home."""
        self._finished = True
        self._open.set()

    def pass_through(self) -> None:
        """Wait until it is open. Raises Finished."""
        if not self._open.wait(LONGEST_START_S):
            raise TimeoutError(f"the broker was not there for {LONGEST_START_S} s")
        if self._finished:
            raise Finished


class Link:
    """A client that connects again, through the gate, when it is asked for the next thing."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._client: RawClient | None = None

    def client(self) -> RawClient:
        """The connection, made anew where there is none. Raises Disconnected, Finished."""
        self._gate.pass_through()
        if self._client is None:
            try:
                self._client = RawClient(self._gate)
            except OSError as error:
                raise Disconnected from error
        return self._client

    def use(self, action: Callable[[RawClient], object]):
        """What the action returns; a connection that it loses is forgotten. Raises Disconnected, Finished."""
        client = self.client()
        try:
            return action(client)
        except (OSError, EOFError) as error:
            self.drop()
            raise Disconnected from error

    def ask(self, request, response: type, version: int):
        """The answer to one request. Raises Disconnected, Finished."""
        return self.use(lambda client: client.ask(request, response, version))

    def drop(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.socket.close()
            self._client = None


class Actor:
    """Works in steps, in a thread, until the gate sends it home; its failure is kept for whoever looks."""

    def __init__(self, name: str, gate: Gate) -> None:
        self.name = name
        self.gate = gate
        self.link = Link(gate)
        self.failure: BaseException | None = None
        self._opening = self._steps = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Let it work."""
        self._thread.start()

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait until the gate has sent it home."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"{self.name} does not end"

    def _run(self) -> None:
        try:
            self._step_until_finished()
            self.link.drop()
            self.end()
        except BaseException as error:  # noqa: BLE001 (the main thread raises it again)
            self.failure = error

    def _step_until_finished(self) -> None:
        while True:
            try:
                self.gate.pass_through()
                self.step()
            except Disconnected:
                continue
            except Finished:
                return

    def has_done_enough(self, steps_max: int) -> bool:
        """Count a step; says whether there were more than so many since the gate opened last.

        What is checked after each start would otherwise grow with the time that checking takes.
        """
        if self.gate.openings != self._opening:
            self._opening, self._steps = self.gate.openings, 0
        self._steps += 1
        return self._steps > steps_max

    def step(self) -> None:
        """One thing to do. Raises Disconnected, Finished."""
        raise NotImplementedError

    def end(self) -> None:
        """Clean up behind the last step."""

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self.failure is not None:
            raise AssertionError(f"{self.name} failed: {self.failure!r}") from self.failure
