"""XXH3 against values that Kafka's own hash library gave: every way through the algorithm, and its edges."""

from __future__ import annotations

import struct

import pytest
from ottla.protocol.xxh3 import xxh3_64

VECTORS = [
    (0, 3244421341483603138),
    (1, 1433843135270481901),
    (3, 12180141160879835164),
    (4, 7895465118229274323),
    (7, 10268930274873212462),
    (8, 6941064856527638883),
    (9, 18374517719163151272),
    (16, 13314990914799711621),
    (17, 8163341949877205007),
    (32, 1873302701886544469),
    (33, 4486878507168070088),
    (64, 2917965298538373825),
    (65, 9408609914592003654),
    (96, 17331232145433315139),
    (97, 2137665177113230204),
    (128, 7440608504995537343),
    (129, 14295761343243267012),
    (240, 7229805477010515663),
    (241, 10082113959289486871),
    (500, 13311583139899777642),
    (1024, 11205349619999208113),
    (1025, 9253807012321506678),
    (1088, 3424848841118183642),
    (1089, 3067025562774136808),
    (2048, 12386592778227166929),
    (5000, 8762507191635236893),
]


@pytest.mark.parametrize(("length", "expected"), VECTORS)
def test_hashes(length, expected):
    assert xxh3_64(bytes((i * 7 + 3) & 255 for i in range(length))) == expected


def test_every_byte_counts():
    for length in (3, 8, 16, 100, 200, 1_100, 2_200):
        data = bytes(length)
        hashes = {xxh3_64(data[:at] + b"\x01" + data[at + 1 :]) for at in range(length)} | {xxh3_64(data)}
        assert len(hashes) == length + 1


def test_what_a_stream_of_values_hashes_to():
    text = "topic-é"
    fed = b"\0" + struct.pack("<qq", 5, -6) + text.encode("utf-16-le") + struct.pack("<ii", len(text), 3)
    assert xxh3_64(fed) == 18333937583335737052
