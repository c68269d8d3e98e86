"""What the image of Apache Kafka is told is what the process is told; a machine without Docker is a reason to skip.

The variables are read by Ottla's own container, which tests/container compares with the image's script.
"""

from __future__ import annotations

from ottla.broker.container.variables import container_settings

from . import kafka_container
from .brokers import OPTIONS


def test_without_docker(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kafka_container.why_not() == "there is no docker"


def test_with_a_docker_that_does_not_run(tmp_path, monkeypatch):
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no.sock'}")
    assert kafka_container.why_not().startswith("docker does not answer: ")


def test_the_image_is_told_what_the_process_is_told():
    settings = container_settings(kafka_container.variables(19_092), None).settings
    told = {setting.key: setting.value for setting in settings}
    assert {key: told[key] for key in OPTIONS} == OPTIONS
    assert told["listeners"] == "PLAINTEXT://:9092,CONTROLLER://:9093"
    assert told["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19092"
    assert told["controller.quorum.voters"] == "1@localhost:9093"
