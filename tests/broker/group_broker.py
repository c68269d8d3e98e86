"""A broker of which there are only metadata, partitions and groups: real logs in a real folder, time moved by hand."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ottla.broker.request import Deferred, RequestContext
from ottla.broker.runtime.group_configs import GroupConfigs
from ottla.broker.runtime.group_coordinators import GroupCoordinators
from ottla.broker.runtime.partitions import Partitions
from ottla.broker.runtime.timers import Timers
from ottla.broker.settings import group_settings
from ottla.protocol.compiler import decode, encode, encode_parts
from ottla.storage.environment import StorageEnvironment
from ottla.storage.recovery import open_log

from ..held_background import HeldBackground
from .connections import connection_info
from .metadata_broker import MetadataBroker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ottla.broker.services import Services
    from ottla.protocol.schema import Message
    from ottla.storage.log import Log
    from ottla.storage.log_config import LogConfig
from ottla.storage.file_records import FileRecords

OFFSETS_TOPIC = "__consumer_offsets"


class FolderLogs:
    """Logs in folders beside each other; remembers which are open."""

    def __init__(self, broker: GroupBroker) -> None:
        self.broker = broker
        self.opened: list[Log] = []
        self.kept_starts: list[tuple[str, int]] = []

    def open(self, topic: str, index: int, topic_id: bytes, config: LogConfig, directory_id: bytes) -> Log:
        directory = self.broker.folder / f"{topic}-{index}"
        directory.mkdir(exist_ok=True)
        log = open_log(
            os.fspath(directory),
            topic=topic,
            partition=index,
            topic_id=topic_id,
            config=config,
            environment=StorageEnvironment(files=self.broker.disk, background=self.broker.background),
            now_ms=self.broker.clock.now_ms(),
        )
        self.opened.append(log)
        return log

    def discard(self, log: Log) -> None:
        self.opened.remove(log)
        log.abandon()

    def keep_starts(self, logs: Sequence[Log]) -> list[Any]:
        """Note at once which starts were to be kept, and hold nobody up."""
        self.kept_starts += [(log.topic, log.log_start_offset) for log in logs]
        return []


class GroupBroker(MetadataBroker):
    """`ask` sends a request through its handler; `advance` lets time pass, `crash` keeps what is in the files."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.background = HeldBackground()
        options = ("offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=0", *options)
        super().__init__(folder, options)
        self.run()

    def run(self) -> None:
        self.timers = Timers()
        self.logs = FolderLogs(self)
        self.partitions = Partitions(self.logs, self.metadata.image, self.config.log_config)
        self.partitions.open_all()
        numbers = itertools.count(1)
        self.groups = GroupCoordinators(
            partitions=self.partitions,
            clock=self.clock,
            timers=self.timers,
            settings=group_settings(self.config),
            configs=GroupConfigs(self.metadata.image, self.config),
            new_uuid_text=lambda: str(next(numbers)),
            commits=self.commits,
        )
        self.metadata.listeners += [self.partitions, self.groups]
        self.groups.start()

    def crash(self) -> None:
        """End without a word, and start again."""
        for log in self.logs.opened:
            log.abandon()
        super().crash()
        self.run()

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, stopping at every timer on the way."""
        end_ms = self.clock.monotonic_ms() + elapsed_ms
        while (due_ms := self.timers.next_deadline_ms()) is not None and due_ms <= end_ms:
            self.clock.advance(max(due_ms - self.clock.monotonic_ms(), 0))
            self.timers.run_due(self.clock.monotonic_ms())
        self.clock.advance(end_ms - self.clock.monotonic_ms())

    def services(self) -> Services:
        return replace(super().services(), timers=self.timers, partitions=self.partitions, groups=self.groups)

    def ask(self, handler: Any, request: Message, version: int, client_id: str | None = "test") -> Any:
        """The answer as it arrives at a client, or a Deferred one that `arrived` can look into."""
        connection = connection_info()
        kind = type(request)
        context = RequestContext(kind.api_key, version, 1, client_id, connection)
        answer = handler.handle(decode(kind, encode(request, version), version), context, self.services())
        return answer if isinstance(answer, Deferred) else arrived(answer, version)


def arrived(answer: Any, version: int) -> Any:
    """A response after its way over the wire; of a Deferred one what it has been completed with, or None."""
    response = answer.response if isinstance(answer, Deferred) else answer
    if response is None:
        return None
    parts = encode_parts(response, version)
    sent = b"".join(part.read() if isinstance(part, FileRecords) else part for part in parts)
    return decode(type(response), sent, version)
