"""The fixtures as a user's tests have them: each case is a pytest run of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

PLUGIN = "ottla.broker.embedded.pytest_plugin"
DEADLINE_S = 100
OPTIONS = ("-q", "-p", "no:cacheprovider", "--strict-markers", "-rA")


@pytest.fixture
def run_pytest(tmp_path):
    """Run pytest on the text of a test module; how many passed, failed and so on, and all that was said."""

    def run(module: str, *arguments: str) -> tuple[dict[str, int], str]:
        (tmp_path / "test_it.py").write_text(module)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            "/dev/null",
            "--rootdir",
            str(tmp_path),
            "-p",
            "no:cacheprovider",
        ]
        if PLUGIN not in {entry.value for entry in entry_points(group="pytest11")}:
            command += ["-p", PLUGIN]
        ended = subprocess.run(
            [
                *command,
                "-q",
                "-p",
                "no:cacheprovider",
                "--strict-markers",
                "-rA",
                *arguments,
                str(tmp_path / "test_it.py"),
            ],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return outcomes(ended.stdout), ended.stdout + ended.stderr

    return run


def outcomes(output: str) -> dict[str, int]:
    words = output.splitlines()[-1].replace(",", "").split(" in ")[0].split()
    return {kind: int(count) for count, kind in zip(words[::2], words[1::2], strict=True)}


def test_each_test_begins_with_an_empty_broker_on_one_port(run_pytest):
    result, said = run_pytest(
        """
import pytest

ports = set()

@pytest.mark.parametrize("number", range(3))
def test_alone(kafka, number):
    ports.add(kafka.port)
    assert kafka.topics() == {} and kafka.groups() == {}
    kafka.produce("orders", "x")
    kafka.commit("readers", "orders", 1)
    kafka.clock.advance(days=1)

def test_one_port():
    assert len(ports) == 1

@pytest.mark.kafka(topics={"orders": 3})
def test_topics(kafka):
    assert len(kafka.topics()["orders"].partitions) == 3
    kafka.stop()

def test_after_one_was_stopped(kafka):
    assert kafka.topics() == {}

@pytest.mark.kafka(topics=["audit"])
class TestClass:
    def test_of_class(self, kafka):
        assert list(kafka.topics()) == ["audit"]

    @pytest.mark.kafka(topics=["other"], config={"num.partitions": 4, "auto.create.topics.enable": False})
    def test_nearest(self, kafka):
        assert kafka.port not in ports
        assert len(kafka.topics()["other"].partitions) == 4

def test_factory(kafka_broker_factory, kafka):
    one, two = kafka_broker_factory(topics=["a"]), kafka_broker_factory()
    assert len({one.port, two.port, kafka.port}) == 3
    global made
    made = one, two

def test_made_ones_are_stopped():
    assert not any(broker.is_running for broker in made)

async def with_aiokafka(kafka):
    import aiokafka
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    async with kafka.expect("orders", count=1) as records:
        await producer.send_and_wait("orders", b"async")
    await producer.stop()
    assert records[0].value == b"async"

def test_asyncio(kafka):
    import asyncio
    asyncio.run(with_aiokafka(kafka))
"""
    )
    assert result == {"passed": 11}, said


def test_a_failure_shows_the_broker(run_pytest):
    result, said = run_pytest(
        """
import pytest

def test_failing(kafka):
    kafka.produce("orders", "the culprit", key="k")
    kafka.commit("readers", "orders", 0)
    assert False

def test_passing(kafka):
    kafka.produce("orders", "innocent")

def test_failing_without_broker():
    assert False

def test_failing_after_stop(kafka):
    kafka.stop()
    assert False

@pytest.mark.kafka(topics={"orders": 0})
def test_refused(kafka):
    pass

@pytest.mark.kafka(topic="orders")
def test_mistyped(kafka):
    pass
"""
    )
    assert result == {"failed": 3, "passed": 1, "errors": 2}, said
    shown = said.split("FAILURES")[1]
    assert shown.count("Kafka broker 127.0.0.1:") == 1
    for part in (
        "orders-0@0 key=b'k' value=b'the culprit'",
        "readers (classic): Empty",
        "orders-0: committed 0, lag 1",
    ):
        assert part in shown
    assert "INVALID_PARTITIONS" in said
    assert "@pytest.mark.kafka takes only topics=, config=, faults=" in said
    assert "innocent" not in said


def test_a_fixture_that_fails_shows_the_broker(run_pytest):
    result, said = run_pytest(
        """
import pytest

@pytest.fixture
def service(kafka):
    kafka.produce("orders", "of the fixture")
    raise RuntimeError("does not start")

def test_service(service):
    pass
"""
    )
    assert result == {"error": 1}, said
    assert "orders-0@0 key=None value=b'of the fixture'" in said


@pytest.mark.parametrize(("plugin", "mark"), [("pytest_asyncio", "asyncio"), ("anyio", "anyio")])
def test_coroutines_by_each_plugin_that_runs_them(run_pytest, plugin, mark):
    pytest.importorskip(plugin)
    result, said = run_pytest(
        f"""
import asyncio
import aiokafka
import pytest

pytestmark = [pytest.mark.{mark}, pytest.mark.kafka(topics=["orders"])]

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_one(kafka):
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        async with kafka.expect("orders", count=1) as records:
            await producer.send_and_wait("orders", b"x")
    assert records[0].value == b"x"

async def test_another(kafka_broker_factory, kafka):
    assert kafka.records("orders") == []
    async with aiokafka.AIOKafkaConsumer("orders", bootstrap_servers=kafka.bootstrap_servers) as consumer:
        waiting = asyncio.create_task(consumer.getone())
        await kafka.wait_for_async(lambda: [each for each in kafka.connections() if each.waiting_for == "FETCH"])
        kafka.produce("orders", "y")
        assert (await waiting).value == b"y"
    assert kafka_broker_factory().port != kafka.port

async def test_failing(kafka):
    kafka.produce("orders", "the culprit")
    assert False
"""
    )
    assert result == {"passed": 2, "failed": 1}, said
    assert "value=b'the culprit'" in said


def test_faults_of_the_marker(run_pytest):
    result, said = run_pytest(
        """
import kafka as kafka_python
import pytest
from ottla.broker import Fault

REFUSED = Fault.error("Produce", "NOT_LEADER_OR_FOLLOWER", topic="orders", times=1)

def send(kafka):
    producer = kafka_python.KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, retry_backoff_ms=1)
    producer.send("orders", b"x").get(30)
    producer.close()

@pytest.mark.kafka(topics=["orders"], faults=[REFUSED])
def test_shared_broker(kafka):
    send(kafka)
    assert [hit.fault for hit in kafka.faults.history] == [REFUSED]

@pytest.mark.kafka(topics=["orders"], config={"num.partitions": 2}, faults=[REFUSED])
def test_own_broker(kafka):
    send(kafka)
    assert len(kafka.faults.history) == 1

@pytest.mark.kafka(faults=[Fault.freeze(), Fault.disk_full()])
def test_that_leaves_a_frozen_broker_behind(kafka):
    assert len(kafka.faults.active) == 2

@pytest.mark.kafka(topics=["orders"])
def test_after_it(kafka):
    assert kafka.faults.active == kafka.faults.history == []
    send(kafka)

@pytest.mark.kafka(topics=["orders"], faults=[REFUSED])
def test_failing(kafka):
    send(kafka)
    assert False

@pytest.mark.kafka(faults=[Fault.error("Produce", "NOT_LEADER_OR_FOLLOWER", topic="absent")])
def test_a_fault_for_a_topic_that_is_not_there_yet(kafka):
    pass

@pytest.mark.kafka(faults=["odd"])
def test_no_fault(kafka):
    pass
""",
        "-W",
        "ignore::DeprecationWarning",
    )
    assert result == {"failed": 1, "passed": 4, "errors": 2}, said
    shown = said.split("FAILURES")[1].split("short test summary")[0]
    assert "faults:" in shown
    assert "hit: " in shown
    assert "error NOT_LEADER_OR_FOLLOWER on Produce" in shown
    assert re.search(r"last requests:\n(.*\n)* +Produce \d+ of kafka-python-producer-\d+, 2 times\n", shown), shown
    assert "'odd' is no fault" in said


def test_a_run_without_kafka_loads_no_broker(run_pytest):
    result, said = run_pytest(
        """
import sys

def test_modules():
    loaded = sorted(name for name in sys.modules if name.startswith("ottla."))
    assert loaded == ["ottla.broker", "ottla.broker.embedded", "ottla.broker.embedded.pytest_plugin"]
"""
    )
    assert result == {"passed": 1}, said


def test_the_marker_is_explained(run_pytest):
    _, said = run_pytest("", "--markers")
    assert "@pytest.mark.kafka(topics={name: partitions}, config={key: value}, faults=" in said


def test_the_entry_point_is_declared():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}


def test_it_may_be_asked_for_by_its_name_besides(run_pytest):
    result, said = run_pytest("def test_it(kafka):\n    assert kafka.topics() == {}", "-p", PLUGIN)
    assert result == {"passed": 1}, said
