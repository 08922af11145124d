"""Histograms of a run as plain arrays: to print, to draw, to lay side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.histogram_sink import load_merged

__all__ = ["Binned", "open_histograms"]


@dataclass(frozen=True, eq=False)
class Binned:
    """One histogram.

    Attributes
    ----------
    name : str
    edges : tuple of (n + 1,) float64 arrays
        Of each axis, one or two.
    values, variances : (n,) or (n, m) float64 arrays
        Of the bins within the axes: counts, or sums of weights; the variance of counts is
        the counts, that of weights the sum of their squares.
    outside : float
        What is below, above, or NaN on any axis.
    entries : int
        Rows that were counted, outside or not.
    about : mapping of str to value
        As in the plan: ``x``, ``y``, ``table``, ``weight``.
    """

    name: str
    edges: tuple[np.ndarray, ...]
    values: np.ndarray
    variances: np.ndarray
    outside: float
    entries: int
    about: Mapping[str, Any]

    @property
    def total(self) -> float:
        """Sum of the bins within the axes."""
        return float(self.values.sum())

    def moments(self) -> tuple[float, float]:
        """Give mean and standard deviation along x, from the middles of the bins; NaN of nothing."""
        weights = self.values if self.values.ndim == 1 else self.values.sum(axis=1)
        middle = (self.edges[0][1:] + self.edges[0][:-1]) / 2
        if not weights.sum():
            return float("nan"), float("nan")
        mean = float((weights * middle).sum() / weights.sum())
        return mean, float(np.sqrt(max((weights * (middle - mean) ** 2).sum() / weights.sum(), 0.0)))


def open_histograms(path: str | os.PathLike[str]) -> dict[str, Binned]:
    """Read the histograms of a run as arrays; no other package is needed.

    Parameters
    ----------
    path : path
        The merged file of a histogram sink, or another in the UHI serialisation
        with counts or weighted sums.

    Returns
    -------
    dict of str to Binned

    Raises
    ------
    FormatError
        No such file of histograms.
    """
    return {name: _binned(name, entry, str(path)) for name, entry in load_merged(Path(path)).items()}


def _binned(name: str, entry: Mapping[str, Any], where: str) -> Binned:
    axes, storage = entry["axes"], entry["storage"]
    kinds = {a["type"] for a in axes}
    if len(axes) > 2 or not kinds <= {"regular", "variable"} or storage["type"] not in _STORAGES:
        raise FormatError(
            f"histogram {name!r} has {len(axes)} axes, {', '.join(sorted(kinds))}, of {storage['type']}",
            where=where,
            remedy="read it with boost-histogram",
        )
    edges = tuple(
        np.linspace(a["lower"], a["upper"], a["bins"] + 1) if a["type"] == "regular" else np.array(a["edges"])
        for a in axes
    )
    values = np.asarray(storage["values"], np.float64)
    variances = np.asarray(storage.get("variances", storage["values"]), np.float64)
    low = [int(a["underflow"]) for a in axes]
    inner = tuple(slice(n, n + len(e) - 1) for n, e in zip(low, edges, strict=True))
    about = entry.get("metadata", {})
    return Binned(
        name,
        tuple(np.asarray(e, np.float64) for e in edges),
        values[inner],
        variances[inner],
        float(values.sum() - values[inner].sum()),
        int(about.get("entries", round(values.sum()))),
        about.get("km3gpu", {}),
    )


_STORAGES = ("int", "double", "weighted")
