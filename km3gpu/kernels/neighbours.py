"""Hits close to others in space and time: neighbours counted, and sets grown from seeds.

Positions and times are rounded to ticks of 1/1024 m (1 mm, 3 ps of light), in
which every decision is exact: what is found is the same on every backend.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels import sites as _sites
from km3gpu.kernels.arrays import exactly, same_length
from km3gpu.kernels.cpu import neighbours as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["ALL", "KERNELS", "Near", "Neighbourhood", "count", "spread"]

_I4, _I8 = np.dtype(np.int32), np.dtype(np.int64)

# sums of squares of ticks stay exact in float64 up to here
_FARTHEST = 4096.0
_LONGEST = 1e6

ALL = int(np.iinfo(np.int32).max)
"""For `count`: no limit."""

_HITS = ("f8[]", "f8[]", "f8[]", "f8[]", "i8[]")
_COUNT = Kernel(
    "neighbours.count", _cpu.count_block, _cpu.count_blocks,
    (("i4[]", *_HITS, "i8[]", *_HITS, *["f8"] * 4, "i8", "i4[]"),),
    # a search among some hundred hits; those within reach come from the cache
    bytes_per_item=4 + 40 + 8 * 8 + 4, item="hit", registers=72, checks=False,
)  # fmt: skip

KERNELS = (_COUNT,)


class Near(NamedTuple):
    """What makes two hits neighbours: ``d <= radius`` and ``|dt| <= time + slowness d``, to the tick.

    Attributes
    ----------
    radius : float
        m.
    time : float
        ns.
    slowness : float
        ns/m; 0 for a fixed time, the inverse speed of light in water for hits
        that one flash of light can make.
    """

    radius: float
    time: float
    slowness: float = 0.0


class Neighbourhood:
    """Hits of events, sorted and rounded once, to be asked for neighbours many times.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    t : (n,) float64 array
        Time [ns].
    pos_x, pos_y, pos_z : (n,) array
        Position [m].
    near : Near
        What makes two hits neighbours.
    owner : (n,) int array, optional
        Hits of one owner (a module, say) are no neighbours; by default every
        hit is its own.

    Raises
    ------
    KernelError
        A distance or a time is negative or too large to be exact.
    """

    def __init__(
        self, offsets: Any, t: Any, pos_x: Any, pos_y: Any, pos_z: Any, near: Near, owner: Any | None = None
    ) -> None:
        if not (0 <= near.radius <= _FARTHEST and 0 <= near.time <= _LONGEST and 0 <= near.slowness <= 1e3):
            raise KernelError(
                f"neighbours within {near.radius} m and {near.time} ns + {near.slowness} ns/m",
                remedy=f"give 0 to {_FARTHEST:.0f} m, {_LONGEST:.0f} ns and 1000 ns/m",
            )
        xp = _backend.namespace(t)
        n = len(t)
        self._sites = _sites.sites(offsets, xp.zeros(n, _I4), pos_x, pos_y, pos_z, t)
        self._where = where_of(self._sites.t)
        self._segment = _segments.expand(self._sites.offsets)
        order = self._sites.order
        self._owner = order if owner is None else exactly(owner, _I8, "owner")[order]
        same_length(t=t, owner=self._owner)
        ticks, c = _sites.TICKS_PER_M, _sites.SPEED_OF_LIGHT
        # one tick more: two times that are rounded may be one farther apart than they were
        radius, time, slowness = near.radius * ticks, near.time * c * ticks + 1.0, near.slowness * c
        self._near = (time, slowness * slowness, radius * radius, time + slowness * radius)

    def count(self, counted: Any | None = None, most: int = ALL) -> Any:
        """Count the neighbours of each hit.

        Parameters
        ----------
        counted : (n,) bool array, optional
            Hits that count as neighbours; all by default.
        most : int
            Stop counting there, which bounds the time in a burst.

        Returns
        -------
        (n,) int32 array
            0 for a hit whose time or place is NaN.
        """
        xp, order = _backend.namespace(self._owner), self._sites.order
        n = len(order)
        if counted is not None and len(counted) != n:
            raise KernelError(f"a mask of {len(counted)} for {n} hits")
        out = xp.empty(n, _I4)
        out[order] = self._near_to(None, None if counted is None else counted.astype(bool)[order], most)
        return out

    def _near_to(self, hits: Any | None, others: Any | None, most: int) -> Any:
        """Count, for some hits, the others near them; masks and rows in order of time."""
        s = self._sites
        columns = (s.t, s.x, s.y, s.z, self._owner)
        of, offsets, mine, theirs = self._segment, s.offsets, columns, columns
        if hits is not None:
            of, mine = of[hits], tuple(c[hits] for c in columns)
        if others is not None:
            index, offsets = _segments.compact(others, s.offsets)
            theirs = tuple(c[index] for c in columns)
        found = _backend.empty(len(of), _I4, s.t)
        run(
            _COUNT, self._where, len(of), of, *mine, offsets, *theirs, *map(float, self._near), int(most),
            found, work=10 * len(of),
        )  # fmt: skip
        return found

    def spread(self, seeds: Any, least: int = 1, rounds: int = 0) -> tuple[Any, int]:
        """Grow the set of seeds by hits that have enough neighbours in it.

        All hits of a round are judged by the set as it was before.  Only hits
        outside look for neighbours, and only among those that came last.

        Parameters
        ----------
        seeds : (n,) bool array
            Hits to begin from; they stay.
        least : int
            Neighbours in the set that a hit needs.
        rounds : int
            Most rounds; 0 goes on until nothing changes.

        Returns
        -------
        kept : (n,) bool array
        done : int
            Rounds that added something.
        """
        if least < 1 or rounds < 0:
            raise KernelError(f"{least} neighbours and {rounds} rounds", remedy="give 1 or more, 0 or more")
        order = self._sites.order
        xp = _backend.namespace(order)
        if len(seeds) != len(order):
            raise KernelError(f"a mask of {len(seeds)} for {len(order)} hits")
        kept = seeds.astype(bool)[order]
        last, done = kept, 0
        outside = xp.flatnonzero(~kept)
        near = xp.zeros(len(outside), _I4)
        while len(outside) and (rounds == 0 or done < rounds):
            # each count is cut off at `least`, which is enough to tell
            near = near + self._near_to(outside, last, least)
            enough = near >= least
            if not bool(enough.any()):
                break
            last = xp.zeros(len(order), bool)
            last[outside[enough]] = True
            kept = kept | last
            outside, near = outside[~enough], near[~enough]
            done += 1
        out = xp.empty(len(order), bool)
        out[order] = kept
        return out, done


def count(
    offsets: Any, t: Any, pos_x: Any, pos_y: Any, pos_z: Any, near: Near, *,
    owner: Any | None = None, counted: Any | None = None, most: int = ALL,
) -> Any:  # fmt: skip
    """Count the neighbours of each hit; see `Neighbourhood` and its `count`."""
    return Neighbourhood(offsets, t, pos_x, pos_y, pos_z, near, owner).count(counted, most)


def spread(
    offsets: Any, t: Any, pos_x: Any, pos_y: Any, pos_z: Any, near: Near, seeds: Any, *,
    least: int = 1, rounds: int = 0,
) -> tuple[Any, int]:  # fmt: skip
    """Grow the set of seeds; see `Neighbourhood` and its `spread`."""
    return Neighbourhood(offsets, t, pos_x, pos_y, pos_z, near).spread(seeds, least, rounds)
