"""Paths of bars and lines, in a box of the given width and height whose origin is at the top left."""

from collections.abc import Sequence
from typing import Final

from entrypoints.ui.charts.scales import number

_GAP: Final = 0.2
"""Part of a bucket's width that is left free between two bars."""
_LEAST: Final = 2.0
"""Height of a bar that is not zero, at least: one failure among a thousand is visible."""


def stacked_bars(layers: Sequence[Sequence[int]], top: float, *, width: float, height: float) -> list[str]:
    """Returns a path for each layer. The first layer stands on the axis, the others on those before it."""
    if not layers or not layers[0]:
        return ["" for _ in layers]
    step = width / len(layers[0])
    bar = step * (1 - _GAP)
    floors = [height] * len(layers[0])
    paths = []
    for layer in layers:
        parts = []
        for place, value in enumerate(layer):
            if value <= 0:
                continue
            high = max(value / top * height, _LEAST)
            x = place * step + (step - bar) / 2
            floors[place] -= high
            parts.append(f"M{number(x)} {number(floors[place])}h{number(bar)}v{number(high)}h-{number(bar)}z")
        paths.append("".join(parts))
    return paths


def line(values: Sequence[float | None], top: float, *, width: float, height: float) -> str:
    """Returns the path of a line through the middle of each bucket. It is interrupted where there is no value; a value
    between two gaps is a short stroke."""
    if not values:
        return ""
    step = width / len(values)
    parts: list[str] = []
    pen_down = False
    for place, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        x, y = (place + 0.5) * step, height - min(value / top, 1) * height
        alone = not pen_down and (place + 1 == len(values) or values[place + 1] is None)
        if alone:
            parts.append(f"M{number(x - step / 4)} {number(y)}h{number(step / 2)}")
        else:
            parts.append(f"{'L' if pen_down else 'M'}{number(x)} {number(y)}")
        pen_down = True
    return "".join(parts)
