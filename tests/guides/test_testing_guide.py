"""Every example of docs/testing.md, run by pytest as it stands, each as a file of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .examples import FENCE_RE, examples_of, run_pytest, skip_without_its_packages

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


@pytest.mark.parametrize("example", examples_of(GUIDE.read_text()), ids=lambda example: example.name)
def test_an_example(example, tmp_path):
    skip_without_its_packages(example.code)
    status, said = run_pytest(tmp_path, example.code)
    if example.report is None:
        assert status == 0, said
        return
    assert status == 1, said
    shown = [re.sub(r"^E\s{3}(\s*\S*(Failed|Error): )?", "", line).strip() for line in said.splitlines()]
    wanted = [line.strip() for line in example.report.splitlines()]
    places = [at for at, line in enumerate(shown) if line == wanted[0]]
    assert any(shown[at : at + len(wanted)] == wanted for at in places), said


def test_faststream_on_confluent_kafka(tmp_path):
    (example,) = [each for each in examples_of(GUIDE.read_text()) if "from faststream.kafka import" in each.code]
    skip_without_its_packages(example.code)
    status, said = run_pytest(tmp_path, example.code.replace("faststream.kafka", "faststream.confluent"))
    assert status == 0, said


def test_the_table_of_contents_is_complete():
    text = FENCE_RE.sub("", GUIDE.read_text())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    listed = re.findall(r"^- \[(.*?)\]\(#(.*?)\)", text, re.MULTILINE)
    assert [title for title, _ in listed] == headings
    for title, anchor in listed:
        assert re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") == anchor


def test_the_clients_of_the_guide():
    imported = set(
        re.findall(r"^from (\w+)", "\n".join(example.code for example in examples_of(GUIDE.read_text())), re.MULTILINE)
    )
    assert imported >= {"kafka", "aiokafka", "confluent_kafka", "faststream"}
