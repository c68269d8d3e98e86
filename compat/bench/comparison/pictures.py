"""Pictures of the results as SVG: bars that compare brokers, and lines over time, size or part of the requests.

Two kinds of charts need no library. The colours are those of Okabe and Ito, which everybody can tell apart.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from .table import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLOURS = {"ottla": "#0072B2", "ottla-uvloop": "#56B4E9", "kafka": "#D55E00", "kfake": "#009E73"}
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 70, 20, 56, 48
_PLOT_HEIGHT = 300
_BAR, _GAP, _LABELS = 14, 14, 390
_DECADE = 10


class Axis(NamedTuple):
    """What is along an edge of a chart of lines."""

    name: str
    is_logarithmic: bool = False


def bars(title: str, unit: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """A group of bars for each row, a bar for each broker; each group is scaled to its own largest."""
    pieces, y = [], _TOP
    room = _WIDTH - _LABELS - _RIGHT - 70
    for name, values in rows.items():
        largest = max(values.values(), default=0) or 1
        pieces.append(_text(_LABELS - 8, y + _BAR * len(values) / 2 + 4, name, anchor="end"))
        for broker, value in values.items():
            length = max(1.0, room * value / largest)
            pieces.append(
                f'<rect x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR - 2}" fill="{_COLOURS[broker]}"/>'
            )
            pieces.append(_text(_LABELS + length + 4, y + _BAR - 4, number(value), size=11))
            y += _BAR
        y += _GAP
    brokers = dict.fromkeys(broker for values in rows.values() for broker in values)
    return _picture(f"{title}, {unit}", y, [*pieces, *_legend(list(brokers))])


def lines(title: str, x: Axis, y: Axis, curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line for each broker."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return _picture(title, _TOP + _PLOT_HEIGHT, [])
    x_scale = _Scale([px for px, _ in points], _LEFT, _WIDTH - _RIGHT, x.is_logarithmic)
    y_scale = _Scale(
        [0 if not y.is_logarithmic else points[0][1], *(py for _, py in points)],
        _TOP + _PLOT_HEIGHT,
        _TOP,
        y.is_logarithmic,
    )
    pieces = _grid(x, y, x_scale, y_scale)
    for broker, curve in curves.items():
        path = " ".join(f"{x_scale.place(px):.1f},{y_scale.place(py):.1f}" for px, py in curve)
        pieces.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[broker]}" stroke-width="2"/>')
    return _picture(title, _TOP + _PLOT_HEIGHT + _BOTTOM, [*pieces, *_legend(list(curves))])


class _Scale:
    """From values to places along an edge."""

    def __init__(self, values: Sequence[float], start: float, end: float, is_logarithmic: bool) -> None:
        self._is_logarithmic = is_logarithmic
        low, high = min(values), max(values)
        if is_logarithmic:
            low = max(low, min((value for value in values if value > 0), default=1))
            low, high = _DECADE ** math.floor(math.log10(low)), _DECADE ** math.ceil(math.log10(max(high, low)))
        self._low, self._high = low, high if high > low else low + 1
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Where a value stands."""
        low, high = self._low, self._high
        if self._is_logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, low))
        return self._start + (self._end - self._start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values within."""
        if self._is_logarithmic:
            first, last = round(math.log10(self._low)), round(math.log10(self._high))
            return [float(_DECADE**power) for power in range(first, last + 1)]
        step = _DECADE ** math.floor(math.log10((self._high - self._low) / 2))
        while (self._high - self._low) / step > 8:
            step *= 2
        first_at = math.ceil(self._low / step)
        return [at * step for at in range(first_at, math.floor(self._high / step) + 1)]


def _grid(x: Axis, y: Axis, x_scale: _Scale, y_scale: _Scale) -> list[str]:
    bottom, right = _TOP + _PLOT_HEIGHT, _WIDTH - _RIGHT
    pieces = [_text((_LEFT + right) / 2, bottom + 38, x.name, anchor="middle"), _text(8, _TOP - 8, y.name, size=11)]
    for tick in y_scale.ticks():
        at = y_scale.place(tick)
        pieces.append(f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#dddddd"/>')
        pieces.append(_text(_LEFT - 6, at + 4, f"{tick:g}", anchor="end", size=11))
    for tick in x_scale.ticks():
        at = x_scale.place(tick)
        pieces.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="#666666"/>')
        pieces.append(_text(at, bottom + 18, f"{tick:g}", anchor="middle", size=11))
    return pieces


def _legend(brokers: Sequence[str]) -> list[str]:
    pieces = []
    for at, broker in enumerate(brokers):
        x = _WIDTH - _RIGHT - 104 * (len(brokers) - at)
        pieces.append(f'<rect x="{x}" y="30" width="12" height="12" fill="{_COLOURS[broker]}"/>')
        pieces.append(_text(x + 18, 40, broker))
    return pieces


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'


def _picture(title: str, height: float, pieces: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {_WIDTH} {height:.0f}" font-family="sans-serif" fill="#222222">'
    )
    ground = f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join([head, ground, _text(12, 22, title, size=15), *pieces, "</svg>", ""])
