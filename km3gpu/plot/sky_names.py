"""Names of sources on a map of the sky, beside their stars and clear of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from km3gpu.astro.sources import Source
from km3gpu.plot.sky_layers import place
from km3gpu.plot.style import COLOURS

__all__ = ["name_sources"]

_NAME_SIZE = 7.5
# where a name may stand beside its star, in points, the best place first
_SIDES = (
    (6, 6, "left"), (-6, 6, "right"), (6, -6, "left"), (-6, -6, "right"),
    (8, 0, "left"), (-8, 0, "right"), (0, 10, "center"), (0, -10, "center"),
)  # fmt: skip


def name_sources(axes: Axes, sources: list[Source], frame: str) -> None:
    """Mark sources with a star and their name, where it covers no other star or name."""
    if not sources:
        return
    x, y = place([s.ra for s in sources], [s.dec for s in sources], frame)
    axes.scatter(
        x, y, marker="*", s=62, color=COLOURS["track"], edgecolors="white", linewidths=0.6, zorder=7,
        label="sources",
    )  # fmt: skip
    for each, star, (dx, dy, side) in zip(sources, zip(x, y, strict=True), _sides(axes, x, y, sources),
                                           strict=True):  # fmt: skip
        axes.annotate(
            each.name, star, xytext=(dx, dy), textcoords="offset points", ha=side, va="center",
            fontsize=_NAME_SIZE, zorder=6,
            bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.65},
        )  # fmt: skip


def _sides(axes: Axes, x: Any, y: Any, sources: list[Source]) -> list[tuple[float, float, str]]:
    """Choose a side for every name: the one that covers least of stars, other names and the edge."""
    figure = axes.get_figure(root=True)
    scale = 72.0 / figure.dpi if figure is not None else 1.0
    points = np.asarray(axes.transData.transform(np.column_stack([x, y]))) * scale
    frame = np.asarray(axes.get_window_extent().extents) * scale
    taken = [(px - 4.0, py - 4.0, px + 4.0, py + 4.0) for px, py in points]
    chosen: list[tuple[float, float, str]] = []
    for (px, py), source in zip(points, sources, strict=True):
        width, height = 0.58 * _NAME_SIZE * len(source.name), 1.2 * _NAME_SIZE
        boxes = []
        for dx, dy, side in _SIDES:
            left = px + dx - {"left": 0.0, "right": width, "center": width / 2}[side]
            boxes.append((left, py + dy - height / 2, left + width, py + dy + height / 2))
        cost = [sum(_common(box, other) for other in taken) + _outside(box, frame) for box in boxes]
        best = int(np.argmin(np.round(cost, 1)))
        taken.append(boxes[best])
        chosen.append(_SIDES[best])
    return chosen


def _common(a: Any, b: Any) -> float:
    """Area that two boxes (left, bottom, right, top) have in common."""
    return float(max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1])))


def _outside(box: Any, frame: Any) -> float:
    """Area of a box that is outside of another."""
    return float((box[2] - box[0]) * (box[3] - box[1])) - _common(box, frame)
