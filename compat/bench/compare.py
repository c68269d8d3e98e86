"""Ottla beside Apache Kafka and kfake: the same client, the same work, in turn in one run.

    python -m compat.bench.compare                         everything; takes a long while
    python -m compat.bench.compare --quick                 fewer and smaller rows, two rounds
    python -m compat.bench.compare --rows produce,latency  some subjects
    python -m compat.bench.compare --rows requests --profile FILE; python -m pstats FILE

Apache Kafka takes part where there is Java, kfake where the variable KFAKE names its binary; ottla-uvloop, where it is
named in `--brokers` and uvloop can be imported. All of it with three rounds takes about three quarters of an hour.
Prints one table (the median of each broker, Ottla's part of the others, what that may be at most) and writes
`results.json` and pictures.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .broker_process import progress
from .comparison import opponents
from .comparison.results import Results
from .comparison.runner import Runner
from .comparison.table import table
from .comparison.verdicts import unmet
from .comparison.workloads import catalogue

if TYPE_CHECKING:
    from .comparison.opponents import MeasuredBroker

QUICK_ROUNDS, ROUNDS = 1, 5
QUICK_WARM_UP_S, WARM_UP_S = 4.0, 25.0


def main() -> int:
    """Read the arguments, run, print; 0 when every row is met."""
    options = _options()
    rows = catalogue.chosen_rows(options.rows, options.quick)
    signal.signal(signal.SIGTERM, _stop)
    home = Path(tempfile.mkdtemp(prefix="ottla-compare-", dir=options.where))
    brokers: list[MeasuredBroker] = []
    results = Results(_about(options))
    try:
        for kind in _present(options.brokers):
            broker, start_s = opponents.started(kind, home / kind, options.profile)
            brokers.append(broker)
            progress(f"{kind} answers after {start_s:.2f} s")
        runner = Runner([broker.target for broker in brokers], results, options.rounds, progress)
        if options.warm_up_s:
            runner.warm_up(catalogue.warm_up_rows(), options.warm_up_s)
        runner.run(rows)
    except KeyboardInterrupt:
        progress("stopped; what was measured is shown")
    finally:
        for broker in brokers:
            broker.stop()
        shutil.rmtree(home, ignore_errors=True)
    return _report(results, options)


def _stop(number: int, frame: object) -> None:
    """Stop the brokers too, whoever ends the run."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rows, one round")
    parser.add_argument(
        "--rows", type=_names(catalogue.subjects()), default=[], help=f"of {','.join(catalogue.subjects())}"
    )
    parser.add_argument(
        "--brokers",
        type=_names(opponents.KINDS),
        default=opponents.KINDS_BY_DEFAULT,
        help=f"which take part, of {','.join(opponents.KINDS)}",
    )
    parser.add_argument("--rounds", type=int, help=f"rounds of each row that count ({ROUNDS}; quick {QUICK_ROUNDS})")
    parser.add_argument("--warm-up-s", type=float, help=f"work before the first row ({WARM_UP_S:.0f} s a broker)")
    parser.add_argument("--output", type=Path, default=Path(".bench"), help="where results and pictures go (.bench)")
    parser.add_argument("--in", dest="where", type=Path, help="where the brokers keep their data during the run")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="run Ottla alone under cProfile, no warm-up")
    options = parser.parse_args()
    if options.profile:
        options.brokers, options.warm_up_s = ["ottla"], 0.0
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.warm_up_s is None:
        options.warm_up_s = QUICK_WARM_UP_S if options.quick else WARM_UP_S
    return options


def _names(known: Any) -> Any:
    def parse(text: str) -> list[str]:
        found = text.split(",")
        unknown = set(found) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(known)}")
        return found

    return parse


def _present(wanted: list[str]) -> list[str]:
    present = []
    for kind in wanted:
        reason = opponents.why_absent(kind)
        if reason is None:
            present.append(kind)
        else:
            progress(f"{kind} takes no part: {reason}")
    return present


def _about(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}, {_build()}",
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load at the start": os.getloadavg(),
        "rounds": options.rounds,
        "quick": options.quick,
        "warm-up s": options.warm_up_s,
    }


def _build() -> str:
    """How this Python was compiled, which decides how fast it runs: distributions build with --enable-optimizations."""
    return "optimized by profile" if _is_optimized() else "not optimized by profile"


def _is_optimized() -> bool:
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def _head(results: Results) -> list[str]:
    """What stands above the table: who ran, and where the figures say too little of Ottla."""
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    head = [f"Ottla on {results.about['python']}; {results.about['cpus']} CPUs, {load}"]
    if not _is_optimized():
        head.append("WARNING: this Python was built without --enable-optimizations; Ottla is faster on one that was")
    return head


def _report(results: Results, options: argparse.Namespace) -> int:
    verdicts = results.verdicts()
    print(*_head(results), table(verdicts), sep="\n")
    for row in results.rows:
        for broker, reason in row.failures.items():
            print(f"{row.workload.name}: {broker} could not be measured: {reason}")
    failed = [row for row in results.rows if "ottla" in row.failures]
    missed = unmet(verdicts)
    asked = [verdict for verdict in verdicts if verdict.met is not None]
    print(f"\n{len(asked) - len(missed)} of {len(asked)} limits are met, by the medians of {options.rounds} rounds")
    results.write(options.output)
    progress(f"{options.output / 'results.json'} and pictures are written")
    return 1 if missed or failed else 0


if __name__ == "__main__":
    begun = time.monotonic()
    status = main()
    progress(f"took {time.monotonic() - begun:.0f} s")
    sys.exit(status)
