"""Applications that consume, transform and produce: each input comes out once, whatever happens amid a transaction."""

from __future__ import annotations

import random

import pytest

from .churn import PARTITIONS
from .test_churn import OPTIONS
from .test_transactions import create_topic, read_all
from .transformers import NAMES, TIMEOUT_S, Transformers

ACCIDENTS = (
    ("kill", "before-offsets"),
    ("kill", "after-offsets"),
    ("pause", "before-offsets"),
    ("pause", "after-offsets"),
)


def script_of(seed: int) -> list[tuple[str, str, str]]:
    """Each accident once and one death of the broker, in some order: what, to whom, where in its transaction."""
    chance = random.Random(seed)
    accidents = [*ACCIDENTS, ("broker", chance.choice(["before-offsets", "after-offsets"]))]
    return [(what, chance.choice(NAMES), where) for what, where in chance.sample(accidents, len(accidents))]


@pytest.mark.timeout(8 * TIMEOUT_S)
@pytest.mark.parametrize(("protocol", "seed"), [("classic", 1), ("consumer", 2)])
def test_each_input_comes_out_once(own_broker, unique, tmp_path, protocol, seed):
    broker = own_broker(OPTIONS)
    source, sink = create_topic(broker, f"{unique}-in", PARTITIONS), create_topic(broker, f"{unique}-out", PARTITIONS)
    transformers = Transformers(broker, source, sink, protocol, tmp_path)
    script = script_of(seed)
    try:
        for what, name, where in script:
            transformers.happen(what, name, where)
        failed = transformers.finish()
    except BaseException:
        print(script, transformers.complaints())  # noqa: T201 (pytest shows it beside the failure)
        raise
    finally:
        transformers.close()
    expected = sorted(f"{partition}-{offset}" for partition, offset in transformers.feeder.acknowledged)
    assert sorted(read_all(broker, sink)) == expected
    assert len(read_all(broker, sink, committed=False)) > len(expected), "nothing was aborted"
    assert failed, "the member that slept past its session could commit its offsets"
