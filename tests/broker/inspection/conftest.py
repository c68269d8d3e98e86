"""A sound directory, written once, and a copy of it for each test that changes one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from .data_directory import write_directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After a clean stop; not to be changed."""
    path = tmp_path_factory.mktemp("inspected") / "data"
    write_directory(path)
    return path


@pytest.fixture
def directory(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(sound, tmp_path / "data")


@pytest.fixture
def crashed(directory: Path) -> Path:
    """A copy whose broker was killed."""
    (directory / ".kafka_cleanshutdown").unlink()
    return directory
