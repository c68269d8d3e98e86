"""`python -m compat.bench.profiled_broker FILE serve ...`: `ottla serve`, and what it takes its CPU time for.

SIGUSR1 begins and SIGUSR2 pauses, so that what is done between measurements is not in the profile. At the end FILE has
a line for each stack that was seen, outermost call first, as flame graphs are drawn from.

A timer of CPU time interrupts the broker, as often as the kernel looks at it (each tick: 4 ms on many); so what is
dear is met often, and nothing is made dearer than it is. Python hears of it when the code that runs next calls
something or goes round a loop: a system call is found in the line that made it, and a function that calls nothing in
whoever called it.
"""

from __future__ import annotations

import dis
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ottla.broker.cli import main as ottla

from .comparison.profiles import KERNEL, OTHER_THREADS, SAMPLE, as_text
from .comparison.workload import BEGIN_PROFILE, PAUSE_PROFILE

if TYPE_CHECKING:
    from types import CodeType, FrameType

INTERVAL_S: Final = 0.001
_FRAMES_MAX = 40
_ENTRY = dis.opmap["RESUME"]


class Sampler:
    """Stacks of the main thread, which is the loop's, each with how often it was met, in parts of a sample."""

    def __init__(self) -> None:
        self._met: Counter[tuple[tuple[CodeType, int], ...]] = Counter()
        self._met_in_kernel: Counter[tuple[tuple[CodeType, int], ...]] = Counter()
        self._elsewhere = 0
        self._modules: dict[CodeType, str] = {}
        self._accounts = 0.0, 0.0, 0.0
        signal.signal(signal.SIGPROF, self._sample)

    def begin(self, *_: object) -> None:
        """Sample from now on."""
        self._take_accounts()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def pause(self, *_: object) -> None:
        """Sample no more."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _take_accounts(self) -> tuple[float, float, float]:
        """The thread's time in the program and in the kernel since the last call, and that of all other threads."""
        usage = resource.getrusage(resource.RUSAGE_THREAD)
        now = usage.ru_utime, usage.ru_stime, time.process_time() - usage.ru_utime - usage.ru_stime
        before, self._accounts = self._accounts, now
        return now[0] - before[0], now[1] - before[1], now[2] - before[2]

    def _sample(self, _: int, frame: FrameType | None) -> None:
        user_s, kernel_s, others_s = self._take_accounts()
        if others_s > user_s + kernel_s:
            self._elsewhere += SAMPLE
            return
        stack = self._stack(frame)
        # The kernel books each tick to itself or to the program; its books are right over many samples.
        in_kernel = round(SAMPLE * kernel_s / (user_s + kernel_s)) if kernel_s else 0
        self._met_in_kernel[stack] += in_kernel
        self._met[stack] += SAMPLE - in_kernel

    def _stack(self, frame: FrameType | None) -> tuple[tuple[CodeType, int], ...]:
        """Innermost first."""
        if frame is not None and frame.f_code.co_code[frame.f_lasti] == _ENTRY:
            frame = frame.f_back  # it has only just been called
        found: list[tuple[CodeType, int]] = []
        while frame is not None and len(found) < _FRAMES_MAX:
            code = frame.f_code
            self._modules.setdefault(code, frame.f_globals.get("__name__", ""))
            found.append((code, frame.f_lineno or code.co_firstlineno))
            frame = frame.f_back
        return tuple(found)

    @property
    def stacks(self) -> Counter[tuple[str, ...]]:
        """Outermost first, as `profiles` reads them."""
        found: Counter[tuple[str, ...]] = Counter({(OTHER_THREADS,): self._elsewhere})
        for stack, count in self._met.items():
            found[self._places(stack)] += count
        for stack, count in self._met_in_kernel.items():
            found[(*self._places(stack), KERNEL)] += count
        return found

    def _places(self, stack: tuple[tuple[CodeType, int], ...]) -> tuple[str, ...]:
        return tuple(self._place(*each) for each in reversed(stack))

    def _place(self, code: CodeType, line: int) -> str:
        file = code.co_filename
        if not file.startswith("<"):
            module = self._modules[code].removeprefix("ottla.").replace(".", "/")
            file = f"{module}/__init__.py" if Path(file).stem == "__init__" else f"{module}.py"
        return f"{file}:{line} {code.co_qualname}"


def main() -> int:
    """Serve until the end, then write."""
    sampler = Sampler()
    signal.signal(BEGIN_PROFILE, sampler.begin)
    signal.signal(PAUSE_PROFILE, sampler.pause)
    try:
        return ottla(sys.argv[2:])
    finally:
        sampler.pause()
        Path(sys.argv[1]).write_text(as_text(sampler.stacks))


if __name__ == "__main__":
    sys.exit(main())
