from __future__ import annotations

import tomllib
from pathlib import Path

from ottla.broker.version import VERSION


def test_the_distribution_says_the_same() -> None:
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text())["project"]["version"] == VERSION
