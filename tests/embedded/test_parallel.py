"""Several processes with the fixtures: workers of pytest-xdist, and children of a fork."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

PLUGIN = "ottla.broker.embedded.pytest_plugin"
DEADLINE_S = 110

WORKERS = """
import json
import os

import pytest
from pathlib import Path

HERE = Path(__file__).parent

@pytest.mark.parametrize("number", range(40))
@pytest.mark.kafka(topics=["orders"])
def test_alone(kafka, number, worker_id):
    assert kafka.records("orders") == []
    kafka.produce("orders", str(number))
    said = json.dumps([worker_id, os.getpid(), kafka.port, number])
    (HERE / f"{number}.json").write_text(said)
    assert [record.value for record in kafka.records("orders")] == [str(number).encode()]

def test_failing(kafka):
    kafka.produce("orders", "the culprit")
    assert False
"""

FORKED = """
import multiprocessing
import os

import kafka as kafka_python
import pytest
from ottla.broker import NotRunning


def as_client(bootstrap_servers, value):
    producer = kafka_python.KafkaProducer(bootstrap_servers=bootstrap_servers)
    producer.send("orders", value).get(30)
    producer.close()


@pytest.mark.parametrize("way", ["fork", "forkserver", "spawn"])
def test_processes_that_are_clients(kafka, way):
    context = multiprocessing.get_context(way)
    children = [context.Process(target=as_client, args=(kafka.bootstrap_servers, b"%d" % n)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert sorted(record.value for record in kafka.records("orders")) == [b"0", b"1", b"2"]


def test_a_pool(kafka):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.starmap(as_client, [(kafka.bootstrap_servers, b"%d" % n) for n in range(6)])
    assert len(kafka.records("orders")) == 6


def test_a_child_that_goes_on_as_pytest(kafka, request):
    kafka.produce("orders", "of the parent")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with pytest.raises(NotRunning):
                kafka.records("orders")
            own = request.getfixturevalue("_kafka_of_process").fresh([])
            assert own is not kafka
            own.produce("orders", "of the child")
            assert [record.value for record in own.records("orders")] == [b"of the child"]
            own.stop()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [record.value for record in kafka.records("orders")] == [b"of the parent"]


def test_after_all_of_them(kafka):
    assert kafka.topics() == {}
"""


def run_pytest(folder, module: str, *arguments: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(module)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    if PLUGIN not in {entry.value for entry in entry_points(group="pytest11")}:
        command += ["-p", PLUGIN]
    ended = subprocess.run(
        [*command, "-q", "--strict-markers", *arguments, str(folder / "test_it.py")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_a_broker_for_each_worker(tmp_path):
    status, said = run_pytest(tmp_path, WORKERS, "-n", "2")
    assert status == 1, said
    assert "40 passed" in said
    assert "1 failed" in said
    assert "orders-0@0 key=None value=b'the culprit'" in said
    found = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert {worker for worker, *_ in found} == {"gw0", "gw1"}
    brokers = {(process, port) for _, process, port, _ in found}
    assert len(brokers) == len({process for process, _ in brokers}) == len({port for _, port in brokers}) == 2
    assert sorted(number for *_, number in found) == list(range(40))


def test_forked_and_spawned_processes(tmp_path):
    status, said = run_pytest(tmp_path, FORKED, "-W", "ignore::DeprecationWarning")
    assert status == 0, said
    assert "6 passed" in said
