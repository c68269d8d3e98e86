"""What stands around a broker that is measured."""

from __future__ import annotations

from importlib.util import cache_from_source
from pathlib import Path

import ottla.broker.version

from compat.bench.broker_process import write_bytecode


def test_a_start_finds_bytecode():
    bytecode = Path(cache_from_source(ottla.broker.version.__file__))
    bytecode.unlink(missing_ok=True)
    write_bytecode()
    assert bytecode.is_file()
