"""Fixtures of every test that needs a running broker.

`pytest --broker kafka` runs the same tests against Apache Kafka (by the real-kafka script), `--broker HOST:PORT`
against a broker that is running already; the default is Ottla.
"""

from __future__ import annotations

import itertools
import re
import shutil
import uuid

import pytest
from hypothesis import settings

from .harness.broker_process import FAST_GROUPS, KafkaBroker, OttlaBroker, RunningBroker
from .harness.java_tools import JavaTools, why_no_java

# How long an example takes is the machine's affair: on a busy one it decides nothing.
settings.register_profile("ottla", deadline=None)
settings.load_profile("ottla")


def pytest_addoption(parser):
    parser.addoption("--broker", default="ottla", help="ottla (default), kafka, or HOST:PORT of a running broker")


@pytest.fixture(scope="session")
def broker_kind(request) -> str:
    return request.config.getoption("--broker")


@pytest.fixture(scope="session")
def new_broker(broker_kind, tmp_path_factory):
    """A function that starts a broker of its own: new_broker({"key": "value"}). All are stopped at the end."""
    brokers = []
    numbers = itertools.count()

    def start(options: dict[str, str] | None = None):
        if ":" in broker_kind:
            pytest.skip(f"needs a broker that it can start; --broker {broker_kind} is somebody else's")
        kind = KafkaBroker if broker_kind == "kafka" else OttlaBroker
        home = tmp_path_factory.getbasetemp() / f"broker-{next(numbers)}"
        broker = kind(home, {**FAST_GROUPS, **(options or {})})
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture(scope="session")
def shared_broker(broker_kind, new_broker):
    if ":" in broker_kind:
        return RunningBroker(broker_kind)
    return new_broker()


@pytest.fixture
def broker(shared_broker):
    """The broker that all tests share, which nobody may end. What it logged is shown where a test fails."""
    assert shared_broker.alive(), f"an earlier test ended the shared broker\n{shared_broker.log_tail()}"
    yield shared_broker
    print(shared_broker.log_tail())  # noqa: T201 (pytest shows it beside a failure)
    assert shared_broker.alive(), "this test ended the shared broker"


@pytest.fixture
def own_broker(new_broker):
    """As `new_broker`, but stopped when the test ends, its log shown where the test fails."""
    brokers = []

    def start(options: dict[str, str] | None = None):
        broker = new_broker(options)
        brokers.append(broker)
        return broker

    yield start
    for broker in brokers:
        broker.stop()
        print(broker.log_tail())  # noqa: T201


@pytest.fixture
def unique(request):
    """A name that no other test uses, for a topic or a group."""
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name).strip("-")[:80]
    return f"{stem}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def kcat() -> str:
    path = shutil.which("kcat")
    if path is None:
        pytest.skip("kcat is not installed")
    return path


@pytest.fixture(scope="session")
def java_tools(tmp_path_factory):
    """Kafka's own command-line tools, run one after the other in one JVM."""
    reason = why_no_java()
    if reason:
        pytest.skip(reason)
    tools = JavaTools(tmp_path_factory.mktemp("java"))
    yield tools
    tools.close()
