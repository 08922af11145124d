"""Time scrambling: background from the data themselves.

Every event keeps its direction in the detector and gets another event's time (or
one at random from the livetime).  What is left of the sky is the acceptance of the
detector; a source's excess is smeared out in right ascension.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.arguments import Invalid, columns_of
from km3gpu.astro.healpix import local_counts
from km3gpu.astro.sites import Site
from km3gpu.astro.transform import local_to_sky
from km3gpu.astro.visibility import Livetime
from km3gpu.errors import ConfigError

__all__ = ["scrambled", "scrambled_counts", "scrambled_times"]


def scrambled_times(time_ns: Any, seed: int, livetime: Livetime | None = None) -> Any:
    """Give the events' times in another order, or times at random from a run list.

    Parameters
    ----------
    time_ns : (n,) int64 array
        UTC ns since 1970.
    seed : int
        The same seed gives the same times, on every backend.
    livetime : Livetime, optional
        Draw from its runs, evenly; without, the events' own times are shuffled.

    Returns
    -------
    (n,) int64 array

    Raises
    ------
    ConfigError
        The seed is no whole number from 0.
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"seed {seed!r} is no whole number from 0 up")
    _, (t,) = columns_of(time_ns=time_ns)
    rng = np.random.Generator(np.random.Philox(int(seed)))
    # permuted on the host, so that a seed means the same on a GPU
    if livetime is None:
        order = rng.permutation(len(t))
        return t[_backend.namespace(t).asarray(order)]
    lengths = livetime.runs[:, 1] - livetime.runs[:, 0]
    ends = np.cumsum(lengths)
    if ends[-1] == 0:
        raise ConfigError("the livetime is 0", remedy="give runs that last")
    at = rng.integers(0, ends[-1], len(t))
    run = np.searchsorted(ends, at, side="right")
    drawn = livetime.runs[run, 0] + (at - (ends - lengths)[run])
    return _backend.namespace(t).asarray(drawn)


def scrambled(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    seed: int,
    *,
    frame: str = "icrs",
    livetime: Livetime | None = None,
    invalid: Invalid = "raise",
) -> tuple[Any, Any]:
    """Give sky positions of events at scrambled times.

    Parameters
    ----------
    time_ns, dx, dy, dz, site, frame, invalid
        As for `km3gpu.astro.local_to_sky`.
    seed, livetime
        As for `scrambled_times`.

    Returns
    -------
    longitude, latitude : (n,) float64 arrays
        Radians.
    """
    times = scrambled_times(time_ns, seed, livetime)
    longitude, latitude = local_to_sky(times, dx, dy, dz, site, frame=frame, invalid=invalid)
    return longitude, latitude


def scrambled_counts(
    time_ns: Any,
    dx: Any,
    dy: Any,
    dz: Any,
    site: Site | str,
    nside: int,
    *,
    seeds: Any = 100,
    frame: str = "icrs",
    nested: bool = False,
    livetime: Livetime | None = None,
    invalid: Invalid = "raise",
) -> Any:
    """Give the background map: the mean of the counts over many scramblings.

    Parameters
    ----------
    time_ns, dx, dy, dz, site, frame, invalid
        As for `km3gpu.astro.local_to_sky`.
    nside, nested
        As for `km3gpu.astro.healpix.local_counts`.
    seeds : int or sequence of int
        How many scramblings (seeds from 0), or their seeds.
    livetime
        As for `scrambled_times`.

    Returns
    -------
    (12 nside^2,) float64 array
        Events expected in every pixel.
    """
    each = range(seeds) if isinstance(seeds, int) else seeds
    if len(each) == 0:
        raise ConfigError("no scramblings were asked for", remedy="give seeds=100, say")
    found: Any = None
    for seed in each:
        times = scrambled_times(time_ns, seed, livetime)
        found = local_counts(
            times, dx, dy, dz, site, nside, frame=frame, nested=nested, invalid=invalid, into=found
        )
    return found / len(each)
