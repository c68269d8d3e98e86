"""The suite finds what is wrong: each fault of `faults.py`, put into a copy of the broker, is caught by its case."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ..brokers import OttlaProcess
from ..differential.case import cases_in
from ..differential.side_by_side import side_by_side_of
from .faults import FAULTS

REPOSITORY = Path(__file__).parents[2]
CASES = [*cases_in("compat.differential.catalogue"), *cases_in("compat.differential.sequences")]
# A broken broker may never do what a case waits for.
PATIENCE_S = 5
PACKAGES = ("protocol", "storage", "broker")


def broken_copy(fault, folder: Path) -> Path:
    """A copy of the packages with the fault in it, as a folder for PYTHONPATH."""
    for package in PACKAGES:
        source = REPOSITORY / package
        shutil.copytree(source, folder / "ottla" / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "ottla" / fault.file
    text = file.read_text()
    assert fault.right in text, f"{fault.file} has changed: write the fault {fault.name!r} anew"
    file.write_text(text.replace(fault.right, fault.wrong))
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_caught(fault, broker, reference, tmp_path):
    if broker.kind != "ottla":
        pytest.skip("the faults are put into Ottla")
    [case] = [case for case in CASES if case.id == fault.case]
    environment = {**os.environ, "PYTHONPATH": str(broken_copy(fault, tmp_path / "broken"))}
    broken = OttlaProcess(tmp_path / "home", environment)
    broken.start()
    try:
        brokers = side_by_side_of(broken, reference)
        brokers = brokers._replace(ours=brokers.ours._replace(patience_s=PATIENCE_S))
        is_caught = any(one.unexplained for one in brokers.compare(case, []))
    finally:
        broken.stop()
    assert is_caught, f"{case.id} does not notice that {fault.name}"
