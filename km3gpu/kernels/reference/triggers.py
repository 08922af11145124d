"""Trigger finders, slowly: the textbook inequalities in metres and ns, sets and loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["clique", "match_1d", "match_3b", "match_3d", "match_3g", "mixed", "muon", "shower"]

_C = 0.299792458
_N = 1.3800851282
_TAN = math.sqrt(_N * _N - 1.0)
_SIN = math.sqrt(1.0 - 1.0 / (_N * _N))
_TICK = 1.0 / 1024.0  # m
_FOUND, _FACTORY = 1, 2

Match = Callable[[int, int], bool]


def match_3b(d: float, t: float, road: float, extra: float) -> bool:
    """Tell whether two hits at distance `d` [m] and `t` [ns] apart can be from one muon."""
    turn = road / 2.0 * math.sqrt(_TAN**2 + 10.0 + 9.0 / _TAN**2)
    longest = _N * d if d < road else math.sqrt(d * d - (road * _SIN) ** 2) + road * _SIN * _TAN
    if d <= 2.0 * road:
        shortest = 0.0
    elif d <= turn:
        shortest = math.sqrt(d * d - 4.0 * road * road)
    else:
        shortest = math.sqrt(d * d - road * road) - road * _TAN
    return shortest / _C - extra <= t <= longest / _C + extra


def match_1d(rho: float, t: float, road: float, extra: float) -> bool:
    """Tell whether two hits `rho` [m] apart across the track can be from one muon along it."""
    if rho <= road / 2.0:
        return t <= rho * _TAN / _C + extra
    return rho <= road and t <= (road - rho) * _TAN / _C + extra


def match_3g(d: float, t: float, d_max: float, extra: float) -> bool:
    """Tell whether two hits can be from one shower between them."""
    if d <= d_max / 2.0:
        return t <= d * _N / _C + extra
    return d <= d_max and t <= (d_max - d) * _N / _C + extra


def match_3d(d: float, t: float, d_max: float, extra: float) -> bool:
    """Tell whether light can have gone from one hit to the other, or from between them."""
    return d <= d_max and t <= d * _N / _C + extra


def clique(members: list[int], match: Match) -> list[int]:
    """Drop the member with the fewest matches, of equals the first, until all match all.

    The last member takes the place of the dropped one.
    """
    left = list(members)
    while left:
        matches = [sum(match(i, j) for j in left if j != i) for i in left]
        fewest = min(matches)
        if fewest == len(left) - 1:
            break
        last = left.pop()
        if matches.index(fewest) < len(left):
            left[matches.index(fewest)] = last
    return left


def _metres(sites: Any) -> tuple[Any, Any]:
    place = np.column_stack((sites.x, sites.y, sites.z)) * _TICK
    return place, np.asarray(sites.t) * _TICK / _C


def muon(
    sites: Any, axes: Any, *, number_of_hits: int, number_of_modules: int, road_width: float,
    d_max: float, t_max_extra: float, factory_limit: int, roots: Any = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Find tracks (see `km3gpu.kernels.triggers.muon`)."""
    place, time = _metres(sites)
    n = len(time)
    found, last, state = np.zeros(n, np.uint8), np.full(n, -1, np.int64), np.zeros(n, np.uint8)
    frames = np.asarray(axes).reshape(3, 3, -1).transpose(2, 0, 1)

    def by_3b(i: int, j: int) -> bool:
        return match_3b(
            float(np.linalg.norm(place[i] - place[j])), abs(time[i] - time[j]), road_width, t_max_extra
        )

    for low, high in itertools.pairwise(sites.offsets):
        for root in range(low, high):
            if roots is not None and not roots[root]:
                continue
            near = [
                q for q in range(root + 1, high)
                if np.linalg.norm(place[q] - place[root]) <= d_max and by_3b(root, q)
            ]  # fmt: skip
            if len(near) + 1 < number_of_hits:
                continue
            if len(near) + 1 >= factory_limit:
                found[[root, *near]] = 1
                last[root], state[root] = near[-1], _FACTORY
                continue
            together = clique(near, by_3b)
            if len(together) + 1 < number_of_hits:
                continue
            for frame in frames:
                # projections are rounded to ticks, as positions are
                seen = {
                    q: np.rint((place[q] - place[root]) / _TICK @ frame.T) * _TICK for q in [root, *together]
                }

                def by_1d(i: int, j: int, seen: dict[int, Any] = seen) -> bool:
                    across = math.hypot(*(seen[i] - seen[j])[:2])
                    t = abs(time[i] - time[j] - (seen[i][2] - seen[j][2]) / _C)
                    return match_1d(across, t, road_width, t_max_extra)

                along = clique([q for q in together if by_1d(root, q)], by_1d)
                modules = {int(sites.module[q]) for q in [root, *along]}
                if len(along) + 1 >= number_of_hits and len(modules) >= number_of_modules:
                    found[[root, *together]] = 1
                    last[root] = max(together)
                    state[root] = _FOUND
    return found, last, state


def shower(
    sites: Any, *, number_of_hits: int, number_of_modules: int, d_max: float, t_max_extra: float,
    factory_limit: int, folded: bool = True, roots: Any | None = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Find showers (see `km3gpu.kernels.triggers.shower`)."""
    place, time = _metres(sites)
    n = len(time)
    found, last, state = np.zeros(n, np.uint8), np.full(n, -1, np.int64), np.zeros(n, np.uint8)
    rule = match_3g if folded else match_3d

    def match(i: int, j: int) -> bool:
        d = float(np.linalg.norm(place[i] - place[j]))
        return rule(d, abs(time[i] - time[j]), d_max, t_max_extra)

    for low, high in itertools.pairwise(sites.offsets):
        for root in range(low, high):
            if roots is not None and not roots[root]:
                continue
            near = [q for q in range(root + 1, high) if match(root, q)]
            if len(near) + 1 < number_of_hits:
                continue
            factory = len(near) + 1 >= factory_limit
            together = near if factory else clique(near, match)
            modules = {int(sites.module[q]) for q in [root, *together]}
            enough = len(together) + 1 >= number_of_hits and len(modules) >= number_of_modules
            if factory or enough:
                found[[root, *together]] = 1
                last[root] = max([root, *together])
                state[root] = _FACTORY if factory else _FOUND
    return found, last, state


def mixed(
    roots: Any, sites: Any, *, number_of_hits: int, number_of_modules: int, d_max: float,
    t_max_extra: float, factory_limit: int, folded: bool = True,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """Find showers of single hits (see `km3gpu.kernels.triggers.mixed`)."""
    place, time = _metres(sites)
    root_place, root_time = _metres(roots)
    n = len(root_time)
    found, state = np.zeros(len(time), np.uint8), np.zeros(n, np.uint8)
    first, last = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    rule = match_3g if folded else match_3d

    def match(i: int, j: int) -> bool:
        d = float(np.linalg.norm(place[i] - place[j]))
        return rule(d, abs(time[i] - time[j]), d_max, t_max_extra)

    for e in range(len(sites.offsets) - 1):
        for r in range(roots.offsets[e], roots.offsets[e + 1]):
            near = [
                q for q in range(sites.offsets[e], sites.offsets[e + 1])
                if sites.module[q] != roots.module[r]
                and rule(
                    float(np.linalg.norm(place[q] - root_place[r])), abs(time[q] - root_time[r]),
                    d_max, t_max_extra,
                )
            ]  # fmt: skip
            if not near or len(near) + 1 < number_of_hits:
                continue
            factory = len(near) + 1 >= factory_limit
            together = near if factory else clique(near, match)
            modules = {int(roots.module[r]), *(int(sites.module[q]) for q in together)}
            if factory or (len(together) + 1 >= number_of_hits and len(modules) >= number_of_modules):
                found[together] = 1
                first[r], last[r] = min(together), max(together)
                state[r] = _FACTORY if factory else _FOUND
    return found, first, last, state
