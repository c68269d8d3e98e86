"""`python -m compat.bench.profiled_broker FILE serve ...`: `ottla serve` under cProfile.

SIGUSR1 begins and SIGUSR2 pauses, so that what is done between measurements is not in the profile. At the end what the
loop's thread did goes into the file. A profiled broker is slower, in its small functions most: what it costs says where
to look, not how much there is to gain.
"""

from __future__ import annotations

import cProfile
import signal
import sys

from ottla.broker.cli import main as ottla

from .comparison.workload import BEGIN_PROFILE, PAUSE_PROFILE


def main() -> int:
    """Serve until the end, then write."""
    profile = cProfile.Profile()
    # Handlers run on the main thread, which is the loop's.
    signal.signal(BEGIN_PROFILE, lambda *_: profile.enable())
    signal.signal(PAUSE_PROFILE, lambda *_: profile.disable())
    try:
        return ottla(sys.argv[2:])
    finally:
        profile.disable()
        profile.dump_stats(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
