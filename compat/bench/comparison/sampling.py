"""Runs rows on an Ottla that is sampled: alone, each on a new broker, for some seconds."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...brokers import DidNotStart
from . import opponents
from .client import run_phase
from .profiles import Profile, from_text, profile_of, what_holds
from .verdicts import medians
from .workload import NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .workload import Sample, Target, Workload

SAMPLED_S = 5.0
"""No further round of a row begins after so long."""


class Sampling:
    """Where brokers keep their data meanwhile, and where the stacks stay."""

    def __init__(
        self, where: Path | None, stacks_dir: Path, say: Callable[[str], None], sampled_s: float = SAMPLED_S
    ) -> None:
        self._where = where
        self._stacks_dir = stacks_dir
        self._say = say
        self._sampled_s = sampled_s

    def run(self, wanted: Mapping[str, Workload]) -> Iterator[tuple[str, Profile]]:
        """A profile of each, with its key; a row that could not be run is told and left out."""
        self._stacks_dir.mkdir(parents=True, exist_ok=True)
        for number, (key, workload) in enumerate(wanted.items(), 1):
            self._say(f"[{number}/{len(wanted)}] what holds {key}")
            try:
                profile = self._profile(workload)
            except (NotDone, DidNotStart, subprocess.TimeoutExpired, OSError) as failure:
                self._say(f"    {failure}")
            else:
                self._say(f"    {what_holds(profile)}")
                yield key, profile

    def _profile(self, workload: Workload) -> Profile:
        stacks = self._stacks_dir.absolute() / f"{workload.topic}.txt"
        stacks.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="ottla-sampled-", dir=self._where) as home:
            broker, _ = opponents.started("ottla", Path(home), stacks)
            try:
                samples = _rounds(workload.to_be_sampled(), broker.target, self._sampled_s)
            finally:
                broker.stop()
        figures = medians([sample.figures for sample in samples])
        return profile_of(workload.name, figures, from_text(stacks.read_text()))


def _rounds(workload: Workload, target: Target, sampled_s: float) -> Sequence[Sample]:
    run_phase(workload, "prepare", target)
    if workload.warms_up:
        run_phase(workload.warm_up_round(), "measure", replace(target, is_profiled=False))
    found: list[Sample] = []
    begun = time.monotonic()
    while not found or time.monotonic() - begun < sampled_s:
        sample = run_phase(workload, "measure", target)
        assert sample is not None
        found.append(sample)
    return found
