"""A container without Docker: a root directory of its own with the image's files in it, in namespaces of its own.

The files are those of `container/root`, the directories those that the Dockerfile makes; Python and the libraries are
the machine's. Inside, the network is a loopback that nobody else has, so the ports are those of the real thing.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGE = REPOSITORY / "container"
DEADLINE_S = 60

_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"]
_LOOPBACK_UP = """
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
"""


def why_no_scratch_container() -> str:
    """Why there can be none here; empty where there can."""
    for tool in ("unshare", "nsenter", "chroot", "mount", "bash"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    tried = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"this machine gives out no namespaces: {tried.stderr.strip()}"


class ScratchContainer:
    """A running container. `output` is all that it has said; its files lie below `root`."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        command: Sequence[str] | None = None,
        *,
        mounted: str | None = None,
    ) -> None:
        """Start `command`, or what the image starts. `mounted` is the text of a server.properties that is mounted."""
        self.root = home / "root"
        self._environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **environment}
        self._make_root()
        if mounted is not None:
            (self.root / "mnt/shared/config/server.properties").write_text(mounted)
        self.process = subprocess.Popen(
            [*_NAMESPACES, shutil.which("bash"), "-euc", self._set_up(), "--", *(command or default_command())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            text=True,
        )
        self._lines: list[str] = []
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _make_root(self) -> None:
        shutil.copytree(IMAGE / "root", self.root)
        for made in re.findall(r"mkdir -p (.*?) \\", (IMAGE / "Dockerfile").read_text()):
            for directory in made.split():
                (self.root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (self.root / "tmp").mkdir()
        (self.root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
        (self.root / "home" / "appuser").mkdir(parents=True)

    def _set_up(self) -> str:
        """Bind what the machine has, bring the loopback up, go inside, and run the arguments."""
        binds = [path for path in _of_the_machine() if path.exists() and not path.is_symlink()]
        lines = [f"mkdir -p {self.root}{path}; mount --rbind {path} {self.root}{path}" for path in binds]
        lines += [f"ln -s {os.readlink(path)} {self.root}{path}" for path in _of_the_machine() if path.is_symlink()]
        lines += [f"mkdir -p {self.root}/proc; mount -t proc proc {self.root}/proc"]
        lines += [f"{sys.executable} -c '{_LOOPBACK_UP}'"]
        lines += [f'exec {shutil.which("chroot")} {self.root} /bin/sh -c \'cd /home/appuser; exec "$@"\' -- "$@"']
        return "\n".join(lines)

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._said:
                self._lines.append(line)
                self._said.notify_all()
        with self._said:
            self._lines.append("")
            self._said.notify_all()

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def wait_for_log(self, pattern: str) -> None:
        """Wait for a line, as testcontainers do."""
        deadline = time.monotonic() + DEADLINE_S
        with self._said:
            while not re.search(pattern, self.output):
                ended = bool(self._lines) and self._lines[-1] == ""
                if ended or not self._said.wait(max(0, deadline - time.monotonic())):
                    raise AssertionError(f"{pattern} was not said:\n{self.output}")

    def copy_in(self, path: str, text: str, mode: int = 0o777) -> None:
        """`docker cp`: the file is there at once and whole."""
        target = self.root / path.lstrip("/")
        beside = target.with_name(target.name + ".new")
        beside.write_text(text)
        beside.chmod(mode)
        beside.rename(target)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`docker exec`."""
        inside = self._first_process()
        enter = ["nsenter", "--target", str(inside), "--user", "--mount", "--net", "--pid", "--preserve-credentials"]
        return subprocess.run(
            [*enter, shutil.which("chroot"), str(self.root), *command],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=DEADLINE_S,
            check=False,
        )

    def stop(self) -> int:
        """`docker stop`: SIGTERM to the first process; its exit status."""
        os.kill(self._first_process(), 15)
        try:
            return self.process.wait(DEADLINE_S)
        finally:
            self.remove()

    def wait(self) -> int:
        """The exit status of a container that ends by itself."""
        try:
            return self.process.wait(DEADLINE_S)
        finally:
            self.remove()

    def remove(self) -> None:
        """`docker rm -f`."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
                os.kill(self._first_process(), 9)
            self.process.kill()
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        self.process.stdout.close()

    def _first_process(self) -> int:
        """The process with id 1 inside."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def default_command() -> list[str]:
    """The Dockerfile's CMD."""
    found = re.search(r"^CMD \[(.*)\]$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)
    return [part.strip().strip('"') for part in found[1].split(",")]


def health_command() -> list[str]:
    """The Dockerfile's health check."""
    found = re.search(r"^HEALTHCHECK .*?CMD \[(.*?)\]$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
    return [part.strip().strip('"') for part in found[1].split(",")]


def _of_the_machine() -> list[Path]:
    """What a Python image has: the system's programs and libraries, this interpreter, and Ottla itself."""
    paths = [Path(name) for name in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev")]
    own = {Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parents[1], REPOSITORY}
    return paths + sorted(path for path in own if not any(path.is_relative_to(other) for other in paths))
