"""What the README says about tests, run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .examples import examples_of, run_pytest, skip_without_its_packages

SECTION_RE = re.compile(r"^(## In your tests\n.*?)^## ", re.MULTILINE | re.DOTALL)
EXAMPLES = examples_of(SECTION_RE.findall((Path(__file__).resolve().parents[2] / "README.md").read_text())[0])


@pytest.mark.parametrize("example", EXAMPLES, ids=[str(number) for number, _ in enumerate(EXAMPLES)])
def test_an_example(example, tmp_path):
    skip_without_its_packages(example.code)
    status, said = run_pytest(tmp_path, example.code)
    assert status == 0, said


def test_every_client_is_there():
    imported = set(re.findall(r"^from (\w+)", "\n".join(example.code for example in EXAMPLES), re.MULTILINE))
    assert imported >= {"kafka", "aiokafka", "confluent_kafka", "faststream"}
