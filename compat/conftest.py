"""What the whole suite shares: which broker it asks, and what it compares with.

    pytest compat                                  Ottla, started for the run
    pytest compat --broker kafka                   Apache Kafka, started for the run
    pytest compat --bootstrap-server HOST:PORT     any broker that runs already

What a broker or this machine cannot run is skipped by name, with the reason.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import uuid

import pytest

from . import kafka_container, kafka_launcher, report
from .brokers import Broker, CannotRun, OttlaProcess, RunningBroker
from .clients.matrix import CLIENT_RUNS, ClientRuns

_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    # Where tests/ is collected in the same run, its option of the same name is there already.
    with contextlib.suppress(ValueError):
        parser.addoption("--broker", default="ottla", help="the broker to ask: ottla (default) or kafka")
    parser.addoption("--bootstrap-server", metavar="HOST:PORT", help="ask a broker that runs already instead")
    parser.addoption("--report", metavar="FILE", help="write what the run found as a page of Markdown")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[report.FINDINGS] = report.Findings()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call):
    outcome = yield
    item.config.stash[report.FINDINGS].note_test(item, outcome)
    return outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--report")
    if path:
        clients = session.config.stash.get(CLIENT_RUNS, ClientRuns())
        report.write(path, session.config.stash[report.FINDINGS], clients)


@pytest.fixture(scope="session")
def findings(request: pytest.FixtureRequest) -> report.Findings:
    """What the report is made of."""
    return request.config.stash[report.FINDINGS]


def _home(tmp_path_factory: pytest.TempPathFactory, kind: str):
    return tmp_path_factory.getbasetemp() / f"{kind}-{next(_numbers)}"


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, findings: report.Findings):
    """The broker that is asked; whoever kills it starts it again."""
    address = request.config.getoption("--bootstrap-server")
    kind = request.config.getoption("--broker")
    if address:
        yield RunningBroker(address)
        return
    if kind not in ("ottla", "kafka"):
        pytest.exit(f"--broker is ottla or kafka, not {kind}; a broker that runs already is --bootstrap-server's", 2)
    home = _home(tmp_path_factory, kind)
    yield from _running(OttlaProcess(home) if kind == "ottla" else _apache_kafka(home))


@pytest.fixture(scope="session")
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Apache Kafka, to compare with; the broker itself when that is Apache Kafka already."""
    asked: Broker = request.getfixturevalue("broker")
    if asked.kind == "kafka":
        yield asked
        return
    yield from _running(_apache_kafka(_home(tmp_path_factory, "reference")))


def _apache_kafka(home) -> Broker:
    """By the Java of this machine, else in a container."""
    without_java = kafka_launcher.why_not()
    if without_java is None:
        return kafka_launcher.KafkaProcess(home)
    without_docker = kafka_container.why_not()
    if without_docker is None:
        return kafka_container.KafkaContainer(home)
    pytest.skip(f"{without_java}; {without_docker}")


def _running(made):
    try:
        made.start()
    except CannotRun as reason:
        pytest.skip(str(reason))
    yield made
    # What it leaves is thrown away, and a good order takes Apache Kafka ten seconds.
    made.kill()


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name).strip("-")[:80]
    return f"{stem}-{uuid.uuid4().hex[:8]}"
