"""The look at files that other tests rely on sees damage: a file of each kind is damaged, and each is complained of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .asking import Broker
from .contents import Contents
from .dumps import complaints
from .history import errors_in
from .place import Place
from .view import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A directory of which nobody complains."""
    place = Place(tmp_path_factory.mktemp("sound"))
    contents = Contents(place)
    try:
        place.start("ottla")
        with Broker(place) as broker:
            wait_until_ready(broker)
            contents.write_first(broker)
            contents.write(broker)
        place.stop()
    finally:
        place.close()
    return place.data_dirs[0]


@pytest.fixture
def directory(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "data"))


def first(directory: Path, pattern: str) -> Path:
    return min(path for path in directory.glob(pattern) if path.stat().st_size)


def change_byte(position: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[position] ^= 0x55
        path.write_bytes(data)

    return damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


# An entry of an offset index is 4 bytes of offset and 4 of position, one of a time index 8 of time and 4 of offset.
DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a record": ("segments-0/*.log", change_byte(-1)),
    "a record's length": ("headers-0/*.log", change_byte(61)),
    "a compressed batch": ("codec-gzip-0/*.log", change_byte(90)),
    "a torn tail": ("headers-0/*.log", cut),
    "an offset in a batch header": ("segments-0/*.log", change_byte(7)),
    "a commit": ("__consumer_offsets-*/*.log", change_byte(-1)),
    "a change of the metadata": ("__cluster_metadata-0/*.log", change_byte(-1)),
    "a transaction's state": ("__transaction_state-*/*.log", change_byte(-1)),
    "a position in an offset index": ("large-0/*.index", change_byte(-1)),
    "a timestamp in a time index": ("large-0/*.timeindex", change_byte(-7)),
    "a cut time index": ("large-0/*.timeindex", cut),
    "a producer snapshot": ("segments-0/*.snapshot", change_byte(-1)),
}


def test_nothing_is_said_of_a_sound_directory(java_tools, directory, tmp_path):
    assert complaints(java_tools, [directory], tmp_path / "dump", crashed_kafka=False) == []
    assert errors_in(directory) == []


@pytest.mark.parametrize(("pattern", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_complained_of(java_tools, directory, tmp_path, pattern, damage):
    damage(first(directory, pattern))
    found = complaints(java_tools, [directory], tmp_path / "dump", crashed_kafka=False)
    print(found)  # noqa: T201 (pytest shows it beside a failure)
    assert found
