"""`Broker`: a Kafka broker in this process, for whoever tests or tries what talks to Kafka.

    with Broker(topics={"orders": 6}) as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)

It listens on the loopback, on a free port. Its data is gone when it stops, unless `data_dir` keeps it. Several run
beside each other. Every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from typing import TYPE_CHECKING, TypeVar

from ...storage.files import OS_FILES
from ..app import StartError
from ..metadata.refusal import Refused
from . import connection_views, group_views, stored_records
from .clock_control import ClockControl
from .ephemeral_home import EphemeralHome, UnsyncedFiles
from .errors import AlreadyStarted, EmbeddedBrokerError, NotRunning, StartFailed
from .expectations import ExpectedRecords, wait_for
from .faults.control import Faults
from .faults.disk import FaultyFiles
from .in_process_client import InProcessClient, new_record
from .logging_setup import begin_logging
from .loop_thread import LoopThread
from .moving_clock import MovingClock
from .observed_broker import ChangeSignal, ObservedBroker
from .options import broker_config, topic_specs
from .process import brokers_of_process
from .reset import configs_now, reset
from .running import Running
from .summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from .faults.fault import Fault
    from .in_process_client import Headers
    from .options import ConfigValue, Topics
    from .views import ConnectionView, GroupView, RecordView, TopicView, TransactionView

T = TypeVar("T")


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
        faults: Iterable[Fault] = (),
    ) -> None:
        """`topics` are there from the start: {name: partitions or TopicSpec}, or names.

        `config` has Kafka's broker keys. `data_dir` is kept when the broker stops; port 0 is a free one. With
        `log_level` ("info") the broker's log goes to standard error. `faults` are in force from the start.
        Raises InvalidOption.
        """
        self._topics = topic_specs(topics)
        self._config = dict(config or {})
        self._data_dir = None if data_dir is None else os.fspath(data_dir)
        self._wanted_port = port
        self._log_level = log_level
        self._clock = MovingClock()
        self.clock = ClockControl(self._clock, self._advance_ms)
        """The broker's time, which can be advanced."""
        self.faults = Faults(self._here)
        """What goes wrong on demand, and what it has hit."""
        self._first_faults = list(faults)
        self._process_id: int | None = None
        self._running: Running | None = None

    # Life

    def start(self) -> Self:
        """Start; the broker answers when this returns. Raises InvalidOption, StartFailed, RequestRefused."""
        if self._process_id is not None:
            raise AlreadyStarted("this broker was started before; make another one")
        self._process_id = os.getpid()
        self._running = Running(self._start)
        atexit.register(self.stop)
        return self

    def _start(self, running: Running) -> None:
        undo = running.undo
        undo.callback(begin_logging(self._log_level))
        data_dir = self._data_dir
        if data_dir is None:
            home = EphemeralHome()
            undo.callback(home.remove)
            data_dir = home.path
        config = broker_config(self._config, data_dir, self._wanted_port)
        files = OS_FILES if self._data_dir is not None else UnsyncedFiles()
        running.broker = ObservedBroker(config, self._clock, FaultyFiles(files), ChangeSignal())
        running.thread = LoopThread("ottla-broker")
        undo.callback(running.thread.end)
        try:
            running.thread.run(running.broker.start())
        except StartError as error:
            raise StartFailed(str(error)) from error
        undo.callback(lambda: running.thread.run(running.broker.stop()))
        undo.callback(running.thread.thaw)
        brokers_of_process().add(running.broker)
        undo.callback(lambda: brokers_of_process().discard(running.broker))
        running.client = InProcessClient(running.broker, running.thread)
        running.first_configs = running.thread.call(lambda: configs_now(running.broker))
        running.client.create_topics(self._topics)
        for fault in self._first_faults:
            self.faults.add_to(running, fault)

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

    def _here(self) -> Running:
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

    @property
    def is_running(self) -> bool:
        """Whether it is started, not stopped, and in this process."""
        return self._running is not None and self._process_id == os.getpid()

    def reset(self, topics: Topics | None = None) -> None:
        """Empty the broker while clients stay connected, and make `topics`; without them those it was started with.

        Clients are answered as by Apache Kafka when their topics and groups were deleted. The clock returns to real
        time. Raises InvalidOption, RequestRefused; EmbeddedBrokerError when the disk does not take it.
        """
        running = self._here()
        specs = topic_specs(self._topics if topics is None else topics)
        self.faults.clear()

        def empty() -> None:
            self._clock.return_to_real_time()
            reset(running.broker, running.first_configs)

        try:
            running.client.create_topics(specs, before=empty)
        except Refused as refused:
            raise EmbeddedBrokerError(f"the broker cannot be reset: {refused.message}") from refused

    def _advance_ms(self, elapsed_ms: int) -> None:
        running = self._here()
        running.thread.check_awake()
        running.thread.call(lambda: running.broker.move_clock(self._clock, elapsed_ms))

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

    # Looking inside

    def topics(self, *, with_internal: bool = False) -> dict[str, TopicView]:
        """Every topic by name; Kafka's own (`__consumer_offsets`) when they are asked for."""
        return self._look(lambda broker: stored_records.topics(broker.services, with_internal=with_internal))

    def records(self, topic: str, partition: int | None = None) -> list[RecordView]:
        """The records of a partition, or of all partitions one after the other. Raises RequestRefused.

        Those of open and aborted transactions are there as well. A codec that is not installed raises MissingCodec.
        """
        return self._look(lambda broker: stored_records.records(broker.services, topic, partition))

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The offset after the last record, by partition; empty while the topic is not there."""
        return self._look(lambda broker: stored_records.end_offsets(broker.services, topic))

    def groups(self) -> dict[str, GroupView]:
        """Every group by its id, with members, assignments, offsets and lag."""
        return self._look(lambda broker: group_views.groups(broker.services))

    def transactions(self) -> dict[str, TransactionView]:
        """Every transactional id with its state."""
        return self._look(lambda broker: group_views.transactions(broker.services))

    def connections(self) -> list[ConnectionView]:
        """Every connection with its client id and what it waits for."""
        return self._look(lambda broker: connection_views.connections(broker.connections))

    def describe(self) -> str:
        """Topics with their last records, groups, transactions, connections and faults, as text for people."""
        return "\n".join([self._look(summary), self.faults.describe()])

    def _look(self, look: Callable[[ObservedBroker], T]) -> T:
        running = self._here()
        return running.thread.call(lambda: look(running.broker))

    # Acting as a client

    def produce(
        self,
        topic: str,
        value: bytes | str | None,
        *,
        key: bytes | str | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> RecordView:
        """Append a record as a producer does, and return it as it is stored. Raises RequestRefused, InvalidOption.

        Text is UTF-8. Without a partition the key decides, as in Kafka's clients; without a key it is partition 0.
        A topic that is not there is made, unless `auto.create.topics.enable` is false.
        """
        running = self._here()
        now_ms = self._clock.now_ms() if timestamp_ms is None else timestamp_ms
        record = new_record(value, key, headers, now_ms)
        return running.client.produce(topic, record, partition)

    def commit(self, group: str, topic: str, offset: int, partition: int = 0, metadata: str = "") -> None:
        """Commit an offset as a consumer without group membership does. Raises RequestRefused, as for live members."""
        self._here().client.commit(group, topic, partition, offset, metadata)

    # Waiting

    def wait_for(
        self, condition: Callable[[], T], timeout: float = 10.0, *, message: str | Callable[[], str] = ""
    ) -> T:
        """Wait until `condition()` is true and return what it returned; it is tried whenever the broker changes.

        Raises ExpectationFailed after `timeout` seconds, with `message` and what the broker holds. What is not there
        yet is not true: records of a topic that the broker does not know, a key or an index that raises LookupError.
        In a coroutine, whose event loop must not stand still, use `wait_for_async`.
        """
        running = self._here()

        def explain() -> str:
            text = message() if callable(message) else message
            return f"{text or f'not true within {timeout:g} s'}\nThe broker:\n{self.describe()}"

        return wait_for(running.broker.changes, condition, timeout, explain)

    async def wait_for_async(
        self,
        condition: Callable[[], T],
        timeout: float = 10.0,  # noqa: ASYNC109 - as in wait_for
        *,
        message: str | Callable[[], str] = "",
    ) -> T:
        """As `wait_for`, while the caller's event loop goes on; the condition is tried in another thread."""
        return await asyncio.to_thread(lambda: self.wait_for(condition, timeout, message=message))

    def expect(self, topic: str, count: int, timeout: float = 10.0) -> ExpectedRecords:
        """Around the code under test: `with broker.expect("orders", count=3) as records:`; also with `async with`.

        At the end of the block it waits until the topic has got that many records, which are then in `records`.
        Raises ExpectationFailed when it has others.
        """
        self._here()
        return ExpectedRecords(self, topic, count, timeout)
