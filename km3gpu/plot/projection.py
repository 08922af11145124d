"""Projections of the sphere on pyplot's axes, for scripts that go on drawing themselves."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["adjust", "projection_axes"]


def projection_axes(projection: str = "aitoff", **figargs: Any) -> tuple[Figure, Axes]:
    """Make a figure of pyplot with axes in a projection.

    Parameters
    ----------
    projection : str
        ``"aitoff"``, ``"mollweide"``, ``"hammer"``, ...
    **figargs
        For ``pyplot.figure``.
    """
    figure = plt.figure(**figargs)
    axes = figure.add_subplot(111, projection=projection)
    axes.grid(color="lightgrey")
    return figure, axes


def adjust(axes: Axes, top: float, bottom: float) -> None:
    """Give the axes more of their figure."""
    axes.get_figure(root=True).subplots_adjust(top=top, bottom=bottom)  # type: ignore[union-attr]
