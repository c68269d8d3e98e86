"""Every client program: its name, how it is built, and which features it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import features
from .builds import GoBuild, Installed, JavaBuild, NodeBuild, PythonBuild, RustBuild

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from .builds import Build
    from .features import Facts


@dataclass(frozen=True)
class Program:
    """`otherwise` are facts that this client sees otherwise, from Apache Kafka too, by its own design. The everyday
    ones are quickly built and quickly run; OTTLA_COMPAT_CLIENTS=all asks for the others as well."""

    name: str
    build: Build
    features: AbstractSet[str]
    otherwise: dict[str, Facts] = field(default_factory=dict)
    everyday: bool = False
    timeout_s: int = 400

    def expected(self) -> dict[str, Facts]:
        return {name: self.otherwise.get(name, features.KAFKA_SAYS.get(name, {})) for name in self.features}


KAFKA_GO = features.CLASSIC - features.TRANSACTIONS - {"idempotent", "delete_records", "pause_resume", "shared_group"}
KAFKAJS = ("kafkajs@2.2.4", "kafkajs-snappy@1.1.0", "@platformatic/wasm-utils@0.2.1", "zstd-codec@0.1.5")
KAFKAJS_1 = ("kafkajs@1.16.0", *KAFKAJS[1:])
# A restart of Apache Kafka takes seconds, and its consumer is not back a minute later.
KAFKAJS_SHOWS = features.CLASSIC - {"reconnect"}
# KafkaJS 1 tells of these errors without their numbers.
KAFKAJS_1_SHOWS = KAFKAJS_SHOWS - {"unknown_topic", "delete_unknown"}
THE_END_FOR_LATER: dict[str, Facts] = {"offsets_for_times": {"at_first": 0, "later": 20}}
KAFKAJS_SEES: dict[str, Facts] = {"create_existing": {"created": False}, **THE_END_FOR_LATER}
# kafka-python's and aiokafka's optional packages for the codecs that Python itself has not.
PYTHON_CODECS = ("cramjam==2.11.0", "lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0")
KAFKA_PYTHON = features.CLASSIC - {"unknown_topic", "fenced"}
# What it sends with acks=0 just before it closes never leaves it.
KAFKA_PYTHON_2_3_SEES: dict[str, Facts] = {"acks": {"records": 20}}
KAFKA_PYTHON_2 = KAFKA_PYTHON - features.TRANSACTIONS - {"idempotent", "delete_records"}
AIOKAFKA = features.CLASSIC - {"unknown_topic", "delete_group"}
LIBRDKAFKA_2_3 = features.CLASSIC - {"delete_records"}
LIBRDKAFKA_1 = features.CLASSIC - {"delete_group", "delete_records"}
RSKAFKA = (
    features.CLASSIC
    - features.TRANSACTIONS
    - features.GROUPS
    - {"unknown_topic", "create_partitions", "describe_cluster", "configs", "idempotent", "delete_unknown"}
    - {"acks", "seek_to_time", "pause_resume"}
)
KCAT = {f"produce_{codec}" for codec in features.CODECS} | {
    "acks",
    "large_message",
    "too_large",
    "group_resume",
    "idempotent",
    "describe_cluster",
    "offsets_for_times",
    "seek_to_time",
}
# zstd came to Node 22; it opens each transactional id with a producer id of its own making, so nobody is fenced.
PLATFORMATIC = features.EVERY - {"unknown_topic", "produce_zstd", "fenced", "pause_resume"}
# Where no binary is to be had: librdkafka from the package's own sources, with the libraries that the machine has.
CKJS = (("CKJS_LINKING", "dynamic"),)
FASTSTREAM = "faststream[kafka,confluent]==0.7.8"


def java_on_top(folder: str, *names: str) -> JavaBuild:
    artifacts = tuple(f"org.apache.kafka:{name}:4.3.1" for name in names)
    return JavaBuild(folder, "Program", (*artifacts, "org.slf4j:slf4j-simple:1.7.36"))


def java_clients(version: str, *options: str) -> JavaBuild:
    artifacts = (f"org.apache.kafka:kafka-clients:{version}", "org.slf4j:slf4j-simple:1.7.36")
    return JavaBuild("clients", "Program", artifacts, options)


PROGRAMS = [
    Program("go-franz-go", GoBuild("franz_go"), features.EVERY, THE_END_FOR_LATER, everyday=True),
    Program("go-sarama", GoBuild("sarama"), features.CLASSIC),
    # As the many programs that never set a version: it speaks what Kafka 2.1 spoke.
    Program("go-sarama-2.1", GoBuild("sarama", ("pinned",)), features.CLASSIC),
    Program("go-kafka-go", GoBuild("kafka_go"), KAFKA_GO, {"offsets_for_times": {"at_first": 0}}),
    Program("js-kafkajs", NodeBuild("kafkajs.mjs", KAFKAJS), KAFKAJS_SHOWS, KAFKAJS_SEES),
    Program("js-kafkajs-1.16.0", NodeBuild("kafkajs.mjs", KAFKAJS_1), KAFKAJS_1_SHOWS, KAFKAJS_SEES),
    Program("java-kafka-clients-4.3.1", java_clients("4.3.1", "kip848"), features.EVERY, everyday=True),
    Program("java-kafka-clients-3.9.1", java_clients("3.9.1"), features.CLASSIC),
    Program("java-kafka-clients-3.0.2", java_clients("3.0.2"), features.CLASSIC),
    Program("java-kafka-clients-2.8.2", java_clients("2.8.2"), features.CLASSIC, everyday=True),
    Program("python-kafka-python-3", PythonBuild("kafka_python.py"), KAFKA_PYTHON, everyday=True),
    Program(
        "python-kafka-python-2.0.2",
        PythonBuild("kafka_python.py", ("kafka-python==2.0.2", *PYTHON_CODECS), ("3.11", "3.10")),
        KAFKA_PYTHON_2,
        everyday=True,
    ),
    Program(
        "python-kafka-python-2.3.3",
        PythonBuild("kafka_python.py", ("kafka-python==2.3.3", *PYTHON_CODECS), ("3.11", "3.10")),
        KAFKA_PYTHON,
        KAFKA_PYTHON_2_3_SEES,
    ),
    Program("python-aiokafka", PythonBuild("aiokafka_program.py"), AIOKAFKA, everyday=True),
    Program("python-confluent-kafka", PythonBuild("confluent.py"), features.EVERY, everyday=True),
    Program(
        "python-confluent-kafka-1.9.2",
        PythonBuild("confluent.py", ("confluent-kafka==1.9.2",), ("3.10",)),
        LIBRDKAFKA_1,
        everyday=True,
    ),
    Program(
        "python-confluent-kafka-2.3.0",
        PythonBuild("confluent.py", ("confluent-kafka==2.3.0",), ("3.11", "3.10")),
        LIBRDKAFKA_2_3,
    ),
    Program("rust-rdkafka", RustBuild("rdkafka"), features.EVERY - {"unknown_topic"}),
    Program("rust-rskafka", RustBuild("rskafka"), RSKAFKA, {"offsets_for_times": {"at_first": 0}}),
    Program(
        "js-platformatic-kafka",
        NodeBuild("platformatic.mjs", ("@platformatic/kafka@1.35.0",)),
        PLATFORMATIC,
        {"describe_group": {"state": "STABLE", "members": 1}},
        everyday=True,
    ),
    Program(
        "js-confluent-kafka-javascript",
        NodeBuild("confluent.mjs", ("@confluentinc/kafka-javascript@1.10.1",), compiles=True, environment=CKJS),
        features.EVERY - {"produce_zstd", "create_partitions", "describe_cluster", "configs", "move_group"},
        {
            "create_existing": {"created": False},
            "describe_group": {"state": "STABLE", "members": 1},
            **THE_END_FOR_LATER,
        },
    ),
    Program("c-kcat", Installed("kcat.py", "kcat"), KCAT, {"offsets_for_times": {"at_first": 0}}, everyday=True),
    Program("java-streams", java_on_top("streams", "kafka-streams"), features.STREAMS.keys(), features.STREAMS),
    Program(
        "java-connect",
        java_on_top("connect", "connect-runtime", "connect-file"),
        features.CONNECT.keys(),
        features.CONNECT,
        timeout_s=300,
    ),
    Program(
        "java-tools",
        java_on_top("tools", "kafka-tools", "kafka_2.13"),
        features.TOOLS.keys(),
        features.TOOLS,
        everyday=True,
    ),
    Program(
        "python-faststream",
        PythonBuild("faststream_program.py", (FASTSTREAM,), ("3.11", "3.12", "3.13")),
        features.FASTSTREAM.keys(),
        features.FASTSTREAM,
    ),
    Program(
        "python-faststream-confluent",
        PythonBuild("faststream_program.py", (FASTSTREAM,), ("3.11", "3.12", "3.13"), ("confluent",)),
        features.FASTSTREAM.keys(),
        features.FASTSTREAM,
    ),
    Program(
        "python-quixstreams",
        PythonBuild("quix_program.py", ("quixstreams==3.28.1",), ("3.11", "3.12", "3.13")),
        features.QUIX.keys(),
        features.QUIX,
    ),
    Program(
        "python-kafka-python-2.0.2-pinned",
        PythonBuild("pinned_versions.py", ("kafka-python==2.0.2",), ("3.11", "3.10")),
        features.PINNED.keys(),
        features.PINNED,
        everyday=True,
    ),
]
