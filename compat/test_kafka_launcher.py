"""Where Apache Kafka cannot run or cannot be fetched, that is said as a reason to skip, never as a failure."""

from __future__ import annotations

import subprocess

import pytest

from . import kafka_launcher
from .brokers import CannotRun


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without anything: `machine(name=script)` puts programs into its PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("KAFKA_COMPAT_CACHE", str(tmp_path / "cache"))

    def put(**scripts):
        for name, script in scripts.items():
            file = programs / name
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)

    return put


def java(version):
    return f"echo 'openjdk version \"{version}\"' >&2"


def test_without_java(machine):
    assert "there is no java" in kafka_launcher.why_not()


def test_with_an_old_java(machine):
    machine(java=java("11.0.2"), mvn="")
    assert kafka_launcher.why_not().endswith("and this is 11")


def test_without_jars_and_without_maven(machine):
    machine(java=java("17.0.1"))
    assert "there is no mvn to fetch them" in kafka_launcher.why_not()


def test_without_a_network(machine, tmp_path):
    machine(java=java("21"), mvn="echo 'Unknown host'; exit 1")
    assert kafka_launcher.why_not() is None
    with pytest.raises(CannotRun, match="could not be fetched: Unknown host"):
        kafka_launcher.class_path()
    assert not [*(tmp_path / "cache").iterdir()]


def test_with_a_network_that_never_answers(machine, monkeypatch):
    machine(java=java("21"), mvn="")

    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(kafka_launcher, "_java_version", lambda: 21)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(CannotRun, match="could not be fetched in 600 s"):
        kafka_launcher.class_path()
