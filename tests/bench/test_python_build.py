"""What Python remembers of how it was compiled, in the ways in which it is built."""

from __future__ import annotations

import pytest

from compat.bench.comparison.python_build import is_optimized

FLAGS = "-fprofile-use -fprofile-correction"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'", "PGO_PROF_USE_FLAG": FLAGS}, True),
        ({"CONFIG_ARGS": "'--enable-shared'", "PY_CORE_CFLAGS": f"-O3 {FLAGS}"}, True),
        ({"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": FLAGS, "PY_CFLAGS": "-O3"}, False),
        # As Debian's Python has it, which was optimized.
        ({"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": "", "PY_CFLAGS": "-O2"}, None),
        ({"CONFIG_ARGS": None}, None),
        ({}, None),
    ],
)
def test_only_what_is_known_is_said(variables, expected):
    assert is_optimized(variables) is expected
