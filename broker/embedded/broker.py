"""`Broker`: a Kafka broker in this process, for whoever tests or tries what talks to Kafka.

    with Broker(topics={"orders": 6}) as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)

It listens on the loopback, on a free port. Its data is gone when it stops, unless `data_dir` keeps it. Several run
beside each other. Every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
from typing import TYPE_CHECKING

from ...storage.files import OS_FILES
from ..app import StartError
from .ephemeral_home import EphemeralHome, UnsyncedFiles
from .errors import AlreadyStarted, NotRunning, StartFailed
from .in_process_client import InProcessClient
from .logging_setup import begin_logging
from .loop_thread import LoopThread
from .moving_clock import MovingClock
from .observed_broker import ObservedBroker
from .options import broker_config, topic_specs
from .process import brokers_of_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from .options import ConfigValue, Topics


class Broker:
    """A broker: made stopped, started once, stopped once; `with` and `async with` do both."""

    def __init__(
        self,
        *,
        topics: Topics = (),
        config: Mapping[str, ConfigValue] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        port: int = 0,
        log_level: str | None = None,
    ) -> None:
        """`topics` are there from the start: {name: partitions or TopicSpec}, or names.

        `config` has Kafka's broker keys. `data_dir` is kept when the broker stops; port 0 is a free one. With
        `log_level` ("info") the broker's log goes to standard error. Raises InvalidOption.
        """
        self._topics = topic_specs(topics)
        self._config = dict(config or {})
        self._data_dir = None if data_dir is None else os.fspath(data_dir)
        self._wanted_port = port
        self._log_level = log_level
        self._clock = MovingClock()
        self._process_id: int | None = None
        self._running: _Running | None = None

    # Life

    def start(self) -> Self:
        """Start; the broker answers when this returns. Raises InvalidOption, StartFailed, RequestRefused."""
        if self._process_id is not None:
            raise AlreadyStarted("this broker was started before; make another one")
        self._process_id = os.getpid()
        self._running = _Running(self._start)
        atexit.register(self.stop)
        return self

    def _start(self, running: _Running) -> None:
        undo = running.undo
        undo.callback(begin_logging(self._log_level))
        data_dir = self._data_dir
        if data_dir is None:
            home = EphemeralHome()
            undo.callback(home.remove)
            data_dir = home.path
        config = broker_config(self._config, data_dir, self._wanted_port)
        files = OS_FILES if self._data_dir is not None else UnsyncedFiles()
        running.broker = ObservedBroker(config, self._clock, files)
        running.thread = LoopThread("ottla-broker")
        undo.callback(running.thread.end)
        try:
            running.thread.run(running.broker.start())
        except StartError as error:
            raise StartFailed(str(error)) from error
        undo.callback(lambda: running.thread.run(running.broker.stop()))
        brokers_of_process().add(running.broker)
        undo.callback(brokers_of_process().discard, running.broker)
        running.client = InProcessClient(running.broker, running.thread)
        running.client.create_topics(self._topics)

    def stop(self) -> None:
        """Stop, and remove what is not kept; harmless when that was done before, and in a forked child."""
        running = self._running
        if running is None or self._process_id != os.getpid():
            return
        self._running = None
        atexit.unregister(self.stop)
        running.undo.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _here(self) -> _Running:
        """The running broker. Raises NotRunning."""
        if self._process_id is None:
            raise NotRunning("the broker is not started; use `with`, or call start()")
        if self._process_id != os.getpid():
            raise NotRunning(f"the broker runs in process {self._process_id}, which this one was forked from")
        if self._running is None:
            raise NotRunning("the broker is stopped")
        return self._running

    def __repr__(self) -> str:
        try:
            return f"<Broker {self.bootstrap_servers}>"
        except NotRunning as error:
            return f"<Broker: {error}>"

    # Where it is

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT for clients."""
        _, host, port = self._here().broker.addresses[0]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self._here().broker.addresses[0][2]

    # Topics

    def create_topics(self, topics: Topics) -> None:
        """Make topics, as given to the constructor. Raises InvalidOption; RequestRefused, as a client is told it."""
        self._here().client.create_topics(topic_specs(topics))


class _Running:
    """What is there between start and stop."""

    broker: ObservedBroker
    thread: LoopThread
    client: InProcessClient

    def __init__(self, start: Callable[[_Running], None]) -> None:
        """Call `start`, which leaves in `undo` what ends it; when it raises that is done at once."""
        self.undo = contextlib.ExitStack()
        with self.undo:
            start(self)
            self.undo = self.undo.pop_all()
