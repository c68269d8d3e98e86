"""Java's own command-line clients, unchanged, against the broker."""

from __future__ import annotations

from ..harness.broker_process import REAL_KAFKA
from ..harness.java_tools import CONSOLE_CONSUMER, CONSOLE_PRODUCER, TOPICS, java_environment
from .group_scenario import PARTITIONS, GroupScenario, key_of

GROUP_SETTINGS = {
    "auto.commit.interval.ms": "500",
    "session.timeout.ms": "1500",
    "heartbeat.interval.ms": "300",
}


class JavaFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, java_tools, bootstrap: str) -> None:
        self._java_tools = java_tools
        self._bootstrap = bootstrap

    def run(self, tool: str, *arguments: str, stdin: str = "") -> str:
        return self._java_tools.succeed(tool, "--bootstrap-server", self._bootstrap, *arguments, stdin=stdin.encode())

    def create_topic(self, topic: str, partitions: int) -> None:
        self.run(TOPICS, "--create", "--topic", topic, "--partitions", str(partitions))

    def produce(self, topic: str, numbers: range) -> None:
        lines = "".join(f"{key_of(number)}:{number}\n" for number in numbers)
        keyed = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
        self.run(CONSOLE_PRODUCER, "--topic", topic, "--timeout", "5", *keyed, stdin=lines)

    def member_command(self, group: str, topic: str):
        settings = [word for key, value in GROUP_SETTINGS.items() for word in ("--command-property", f"{key}={value}")]
        shown = {"print.partition": "true", "print.offset": "true", "print.key": "true", "key.separator": " "}
        formatting = [word for key, value in shown.items() for word in ("--formatter-property", f"{key}={value}")]
        command = [str(REAL_KAFKA), "tool", CONSOLE_CONSUMER, "--bootstrap-server", self._bootstrap, "--from-beginning"]
        return [*command, "--topic", topic, "--group", group, *settings, *formatting], java_environment()


def test_group_of_100_000_records(own_broker, java_tools, unique, tmp_path):
    broker = own_broker()
    family = JavaFamily(java_tools, broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()
