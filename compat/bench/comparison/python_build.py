"""How the Python that runs was compiled, as far as it says so: that decides much of how fast Ottla is.

`--enable-optimizations` compiles the interpreter twice, the second time by a profile of the first. Python remembers the
arguments that it was configured with, and the flags for such a build (`PGO_PROF_USE_FLAG`), which are there with every
common compiler whether they were used or not. A distribution may start that build by other means than the argument
(Debian does), and then empties the flags in what Python remembers: of such a Python nothing is known here.
"""

from __future__ import annotations

import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ARGUMENT, _FLAG = "--enable-optimizations", "-fprofile-use"


def is_optimized(variables: Mapping[str, object]) -> bool | None:
    """Whether it was optimized by profile, from `sysconfig.get_config_vars()`; None where that is not said."""
    if _ARGUMENT in _text(variables, "CONFIG_ARGS"):
        return True
    if any(_FLAG in _text(variables, name) for name in ("PY_CFLAGS", "PY_CFLAGS_NODIST", "PY_CORE_CFLAGS")):
        return True
    return False if _text(variables, "PGO_PROF_USE_FLAG") else None


def described() -> str:
    """For the head of a table."""
    optimized = is_optimized(sysconfig.get_config_vars())
    if optimized is None:
        return "which does not say whether it is optimized by profile"
    return "optimized by profile" if optimized else f"configured without {_ARGUMENT}"


def warning() -> str | None:
    """What must stand beside figures of a slower Python."""
    if is_optimized(sysconfig.get_config_vars()) is False:
        return f"WARNING: this Python was configured without {_ARGUMENT}; Ottla is faster on one that was"
    return None


def _text(variables: Mapping[str, object], name: str) -> str:
    return str(variables.get(name) or "")
