"""CPU is counted over threads and children, those that have ended as well as those that run."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from compat.bench.comparison.accounting import Accounts

TIMEOUT_S = 60
NOBODY = 1 << 30
BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


def running(program):
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def cpu_after(program):
    """What is counted when the program says that it is done; it stays until it is told to go."""
    with running(program + "\nprint('done', flush=True)\ninput()") as process:
        assert process.stdout.readline() == "done\n"
        counted = Accounts(process.pid)
        cpu_s, is_running = counted.cpu_s, counted.is_running
        process.communicate("\n", TIMEOUT_S)
    assert is_running
    assert not counted.is_running
    return cpu_s


def test_the_process_itself():
    assert 0.3 <= cpu_after(BURN) < 5


def test_threads_that_have_ended():
    burn = "def burn():\n    end = time.thread_time() + 0.3\n    while time.thread_time() < end: pass\n"
    threads = "ts = [threading.Thread(target=burn) for _ in range(3)]\n[t.start() for t in ts]\n[t.join() for t in ts]"
    assert cpu_after(f"import threading, time\n{burn}{threads}") >= 0.9


def test_children_that_have_ended():
    assert cpu_after(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])") >= 0.3


def test_children_that_run():
    # The child waits for the end of what it inherited as its standard input.
    child = BURN + "print('burnt', flush=True)\nimport sys\nsys.stdin.read()"
    program = (
        f"import subprocess, sys\nc = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE, "
        "stdin=subprocess.PIPE)\nc.stdout.readline()\nimport atexit\natexit.register(c.kill)"
    )
    assert cpu_after(program) >= 0.3


def test_memory_is_that_of_the_process():
    with running("data = bytearray(b'x') * (64 << 20)\nprint('done', flush=True)\ninput()") as process:
        process.stdout.readline()
        resident_mb = Accounts(process.pid).resident_mb
        process.communicate("\n", TIMEOUT_S)
    assert 64 <= resident_mb < 200


def test_a_process_that_is_gone_has_no_memory():
    with running("") as process:
        process.wait(TIMEOUT_S)
    deadline = time.monotonic() + TIMEOUT_S
    while Accounts(process.pid).is_running:
        assert time.monotonic() < deadline
    assert Accounts(process.pid).resident_mb == 0


def test_what_comes_from_the_disk_is_counted_where_the_system_says_it():
    read_mb = Accounts(os.getpid()).disk_read_mb
    assert read_mb is None or read_mb >= 0
    assert Accounts(NOBODY).disk_read_mb is None


def test_a_process_that_waits_is_at_rest_and_one_that_works_is_not():
    with running("input()") as waits, running("while True: pass") as works:
        try:
            assert Accounts(waits.pid).come_to_rest(0.5, TIMEOUT_S)
            assert not Accounts(works.pid).come_to_rest(0.001, 1)
        finally:
            waits.kill()
            works.kill()
