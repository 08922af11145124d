"""Light of the sea: single hits and coincidences of potassium-40, as rates and as made-up frames.

A decay of 40K near a module makes several of its PMTs fire within some ns; all
else (decays farther away, bioluminescence, dark counts) makes hits one by one.
The model has a rate of single hits per PMT, rates of two- to six-fold
coincidences per module, and the preference for PMTs that look the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from km3gpu.errors import ConfigError

__all__ = ["FRAME_NS", "Background", "Frames", "frames", "pair_weights", "random_rates"]

FRAME_NS = 1e8
"""Length of a frame (timeslice) of the data acquisition [ns]."""


@dataclass(frozen=True)
class Background:
    """Rates of the background of one detector.

    The default rates are those that a KM3NeT production took for ORCA
    (``JTriggerEfficiency -B "7000 570 57 7 0.8 0.09"``, from the META data of
    its files).  The dependence on the angle between the axes of two PMTs,
    ``exp(x (b2 + x (b3 + x b4)))`` with ``x`` its cosine, is that fitted to
    simulated decays in km3pipe (``km3modules.k40.MC_ANG_DIST``).

    Attributes
    ----------
    singles_hz : float
        Single hits per PMT; coincidences come on top.
    folds_hz : tuple of float
        Coincidences per module of two PMTs, three ...
    angular : (float, float, float)
        ``b2, b3, b4``.
    spread_ns : float
        Standard deviation of the time of one hit of a coincidence; our choice,
        about the transit time spread of the PMTs.
    """

    singles_hz: float = 7000.0
    folds_hz: tuple[float, ...] = (570.0, 57.0, 7.0, 0.8, 0.09)
    angular: tuple[float, float, float] = (2.59196335, -0.43594182, 1.10514914)
    spread_ns: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "folds_hz", tuple(self.folds_hz))
        rates = (self.singles_hz, *self.folds_hz, self.spread_ns)
        if not all(math.isfinite(r) and r >= 0 for r in rates):
            raise ConfigError(f"rates of the background {rates}", remedy="give 0 or more")
        if len(self.angular) != 3 or not all(math.isfinite(b) for b in self.angular):
            raise ConfigError(f"angular = {self.angular!r}", remedy="give three numbers")

    def module_hz(self, n_pmts: int = 31) -> float:
        """Give the rate of all hits of a module of `n_pmts` PMTs [Hz]."""
        together = sum(m * rate for m, rate in enumerate(self.folds_hz, 2))
        return n_pmts * self.singles_hz + together

    def expected_l1_hz(self, window_ns: float = 25.0, n_pmts: int = 31) -> float:
        """Give the rate of same-module coincidences of a module [Hz].

        Random ones of all hits, and those of 40K, less those that begin within
        another's window.
        """
        rate = self.module_hz(n_pmts) * 1e-9
        random = float(random_rates(n_pmts * self.singles_hz, window_ns).sum())
        true = sum(self.folds_hz)
        # a decay is not counted anew where a hit before it has opened the window
        hidden = rate * window_ns / (1.0 + rate * window_ns)
        return random * (1.0 - true * window_ns * 1e-9) + true * (1.0 - hidden)


def random_rates(
    rate_hz: float, window_ns: float = 25.0, *, most: int = 8, clock_ns: float = 1.0
) -> np.ndarray:
    """Give the rates of chance coincidences of hits of a given rate.

    Hits come by chance at `rate_hz`; the first opens a window, the first after
    it the next (the rule of `km3gpu.kernels.coincidence`).  Windows follow each
    other every ``T + 1 / r`` on average, and ``m`` hits are in one with the
    probability of ``m - 1`` of a Poisson distribution of mean ``r T``.

    Parameters
    ----------
    rate_hz : float
        All hits of the module.
    window_ns : float
        Ends included.
    most : int
        Largest number of hits to count by itself.
    clock_ns : float
        Times are stored in whole steps of it, which makes the window longer by
        half a step; 0 for exact times.

    Returns
    -------
    (most + 1,) float64 array
        Rate of coincidences of ``m`` hits [Hz], 0 for ``m`` below 2.

    Raises
    ------
    ConfigError
        A rate or a time is negative.
    """
    if not (rate_hz >= 0 and window_ns >= 0 and clock_ns >= 0 and most >= 2):
        raise ConfigError(f"chance coincidences of {rate_hz} Hz within {window_ns} ns")
    rates = np.zeros(most + 1)
    if rate_hz == 0:
        return rates
    window = (math.floor(window_ns / clock_ns) + 0.5) * clock_ns if clock_ns else window_ns
    mean = rate_hz * 1e-9 * window
    windows = 1.0 / (window * 1e-9 + 1.0 / rate_hz)
    for m in range(2, most + 1):
        rates[m] = windows * math.exp(-mean) * mean ** (m - 1) / math.factorial(m - 1)
    return rates


def pair_weights(axes: np.ndarray, angular: tuple[float, float, float]) -> np.ndarray:
    """Give how readily pairs of PMTs see one decay.

    Parameters
    ----------
    axes : (n, 3) array
        Unit vectors.
    angular : (float, float, float)
        See `Background`.

    Returns
    -------
    (n, n) float64 array
        Without unit; 0 for a PMT with itself.
    """
    x = axes @ axes.T
    b2, b3, b4 = angular
    weights: np.ndarray = np.exp(x * (b2 + x * (b3 + x * b4)))
    np.fill_diagonal(weights, 0.0)
    return weights


class Frames(NamedTuple):
    """Hits of frames as the data acquisition writes them.

    Attributes
    ----------
    offsets : (n_frames + 1,) int64 array
        Hits of each frame; frames of a slice follow each other, module by module.
    module : (n_frames,) int64 array
        Number of the module.
    channel_id, tdc, tot : (n,) uint8, uint32, uint8 arrays
        As stored [ns].
    """

    offsets: np.ndarray
    module: np.ndarray
    channel_id: np.ndarray
    tdc: np.ndarray
    tot: np.ndarray


def frames(
    background: Background,
    axes: np.ndarray,
    t0: np.ndarray,
    n_slices: int = 1,
    seed: int = 0,
    *,
    first_slice: int = 0,
    disorder: float = 0.15,
) -> Frames:
    """Make up slices of L0 data.

    Every frame has a random sequence of its own, from `seed`, slice and module,
    so slices are the same whether they are made at once or one by one.

    Parameters
    ----------
    background : Background
        What there is to see.
    axes : (n_modules, n_pmts, 3) array
        Axes of the PMTs, unit vectors.
    t0 : (n_modules, n_pmts) array
        Time offsets, which are taken off [ns].
    n_slices : int
        Of 0.1 s.
    seed : int
        0 or more.
    first_slice : int
        Number of the first slice.
    disorder : float
        Share of neighbours in a frame that come in the wrong order, as 0.15 of
        those in real frames do.

    Returns
    -------
    Frames
        Times over threshold are spread around 26 ns, as those of single photons
        are; that is no model of a PMT.

    Raises
    ------
    ConfigError
        Arrays that do not fit, or a number that is negative.
    """
    if axes.ndim != 3 or axes.shape[2] != 3 or t0.shape != axes.shape[:2] or not 1 <= axes.shape[1] <= 256:
        raise ConfigError(f"axes {axes.shape} and time offsets {t0.shape} of PMTs do not fit")
    if n_slices < 0 or seed < 0 or first_slice < 0 or not 0 <= disorder <= 1:
        raise ConfigError(f"{n_slices} slices, seed {seed}, disorder {disorder}")
    made = [
        _frame(background, axes[m], t0[m], np.random.default_rng([seed, first_slice + s, m]), disorder)
        for s in range(n_slices)
        for m in range(len(axes))
    ]
    counts = [len(f[0]) for f in made]
    types = (np.uint8, np.uint32, np.uint8)
    columns = (np.concatenate([f[k] for f in made] or [np.empty(0)]).astype(types[k]) for k in range(3))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Frames(offsets, np.tile(np.arange(len(axes)), n_slices), *columns)


def _frame(
    background: Background, axes: np.ndarray, t0: np.ndarray, rng: np.random.Generator, disorder: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_pmts = len(axes)
    n = rng.poisson(background.singles_hz * n_pmts * FRAME_NS * 1e-9)
    channels, times = [rng.integers(0, n_pmts, n)], [rng.uniform(0, FRAME_NS, n)]
    weights = pair_weights(axes, background.angular)
    late = t0 - t0.mean()
    for fold, rate in enumerate(background.folds_hz, 2):
        decays = rng.poisson(rate * FRAME_NS * 1e-9)
        if decays and fold <= n_pmts:
            chosen = _choose(weights, fold, decays, rng)
            at = rng.uniform(0, FRAME_NS, decays)[:, None] + rng.normal(0, background.spread_ns, chosen.shape)
            channels.append(chosen.ravel())
            times.append((at - late[chosen]).ravel())
    channel, t = np.concatenate(channels), np.concatenate(times)
    inside = (t >= 0) & (t < FRAME_NS)
    channel, tdc = channel[inside], t[inside].astype(np.uint32)
    order = np.argsort(tdc, kind="stable")
    swapped = np.flatnonzero(rng.random(max(len(order) - 1, 0)) < disorder)
    swapped = swapped[np.diff(swapped, prepend=-2) > 1]  # a hit moves one place at most
    order[swapped], order[swapped + 1] = order[swapped + 1], order[swapped]
    tot = np.clip(rng.normal(26.0, 5.0, len(tdc)), 1, 255)
    return channel[order], tdc[order], tot


def _choose(weights: np.ndarray, fold: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` sets of `fold` PMTs: a pair by its weight, then one by one by the product of weights."""
    first, second = np.triu_indices(len(weights), 1)
    pair = _draw(np.tile(weights[first, second], (n, 1)), rng)
    chosen = np.stack((first[pair], second[pair]), axis=1)
    rows = np.arange(n)[:, None]
    while chosen.shape[1] < fold:
        product = weights[chosen].prod(axis=1)
        product[rows, chosen] = 0.0
        chosen = np.column_stack((chosen, _draw(product, rng)))
    return chosen


def _draw(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column of each row of `weights`."""
    sums = np.cumsum(weights, axis=1)
    place: np.ndarray = (sums < rng.random(len(sums))[:, None] * sums[:, -1:]).sum(axis=1)
    return place
