"""Nothing acknowledged is lost when the broker is killed, however often: see `campaign`.

OTTLA_TORTURE_KILLS says how many times (20), OTTLA_TORTURE_SEED repeats the choices of an earlier run.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from .campaign import Campaign

KILLS = int(os.environ.get("OTTLA_TORTURE_KILLS", "20"))
SEED = int(os.environ.get("OTTLA_TORTURE_SEED") or random.SystemRandom().getrandbits(32))


@pytest.mark.timeout(120 + 15 * KILLS)
def test_what_was_acknowledged_survives_every_kill(tmp_path):
    campaign = Campaign(tmp_path, SEED)
    print(f"OTTLA_TORTURE_SEED={SEED}")  # noqa: T201
    began = time.monotonic()
    try:
        campaign.begin()
        while campaign.kills < KILLS:
            campaign.round()
        campaign.finish()
    finally:
        campaign.abandon()
        print(campaign.summary(), f"in {time.monotonic() - began:.0f} s")  # noqa: T201
