"""Our assignors and our patterns beside Kafka's own classes, over many made-up cases in one JVM."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest
from ottla.broker.coordinators.assignors.group_spec import GroupSpec, MemberSpec
from ottla.broker.coordinators.assignors.range import RangeAssignor
from ottla.broker.coordinators.assignors.uniform import UniformAssignor
from ottla.broker.coordinators.topic_patterns.pattern import PatternError, TopicPattern

from ..harness.broker_process import REAL_KAFKA
from ..harness.java_tools import java_environment, why_no_java

CLASSES = Path(__file__).with_name("KafkaClasses.java")
CASES = 3_000
SEED = 848

pytestmark = pytest.mark.skipif(bool(why_no_java()), reason=why_no_java() or "Java is here")


def ask(mode: str, lines: list[str]) -> list[str]:
    done = subprocess.run(
        [str(REAL_KAFKA), "tool", str(CLASSES), mode],
        input="\n".join([*lines, ""]).encode(),
        capture_output=True,
        env=java_environment(),
        timeout=110,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


class Case:
    """A group with some topics; `members` are name, instance, numbers of topics, and what each had."""

    def __init__(self, chance: random.Random) -> None:
        self.assignor = chance.choice(["range", "uniform", "uniform"])
        self.is_homogeneous = chance.random() < 0.5
        sizes = [1, 1, 2, 3, 5, 8, 13, 40]
        self.topics = [(chance.randbytes(16), chance.choice(sizes)) for _ in range(chance.randint(1, 7))]
        numbers = range(len(self.topics))
        shared = sorted(chance.sample(numbers, chance.randint(1, len(numbers))))
        self.members: list[tuple[str, str, list[int], dict[int, set[int]]]] = []
        for index, name in enumerate(chance.sample(range(10_000), chance.randint(1, 9))):
            own = sorted(chance.sample(numbers, chance.randint(0 if index else 1, len(numbers))))
            instance = f"i{chance.randrange(10_000)}" if chance.random() < 0.2 else ""
            self.members.append((f"m{name}", instance, shared if self.is_homogeneous else own, {}))
        if chance.random() < 0.8:
            self._assign_some(chance)

    def _assign_some(self, chance: random.Random) -> None:
        for number, (_, size) in enumerate(self.topics):
            for partition in chance.sample(range(size), size * 3 // 4):
                _, _, topics, had = chance.choice(self.members[: chance.randint(1, len(self.members))])
                if number in topics or chance.random() < 0.1:
                    had.setdefault(number, set()).add(partition)

    def line(self) -> str:
        topics = ",".join(f"{':'.join(map(str, struct.unpack('>qq', topic)))}:{size}" for topic, size in self.topics)
        members = [
            ";".join(
                [
                    name,
                    instance,
                    ",".join(map(str, own)),
                    "/".join(
                        f"{number}:{'.'.join(map(str, sorted(partitions)))}" for number, partitions in had.items()
                    ),
                ]
            )
            for name, instance, own, had in self.members
        ]
        return "|".join([self.assignor, "HOMO" if self.is_homogeneous else "HET", topics, *members])

    def assign(self, order: list[int]) -> dict[str, dict[int, list[int]]]:
        """Ours, with the topics in the order in which Kafka's hash set happens to hold them."""
        ids = [topic for topic, _ in self.topics]
        by_hash = self.is_homogeneous and self.assignor == "uniform"
        owners: dict[bytes, dict[int, str]] = {}
        for name, _, _, had in self.members:
            for number, partitions in had.items():
                owners.setdefault(ids[number], {}).update(dict.fromkeys(partitions, name))
        specs = {
            name: MemberSpec(
                [ids[number] for number in (order if by_hash else own)],
                {ids[number]: frozenset(partitions) for number, partitions in had.items()},
                instance or None,
            )
            for name, instance, own, had in self.members
        }
        assignor = RangeAssignor() if self.assignor == "range" else UniformAssignor()
        assigned = assignor.assign(GroupSpec(specs, self.is_homogeneous, owners, dict(self.topics)))
        return {
            name: {ids.index(topic): sorted(partitions) for topic, partitions in assigned.get(name, {}).items()}
            for name in specs
        }


def test_assignors_assign_as_kafkas_do():
    chance = random.Random(SEED)
    cases = [Case(chance) for _ in range(CASES)]
    answers = ask("assign", [case.line() for case in cases])
    assert len(answers) == len(cases)
    for case, answer in zip(cases, answers, strict=True):
        order, *members = answer.split("|")
        theirs: dict[str, dict[int, list[int]]] = {}
        for name, own in (member.split(";") for member in members):
            topics = [topic.split(":") for topic in own.split("/") if topic]
            theirs[name] = {int(number): [int(p) for p in numbers.split(".") if p] for number, numbers in topics}
        assert case.assign([int(number) for number in order.split(",") if number]) == theirs, case.line()


NAMES = [
    "a",
    "b",
    "ab",
    "abc",
    "A",
    "foo",
    "foo.bar",
    "foo-bar_1",
    "__consumer_offsets",
    "topic-12",
    "k",
    "s",
    "K",
    "aaa",
    "aaaa",
    "x.y.z",
    "1",
    "t_",
    "-",
    ".",
]
PIECES = [
    "a",
    "b",
    "foo",
    "bar",
    ".",
    "\\.",
    "-",
    "_",
    "[a-c]",
    "[^a]",
    "[A-Z]",
    "\\d",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "\\b",
    "\\B",
    "^",
    "$",
    "\\A",
    "\\z",
    "(",
    "(?:",
    "(?i)",
    "(?i:",
    "(?s)",
    "(?m:",
    "(?-i:",
    "(?P<x>",
    "(?<y>",
    ")",
    ")",
    ")",
    "|",
    "|",
    "*",
    "+",
    "?",
    "{2}",
    "{1,3}",
    "{0}",
    "{,2}",
    "{2,",
    "{3,1}",
    "*?",
    "+?",
    "??",
    "[",
    "]",
    "[[:alpha:]]",
    "[[:^digit:]x]",
    "\\pL",
    "\\p{Lu}",
    "\\PN",
    "\\p{Latin}",
    "\\p{Common}",
    "\\p{Greek}",
    "\\Qa.b\\E",
    "\\Q",
    "\\x61",
    "\\x{6f}",
    "\\141",
    "\\0",
    "\\1",
    "\\n",
    "\\-",
    "\\_",
    "{",
    "}",
    "-]",
    "[]a]",
    "[^]a]",
    "[a-]",
    "[-a]",
    "[\\d-]",
    "[\\w.]",
    "[a\\-z]",
    "\\",
    "\\p",
    "\\p{",
    "\\x",
    "\\x{}",
    "\\x6",
    "[\\",
    "[a-\\",
    "[[:",
    "[[:]",
    "[[:foo:]]",
    "(?",
    "(?i",
    "(?ii)",
    "(?U)",
    "(?:a|b)*",
    "(a|ab)(c|bcd)*",
    "(?P<1>a)",
    "(?P=a)",
    "é",
    "\u017f",
]


def ours(pattern: str) -> str:
    try:
        compiled = TopicPattern(pattern)
    except PatternError as error:
        return f"!{error.description}"
    return "".join("1" if compiled.matches(name) else "0" for name in NAMES)


def test_patterns_match_as_kafkas_do():
    chance = random.Random(SEED)
    patterns = ["".join(chance.choices(PIECES, k=chance.randint(1, 7))) for _ in range(CASES * 3)]
    answers = ask("patterns", [" ".join(NAMES), *patterns])
    assert len(answers) == len(patterns)
    for pattern, theirs in zip(patterns, answers, strict=True):
        assert ours(pattern) == theirs, pattern
