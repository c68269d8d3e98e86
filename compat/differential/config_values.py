"""Values that some configurations take, and others refuse each in its own words."""

from __future__ import annotations

ODD_VALUES = (
    "x",
    "-1",
    "0",
    "-2",
    "1",
    "99999999999",
    "2147483648",
    "",
    " ",
    "true",
    "1.5",
    "0.3",
    "-0.5",
    "compact",
    "[a]",
)
