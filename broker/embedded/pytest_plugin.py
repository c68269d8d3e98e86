"""Fixtures for tests that need Kafka: `kafka`, `kafka_broker_factory`, and the marker that says with what.

    @pytest.mark.kafka(topics={"orders": 6})
    def test_orders(kafka):
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)

All tests of a process share one broker, which is emptied before each of them; its faults end and its clock is put back
too. A test that wants other broker settings (`config=`) has one of its own. When a test fails, its report shows what
the brokers held, what they were asked, and which faults hit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from .broker import Broker

_OPTIONS = ("topics", "config", "faults")
_BROKERS = pytest.StashKey["list[Broker]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    config.addinivalue_line(
        "markers",
        "kafka(topics={name: partitions}, config={key: value}, faults=[Fault.error(...), ...]): what the broker of "
        "the `kafka` fixture has; with config= the test gets a broker of its own",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Let the report of a test that failed, or could not begin, show its brokers."""
    report: pytest.TestReport = (yield).get_result()
    if report.when != "teardown" and report.failed:
        for broker in item.stash.get(_BROKERS, []):
            if broker.is_running:
                report.sections.append((f"Kafka broker {broker.bootstrap_servers}", broker.describe()))


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker that is empty but for the topics of the marker."""
    options = _marked(request)
    if options.get("config"):
        make = request.getfixturevalue("kafka_broker_factory")
        yield make(**options)
        return
    broker = request.getfixturevalue("_kafka_of_process").fresh(options.get("topics", ()))
    _show_when_failed(request, broker)
    for fault in options.get("faults", ()):
        broker.faults.add(fault)
    yield broker


@pytest.fixture
def kafka_broker_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Broker]]:
    """A function that starts a broker, with the arguments of `Broker`; all are stopped at the end of the test."""
    from .broker import Broker

    brokers: list[Broker] = []

    def make(**options: Any) -> Broker:
        broker = Broker(**options)
        brokers.append(broker)
        _show_when_failed(request, broker)
        return broker.start()

    yield make
    for broker in brokers:
        broker.stop()


@pytest.fixture(scope="session")
def _kafka_of_process() -> Iterator[_ProcessBroker]:
    shared = _ProcessBroker()
    yield shared
    shared.stop()


class _ProcessBroker:
    """The broker that the tests of this process share; another one where a test has stopped it."""

    def __init__(self) -> None:
        self._broker: Broker | None = None

    def fresh(self, topics: Any) -> Broker:
        from .broker import Broker

        if self._broker is None or not self._broker.is_running:
            self._broker = Broker().start()
        self._broker.reset(topics=topics)
        return self._broker

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of the markers on the test, its class and its module; the nearest has the last word."""
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("kafka"))):
        unknown = set(marker.kwargs) - set(_OPTIONS)
        if unknown or marker.args:
            known = ", ".join(f"{name}=" for name in _OPTIONS)
            raise pytest.UsageError(f"@pytest.mark.kafka takes only {known}")
        options |= marker.kwargs
    return options


def _show_when_failed(request: pytest.FixtureRequest, broker: Broker) -> None:
    request.node.stash.setdefault(_BROKERS, []).append(broker)
