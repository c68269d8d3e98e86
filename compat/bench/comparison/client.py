"""One phase of a workload in a process of its own, so that a client's CPU and memory are nobody else's.

The processes are forked from one that has imported the workloads and done nothing else: a run has over a thousand
phases, and importing took 0.2 to 0.5 s of each.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from typing import TYPE_CHECKING, Literal

from .workload import NotDone

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

    from .workload import Sample, Target, Workload

Phase = Literal["prepare", "measure", "clean"]
_END_TIMEOUT_S = 10
_IMPORTED_BEFORE = [f"{__package__}.workloads.catalogue"]


def run_phase(workload: Workload, phase: Phase, target: Target) -> Sample | None:
    """Run a phase in a client process and return what it returns. Raises NotDone, also where it crashed or hung."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(_IMPORTED_BEFORE)
    receiver, sender = forking.Pipe(duplex=False)
    process = forking.Process(target=_work, args=(workload, phase, target, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(workload.timeout_s):
            raise NotDone(f"{phase} was not done in {workload.timeout_s:.0f} s")
        sample, failure = receiver.recv()
    except EOFError:
        raise NotDone(f"the client ended in {phase}; what it said is above") from None
    finally:
        receiver.close()
        _end(process.pid)
        process.join(_END_TIMEOUT_S)
    if failure is not None:
        raise NotDone(failure)
    return sample  # type: ignore[no-any-return]


def _end(pid: int | None) -> None:
    """End the client with whatever it started itself: it leads a process group of its own."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _work(workload: Workload, phase: Phase, target: Target, sender: Pipe) -> None:
    os.setpgid(0, 0)
    outcome: tuple[Sample | None, str | None]
    try:
        outcome = getattr(workload, phase)(target), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 # told to the runner, whatever it is
        outcome = None, f"{phase}: {type(error).__name__}: {error}"
    sender.send(outcome)
    sender.close()
    # Whoever reads ends this process; threads of a client that still run must not keep it from that.
    signal.pause()
