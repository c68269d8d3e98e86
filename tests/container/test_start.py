"""The image's start script as it stands, in a root of its own, started as Docker and testcontainers start it."""

from __future__ import annotations

import re
import sys

import pytest

from ..harness.scratch_container import IMAGE, REPOSITORY, health_command

HEALTH = health_command()
DATA = "tmp/kraft-combined-logs"

ROUND_TRIP = """
import sys
from kafka import KafkaConsumer, KafkaProducer
producer = KafkaProducer(bootstrap_servers=sys.argv[1])
print(producer.send("orders", b"hello").get(30).offset)
producer.close()
consumer = KafkaConsumer("orders", bootstrap_servers=sys.argv[1], auto_offset_reset="earliest", group_id="g")
print(next(consumer).value.decode())
consumer.close()
"""


def round_trip(container, bootstrap="127.0.0.1:9092") -> list[str]:
    done = container.run(sys.executable, "-c", ROUND_TRIP, bootstrap)
    assert done.returncode == 0, done.stdout + done.stderr + container.output
    return done.stdout.split()


def test_without_any_variable(container):
    running = container()
    running.wait_for_log("Ottla .* is listening on .*:9092, data in /tmp/kraft-combined-logs")
    assert running.run(*HEALTH).returncode == 0
    server = ["--bootstrap-server", "localhost:9092"]
    assert running.run("/opt/kafka/bin/kafka-broker-api-versions.sh", *server).returncode == 0
    made = running.run("/opt/kafka/bin/kafka-topics.sh", *server, "--create", "--topic", "made", "--partitions", "2")
    assert made.stdout == "Created topic made.\n"
    assert round_trip(running) == ["0", "hello"]
    listed = running.run("/opt/kafka/bin/kafka-topics.sh", *server, "--list", "--exclude-internal")
    assert listed.stdout == "made\norders\n"
    assert (running.root / DATA / "orders-0").is_dir()
    assert running.stop() == 0
    assert (running.root / DATA / ".kafka_cleanshutdown").exists()
    assert "Traceback" not in running.output


def test_the_health_check_of_one_that_does_not_run(container):
    idle = container(command=["sh", "-c", "echo up; exec sleep 100"])
    idle.wait_for_log("up")
    asked = idle.run(*HEALTH)
    assert asked.returncode == 1
    assert "does not answer" in asked.stderr
    assert "Traceback" not in asked.stderr
    (idle.root / "opt/kafka/config/server.properties").write_text("listeners=PLAINTEXT://:9092\n")
    asked = idle.run(*HEALTH)
    assert asked.returncode == 1
    assert "refused" in asked.stderr


def test_variables_mounted_file_and_arguments(container):
    running = container(
        {"KAFKA_NUM_PARTITIONS": "3", "KAFKA_LOG_DIRS": "/var/lib/kafka/data", "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw"},
        ["/etc/kafka/docker/run", "KAFKA_NUM_PARTITIONS=5"],
        mounted="listeners=PLAINTEXT://:7000\nnum.partitions=2\n",
    )
    running.wait_for_log(r"listening on .*:7000, data in /var/lib/kafka/data")
    assert running.run(*HEALTH).returncode == 0
    assert round_trip(running, "localhost:7000") == ["0", "hello"]
    data = running.root / "var/lib/kafka/data"
    assert len(list(data.glob("orders-*"))) == 5
    assert "cluster.id=4L6g3nShT-eMCtK--X86sw" in (data / "meta.properties").read_text()
    final = (running.root / "opt/kafka/config/server.properties").read_text()
    assert "num.partitions=5\n" in final


def test_a_formatted_directory_keeps_its_cluster_id(container):
    command = ["sh", "-c", "/etc/kafka/docker/run CLUSTER_ID=4L6g3nShT-eMCtK--X86sw & wait $!; /etc/kafka/docker/run"]
    running = container({"CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"}, command)
    running.wait_for_log("Kafka Server started")
    first = running.run("cat", f"/{DATA}/meta.properties").stdout
    ended = running.run("sh", "-c", "kill $(cat /proc/1/task/1/children)")
    assert ended.returncode == 0
    running.wait_for_log("(?s)Kafka Server started.*Kafka Server started")
    assert running.run("cat", f"/{DATA}/meta.properties").stdout == first
    assert "cluster.id=4L6g3nShT-eMCtK--X86sw" in first


def test_what_cannot_be_had_ends_it_in_one_line(container):
    refused = container({"KAFKA_SASL_ENABLED_MECHANISMS": "SCRAM-SHA-256"})
    assert refused.wait() == 1
    line = "ottla: KAFKA_SASL_ENABLED_MECHANISMS: sasl.enabled.mechanisms=SCRAM-SHA-256: SASL is not there yet"
    assert refused.output.startswith(line)
    assert len(refused.output.splitlines()) == 1
    assert not (refused.root / DATA).exists()


def test_a_configuration_folder_that_cannot_be_written(container):
    refused = container(command=["sh", "-c", "mv /opt/kafka/config /opt/kafka/elsewhere; /etc/kafka/docker/run"])
    assert refused.wait() == 1
    assert refused.output == "ottla: /opt/kafka/config/server.properties: No such file or directory\n"


def test_testcontainers_for_java(container):
    """org.testcontainers.kafka.KafkaContainer: its variables, its waiting command, its script, its words in the log."""
    script = "/tmp/testcontainers_start.sh"
    running = container(
        {
            "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_NODE_ID": "1",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        },
        ["sh", "-c", f"while [ ! -f {script} ]; do sleep 0.1; done; {script}"],
    )
    advertised = "PLAINTEXT://localhost:9092,BROKER://localhost:9093"
    running.copy_in(script, f"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS={advertised}\n/etc/kafka/docker/run \n")
    running.wait_for_log(".*Transitioning from RECOVERY to RUNNING.*")
    assert running.run(*HEALTH).returncode == 0
    assert round_trip(running, "localhost:9092") == ["0", "hello"]
    assert round_trip(running, "localhost:9093") == ["1", "hello"]


@pytest.mark.parametrize("kraft", [False, True])
def test_testcontainers_for_python(container, kraft):
    """The module itself, which is written for Confluent's image; only what would speak to Docker is not there."""
    module = pytest.importorskip("testcontainers.community.kafka", reason="testcontainers is not installed")
    given = object.__new__(module.KafkaContainer)
    scripts = {}
    given.env, given.ports = {}, {}
    given.with_env = lambda name, value: given.env.update({name: str(value)})
    given.with_exposed_ports = lambda *ports: None
    given.get_container_host_ip = lambda: "localhost"
    given.get_exposed_port = lambda port: port
    given.create_file = lambda content, path: scripts.update({path: content.decode()})
    given._network, given._network_aliases, given._kwargs, given.image = None, None, {}, "ottla:7.9.0"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.DockerContainer, "__init__", lambda self, image, **options: None)
        given.__init__("ottla:7.9.0")
    if kraft:
        given.with_kraft()
    given.configure()
    given.tc_start()
    (script,) = scripts
    command = ["sh", "-c", f"while [ ! -f {script} ]; do sleep 0.1; done; sh {script}"]
    running = container(given.env, command)
    running.copy_in(script, scripts[script].replace("$(hostname -i)", "localhost"))
    running.wait_for_log(given.wait_for.pattern)
    assert running.run(*HEALTH).returncode == 0
    assert round_trip(running, f"localhost:{given.port}") == ["0", "hello"]


def test_the_dockerfile_copies_what_is_there():
    text = (IMAGE / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(\S+) \S+$", text, re.MULTILINE)
    assert copied
    for source in copied:
        assert (REPOSITORY / source).exists()
    kept = (IMAGE / "Dockerfile.dockerignore").read_text().splitlines()
    for name in [line[1:] for line in kept if line.startswith("!")]:
        assert (REPOSITORY / name).exists()
    assert re.search(r"^USER appuser$", text, re.MULTILINE)
    for script in (IMAGE / "root").rglob("*"):
        assert script.is_dir() or script.name == "bash-config" or script.stat().st_mode & 0o111


def test_the_image_installs_what_the_package_asks_for():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (IMAGE / "lock.txt").read_text(), re.MULTILINE))
    wanted = [*project["dependencies"], *project["optional-dependencies"]["codecs"]]
    assert {re.match(r"[a-z0-9-]+", name)[0] for name in wanted} <= locked
