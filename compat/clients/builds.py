"""How a client program is built: dependencies come from the language's own registry, when a program first runs.

All goes into a cache outside the tree (OTTLA_COMPAT_CACHE, by default ~/.cache/ottla-compat), in a folder whose name
holds the versions; one that is complete is used again. A language without its toolchain, or a registry without the
package, is `Unavailable`, with the reason; a program that does not compile is a failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("OTTLA_COMPAT_CACHE") or Path.home() / ".cache" / "ottla-compat")
COMPLETE = ".complete"


class Unavailable(Exception):
    """This machine cannot build the program; the message says why."""


class BuildFailed(Exception):
    """All that the program needs is there, and it does not compile; the message has the compiler's words."""


class Build(Protocol):
    def command(self, until_s: float) -> list[str]:
        """What starts the built program, without its arguments. Builds it if need be, until a moment of the monotonic
        clock in seconds. Raises Unavailable, BuildFailed."""


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


def fetch(command: list[str], directory: Path, until_s: float) -> None:
    """What needs a registry. Raises Unavailable, also when it is not done in time."""
    status, said = _run(command, directory, until_s)
    if status:
        raise Unavailable(f"{' '.join(command[:3])} failed: {said[-600:]}")


def compile_(command: list[str], directory: Path, until_s: float) -> None:
    """What needs nothing but the machine. Raises BuildFailed, and Unavailable when it is not done in time."""
    status, said = _run(command, directory, until_s)
    if status:
        raise BuildFailed(f"{' '.join(command[:3])} failed: {said[-4000:]}")


def _run(command: list[str], directory: Path, until_s: float) -> tuple[int, str]:
    polite = ["nice", *command] if shutil.which("nice") else command
    left_s = max(1.0, until_s - time.monotonic())
    try:
        done = subprocess.run(
            polite, cwd=directory, capture_output=True, text=True, timeout=left_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"{' '.join(command[:3])} was not done after {left_s:.0f} s") from late
    return done.returncode, (done.stdout + done.stderr).strip()


@contextmanager
def cached(name: str, sources: list[Path], until_s: float) -> Iterator[tuple[Path, bool]]:
    """A folder for one build, held alone meanwhile, and whether it is complete already.

    Raises Unavailable when it is not, and there is no time left to build it.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = (folder / COMPLETE).exists()
        if not complete and time.monotonic() > until_s:
            raise Unavailable("it is not built yet, and the time for building is used up")
        yield folder, complete
        (folder / COMPLETE).touch()


@dataclass(frozen=True)
class GoBuild:
    """A package of the module in `go/`; the module's go.mod has the versions."""

    package: str
    options: tuple[str, ...] = ()

    def command(self, until_s: float) -> list[str]:
        go, module = tool("go"), HERE / "go"
        sources = [
            module / "go.mod",
            *sorted((module / "facts").glob("*.go")),
            *sorted((module / self.package).glob("*.go")),
        ]
        with cached(f"go-{self.package}", sources, until_s) as (folder, complete):
            program = folder / self.package
            if not complete:
                fetch([go, "mod", "download"], module, until_s)
                compile_([go, "build", "-o", str(program), f"./{self.package}"], module, until_s)
            return [str(program), *self.options]


@dataclass(frozen=True)
class NodeBuild:
    """One script of `js/` beside the packages that it imports. What a package compiles itself takes minutes."""

    script: str
    packages: tuple[str, ...]
    compiles: bool = False
    environment: tuple[tuple[str, str], ...] = ()

    def command(self, until_s: float) -> list[str]:
        node, npm = tool("node"), tool("npm")
        sources = [HERE / "js" / "facts.mjs", HERE / "js" / self.script]
        with cached(f"js-{Path(self.script).stem}-{_slug(self.packages)}", sources, until_s) as (folder, complete):
            if not complete:
                install = [npm, "install", "--no-audit", "--no-fund"]
                if self.compiles:
                    settings = [f"{name}={value}" for name, value in self.environment]
                    fetch(["env", *settings, *install, *self.packages], folder, until_s)
                else:
                    fetch([*install, "--ignore-scripts=true", *self.packages], folder, until_s)
                for source in sources:
                    shutil.copy(source, folder)
            return [node, str(folder / self.script)]


@dataclass(frozen=True)
class PythonBuild:
    """One script of `python/` in an environment of its own, by the first of these Pythons that the machine has:
    the packages have been made for them. Without packages, in the environment of the tests."""

    script: str
    packages: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def command(self, until_s: float) -> list[str]:
        script = str(HERE / "python" / self.script)
        if not self.packages:
            return [sys.executable, script, *self.options]
        python = self._interpreter()
        name = f"python-{Path(self.script).stem}-{_slug(self.packages)}"
        with cached(name, [], until_s) as (folder, complete):
            inside = folder / "venv" / "bin" / "python"
            if not complete:
                fetch([python, "-m", "venv", "--clear", "venv"], folder, until_s)
                pip = [str(inside), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
                fetch([*pip, "--only-binary", ":all:", *self.packages], folder, until_s)
            return [str(inside), script, *self.options]

    def _interpreter(self) -> str:
        if not self.versions:
            return sys.executable
        for version in self.versions:
            if path := _python(version):
                return path
        raise Unavailable(f"its packages want Python {' or '.join(self.versions)}, which is not installed")


@dataclass(frozen=True)
class JavaBuild:
    """The sources of a folder of `java/`, compiled against artifacts of Maven Central and run with them."""

    folder: str
    main: str
    artifacts: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    def command(self, until_s: float) -> list[str]:
        java, javac, mvn = tool("java"), tool("javac"), tool("mvn")
        sources = sorted((HERE / "java" / self.folder).glob("*.java"))
        with cached(f"java-{self.folder}-{_slug(self.artifacts)}", sources, until_s) as (folder, complete):
            if not complete:
                (folder / "pom.xml").write_text(_pom(self.artifacts))
                copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies"
                fetch(
                    [mvn, "-q", "-B", copy, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"],
                    folder,
                    until_s,
                )
                compile_([javac, "-nowarn", "-d", "classes", "-cp", "jars/*", *map(str, sources)], folder, until_s)
            options = [
                "-Xmx256m",
                "-Xshare:auto",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            ]
            return [java, *options, "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", self.main, *self.arguments]


@dataclass(frozen=True)
class RustBuild:
    """The crate in a folder of `rust/`; its Cargo.toml has the versions. Its dependencies take minutes, once: they
    outlive a change of the program."""

    crate: str

    def command(self, until_s: float) -> list[str]:
        cargo, crate = tool("cargo"), HERE / "rust" / self.crate
        sources = [crate / "Cargo.toml", *sorted((crate / "src").glob("*.rs")), HERE / "rust" / "facts.rs"]
        target = CACHE / f"rust-{self.crate}-target"
        with cached(f"rust-{self.crate}", sources, until_s) as (folder, complete):
            if not complete:
                shutil.copytree(HERE / "rust", folder / "rust", dirs_exist_ok=True)
                fetch([cargo, "fetch", "--quiet"], folder / "rust" / self.crate, until_s)
                build = [cargo, "build", "--offline", "--quiet", "--target-dir", str(target)]
                compile_(build, folder / "rust" / self.crate, until_s)
                shutil.copy(target / "debug" / self.crate, folder / "program")
            return [str(folder / "program")]


@dataclass(frozen=True)
class Installed:
    """A script of `python/` in front of a program that the machine has, run by the Python of the tests."""

    script: str
    program: str

    def command(self, until_s: float) -> list[str]:
        tool(self.program)
        return [sys.executable, str(HERE / "python" / self.script)]


def _slug(packages: tuple[str, ...]) -> str:
    """The first package's own name and version, and a digest of all."""
    first = packages[0].split("/")[-1].split(":", 1)[-1].replace(":", "-").replace("==", "-").replace("@", "-")
    return f"{first}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"


def _python(version: str) -> str | None:
    """Where Python `version` (3.10) is, on the path or among pyenv's."""
    found = [
        shutil.which(f"python{version}"),
        *map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")),
    ]
    for path in filter(None, found):
        asked = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
        )
        if asked.stdout.strip() == version:
            return path
    return None


def _pom(artifacts: tuple[str, ...]) -> str:
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in (artifact.split(":") for artifact in artifacts)
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>clients</groupId><artifactId>clients</artifactId>"
        f"<version>1</version><dependencies>{wanted}</dependencies></project>"
    )
