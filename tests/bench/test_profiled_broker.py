"""A sampled process finds what it was busy with, and nothing of what it did outside of the measured time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from compat.bench.comparison import opponents, topics, wire
from compat.bench.comparison.profiles import from_text, profile_of
from compat.bench.comparison.workload import Stopwatch

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 110
BUSY_S = 0.6
PROGRAM = f"""
import hashlib, os, sys, threading, time
sys.path.append({str(ROOT)!r})
from compat.bench.comparison.profiles import as_text
from compat.bench.profiled_broker import Sampler

def burn(work):
    end = time.process_time() + {BUSY_S}
    while time.process_time() < end:
        work()

def busy():
    for _ in range(1000):
        divmod(7, 3)

def calling():
    os.pread(descriptor, 1 << 20, 0)

def beside():
    thread = threading.Thread(target=hashlib.sha256, args=(data,))
    thread.start()
    thread.join()

def outside():
    divmod(7, 3)

data, descriptor = bytes(1 << 26), os.open("/dev/zero", os.O_RDONLY)
sampler = Sampler()
burn(outside)
sampler.begin()
burn(globals()[sys.argv[1]])
sampler.pause()
burn(outside)
print(as_text(sampler.stacks), end="")
"""


def sampled(work, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), work]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    assert "outside" not in done.stdout
    return profile_of(work, {}, from_text(done.stdout))


def test_a_busy_function_is_found(tmp_path):
    found = sampled("busy", tmp_path)
    assert found.samples >= 10
    assert found.functions[0].name == "busy"
    assert found.functions[0].share > 0.8


def test_a_system_call_is_found_in_the_line_that_makes_it_and_belongs_to_the_kernel(tmp_path):
    found = sampled("calling", tmp_path)
    assert found.functions[0].name == "calling"
    assert found.functions[0].share > 0.8
    assert found.parts["kernel"] > 0.5
    assert found.functions[0].kernel > 0.5


def test_other_threads_are_told_apart(tmp_path):
    assert sampled("beside", tmp_path).parts["other threads"] > 0.5


def test_a_broker_is_sampled_while_it_is_measured(tmp_path):
    stacks = tmp_path / "stacks.txt"
    broker, _ = opponents.started("ottla", tmp_path / "home", stacks)
    try:
        target = broker.target
        topics.create(target, "sampled")
        asking = wire.Asking(
            wire.always(wire.produce_frame("sampled", 0, wire.batch_of(100))), wire.produce_error_at("sampled")
        )
        loop = wire.ClosedLoop(target.port, [asking], 4)
        deadline = time.monotonic() + TIMEOUT_S
        with Stopwatch(target):
            until_s = target.accounts.cpu_s + BUSY_S
            while target.accounts.cpu_s < until_s and time.monotonic() < deadline:
                loop.run(1000)
        loop.close()
    finally:
        broker.stop()
    found = profile_of("sampled", {}, from_text(stacks.read_text()))
    assert found.samples >= 10
    assert {"kernel", "connections"} <= set(found.parts)
    places = [function.place for function in found.functions]
    assert any(place.startswith("broker/connection.py:") for place in places)
    # Topics are made before what is measured begins.
    assert "create_topics" not in stacks.read_text()
    assert os.fspath(ROOT) not in stacks.read_text()
