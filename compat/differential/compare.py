"""Two transcripts side by side: every field in which they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .play import Step


class Difference(NamedTuple):
    """One field that differs."""

    step: int
    asked: str
    path: str
    ours: Any
    theirs: Any

    @property
    def field(self) -> str:
        """The path without the places in arrays: "topics[].error_code"."""
        return "".join("[]" if part.startswith("[") else part for part in _parts(self.path))

    @property
    def key(self) -> tuple[int, str, str, str]:
        """The same for the same difference in another version."""
        return self.step, self.path, repr(self.ours), repr(self.theirs)

    def __str__(self) -> str:
        return (
            f"step {self.step}, {self.asked}: {self.path or 'the answer'}: {self.ours!r}, Apache Kafka {self.theirs!r}"
        )


def _parts(path: str) -> Iterator[str]:
    for piece in path.replace("[", "\n[").replace("]", "]\n").split("\n"):
        if piece:
            yield piece


def differences(ours: Sequence[Step], theirs: Sequence[Step]) -> list[Difference]:
    """Every difference, in the order of the steps."""
    found = []
    for number, (our, their) in enumerate(zip(ours, theirs, strict=False), 1):
        found += [
            Difference(number, their.asked, path, here, there)
            for path, here, there in _walk("", our.answered, their.answered)
        ]
    if len(ours) != len(theirs):
        found.append(Difference(min(len(ours), len(theirs)) + 1, "the rest", "", len(ours), len(theirs)))
    return found


def _walk(path: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys([*ours, *theirs]):
            at = f"{path}.{key}" if path else key
            yield from _walk(at, ours.get(key, "<absent>"), theirs.get(key, "<absent>"))
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from _walk_lists(path, ours, theirs)
    elif ours != theirs or type(ours) is not type(theirs):
        yield path, ours, theirs


def _walk_lists(path: str, ours: list[Any], theirs: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    named = _by_name(ours), _by_name(theirs)
    if named[0] is not None and named[1] is not None:
        for name in sorted(named[0].keys() | named[1].keys()):
            yield from _walk(f"{path}[{name}]", named[0].get(name, "<absent>"), named[1].get(name, "<absent>"))
        if list(named[0]) != list(named[1]) and named[0].keys() == named[1].keys():
            yield f"{path}[order]", list(named[0]), list(named[1])
        return
    for index in range(max(len(ours), len(theirs))):
        ours_here = ours[index] if index < len(ours) else "<absent>"
        theirs_here = theirs[index] if index < len(theirs) else "<absent>"
        yield from _walk(f"{path}[{index}]", ours_here, theirs_here)


def _by_name(entries: list[Any]) -> dict[str, Any] | None:
    """The entries by what names them, where something does: so that one missing entry is one difference."""
    for key in ("name", "api_key", "group_id", "transactional_id", "resource_name"):
        if entries and all(isinstance(entry, dict) and key in entry for entry in entries):
            named = {str(entry[key]): entry for entry in entries}
            if len(named) == len(entries):
                return named
    return None
