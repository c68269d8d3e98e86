"""A data directory's life with several brokers, told once and looked at by many tests.

Each stay begins with a look (what does this broker show of what the last one left?), then everything is written that
there is to write, then comes another look and the end: a stop, or a crash. Kafka's tools read the files after each.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ottla.protocol.api_keys import ApiKey

from ..harness.broker_process import OTTLA
from . import clients, dumps
from .asking import Broker
from .contents import GROUPS, Contents
from .place import Place
from .view import TOOLS, take_view, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..harness.java_tools import JavaTools

STOP, KILL = "stop", "kill"
LOUD = {
    "kafka": re.compile(r"^\[[^\]]+\] ((?:WARN|ERROR|FATAL) .*)", re.MULTILINE),
    "ottla": re.compile(r"^\S+ \S+ ((?:WARNING|ERROR|CRITICAL) .*)", re.MULTILINE),
}


@dataclass(frozen=True)
class Story:
    """Who opens the directory in turn, and how each but the last ends; the last one is stopped."""

    name: str
    kinds: Sequence[str]
    endings: Sequence[str]
    format: Sequence[str] = ()
    directories: int = 1


@dataclass
class Stay:
    """One broker's time with the directory, and what was seen of it."""

    kind: str
    ending: str
    begun_after: str | None
    first_view: dict[str, Any] = field(default_factory=dict)
    last_view: dict[str, Any] = field(default_factory=dict)
    read_wrong: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    loud_lines: list[str] = field(default_factory=list)


class History:
    """`live` tells the story; everything else is there to be looked at afterwards."""

    def __init__(self, story: Story, home: Path, tools: JavaTools) -> None:
        self.story = story
        self.stays: list[Stay] = []
        self._home = home
        self._tools = tools
        self.place = Place(home, story.directories)
        self.contents = Contents(self.place)
        self._java = clients.JavaConsole(tools, self.place)
        self._transactional = clients.TransactionalClient(self.place)
        self.transactional_records_read: list[bytes] = []
        self._stream: clients.Stream | None = None
        self.streamed: tuple[list[bytes], list[bytes]] = ([], [])
        self._live: clients.LiveClients | None = None

    def live(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.place.close)
            stack.callback(self._close_clients)
            try:
                self._live_on()
            except BaseException:
                print(self.place.log_tail())  # noqa: T201 (pytest shows it beside the failure)
                raise

    def _live_on(self) -> None:
        if self.story.kinds[0] == "kafka":
            self.place.format(self._tools, *self.story.format)
        for kind, ending in zip(self.story.kinds, [*self.story.endings, STOP], strict=True):
            self._stay(kind, ending)

    def _close_clients(self) -> None:
        """Whatever is left of them when the story broke off."""
        for client in (self._stream, self._live):
            if client is not None:
                with contextlib.suppress(AssertionError):
                    client.close()

    def _stay(self, kind: str, ending: str) -> None:
        stay = Stay(kind, ending, self.stays[-1].ending if self.stays else None)
        self.stays.append(stay)
        self.place.start(kind)
        with Broker(self.place) as broker:
            wait_until_ready(broker, self.contents.topics)
            if stay.begun_after is None:
                self.contents.write_first(broker)
                served = broker.serves(ApiKey.CONSUMER_GROUP_HEARTBEAT)
                self._live = clients.LiveClients(self.place, consumer_protocol=served)
                self._stream = clients.Stream(self.place)
            else:
                stay.first_view = self._look(broker)
                stay.read_wrong = self._read_again()
            self._write(broker)
            stay.last_view = self._look(broker)
        self._end(stay)

    def _look(self, broker: Broker) -> dict[str, Any]:
        view = take_view(broker, self.contents.groups, self.contents.group_state)
        return {**view, TOOLS: clients.told_by_tools(self._tools, self.place, GROUPS)}

    def _read_again(self) -> list[str]:
        wrong = clients.read_again(self.place, self.contents.sent, len(self.stays))
        written, read = self._java.read_all()
        return wrong if read == written else [*wrong, f"the console read {read} instead of {written}"]

    def _write(self, broker: Broker) -> None:
        self.contents.write(broker)
        self._java.write()
        self._transactional.commit_and_begin()
        assert self._live is not None
        self._live.send()
        if len(self.stays) == 1:
            self.contents.delete_at_the_end(broker)

    @property
    def transactional_records_sent(self) -> list[bytes]:
        return self._transactional.sent

    def _finish_clients(self) -> None:
        """While there is a broker to tell."""
        self._transactional.finish()
        self.transactional_records_read = self._transactional.read_committed()
        assert self._live is not None
        assert self._stream is not None
        self.streamed = (self._stream.close(), self._stream.read())
        self._stream = None
        self._live.close()
        self._live = None

    def _end(self, stay: Stay) -> None:
        if len(self.stays) == len(self.story.kinds):
            self._finish_clients()
        if stay.ending == KILL:
            self.place.kill()
        else:
            self.place.stop()
        stay.loud_lines = LOUD[stay.kind].findall(self.place.log_text())
        stay.verified = [line for path in self.place.data_dirs for line in errors_in(path)]
        kept = self._home / f"dump-{len(self.stays)}.txt"
        stay.complaints = dumps.complaints(
            self._tools, self.place.data_dirs, kept, crashed_kafka=(stay.kind, stay.ending) == ("kafka", KILL)
        )


def errors_in(data_dir: Path) -> list[str]:
    """What `ottla storage verify` finds wrong with a directory."""
    done = subprocess.run([OTTLA, "storage", "verify", str(data_dir)], capture_output=True, text=True, timeout=60)
    return [] if done.returncode == 0 else [*done.stdout.splitlines(), *done.stderr.splitlines()]
