"""The muon and the shower trigger written down as their rules say, with nothing done for speed.

Each root looks at all later coincidences, all pairs are matched in metres and
nanoseconds with square roots, and every direction is tried in turn.  It is
compiled by numba all the same, so what it costs is the method, not Python.  The
prototype of this project went this way.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

__all__ = ["muon", "shower"]

_C = 0.299792458
_N = 1.3800851282
_TAN = math.sqrt(_N * _N - 1.0)
_SIN = _TAN / _N


@numba.njit
def _fits_road(d2, t, road, extra):
    if d2 < road * road:
        latest = math.sqrt(d2) * _N
    else:
        latest = math.sqrt(d2 - (road * _SIN) ** 2) + road * _SIN * _TAN
    if t > latest / _C + extra:
        return False
    if d2 <= 4.0 * road * road:
        return True
    far = road / 2.0 * math.sqrt(_TAN**2 + 10.0 + 9.0 / _TAN**2)
    if d2 <= far * far:
        return t >= math.sqrt(d2 - 4.0 * road * road) / _C - extra
    return t >= (math.sqrt(d2 - road * road) - road * _TAN) / _C - extra


@numba.njit
def _fits_folded(d, t, slope, limit, extra):
    if d > limit:
        return False
    return t <= (d if d <= limit / 2.0 else limit - d) * slope / _C + extra


@numba.njit
def _clique(matches, members, n):
    """Drop the member with the fewest matches until all match; the last one takes its place."""
    weight = np.zeros(n, np.int64)
    for i in range(n):
        for j in range(n):
            weight[i] += i != j and matches[members[i], members[j]]
    while n > 0:
        least = 0
        for i in range(1, n):
            if weight[i] < weight[least]:
                least = i
        if weight[least] == n - 1:
            return n
        gone = members[least]
        n -= 1
        members[least], weight[least] = members[n], weight[n]
        for i in range(n):
            weight[i] -= matches[members[i], gone]
    return 0


@numba.njit
def _modules(module, members, n, root):
    count = 1
    for i in range(n):
        new = module[members[i]] != module[root]
        for j in range(i):
            new = new and module[members[i]] != module[members[j]]
        count += new
    return count


@numba.njit
def _muon(module, x, y, z, t, axes, n_hits, n_modules, road, d_max, extra, limit, found):
    n = len(t)
    matches = np.zeros((n, n), np.bool_)
    members, inner = np.empty(n, np.int64), np.empty(n, np.int64)
    u, v, w = np.empty(n), np.empty(n), np.empty(n)
    for r in range(n):
        m = 0
        for q in range(r + 1, n):
            if t[q] - t[r] > d_max * _N / _C + extra:
                break
            d2 = (x[q] - x[r]) ** 2 + (y[q] - y[r]) ** 2 + (z[q] - z[r]) ** 2
            if d2 <= d_max * d_max and _fits_road(d2, t[q] - t[r], road, extra):
                members[m] = q
                m += 1
        if m + 1 < n_hits:
            continue
        if m + 1 >= limit:
            found[r] = True
            for i in range(m):
                found[members[i]] = True
            continue
        for i in range(m):
            for j in range(i):
                a, b = members[i], members[j]
                d2 = (x[a] - x[b]) ** 2 + (y[a] - y[b]) ** 2 + (z[a] - z[b]) ** 2
                matches[a, b] = matches[b, a] = _fits_road(d2, abs(t[a] - t[b]), road, extra)
        m = _clique(matches, members, m)
        if m + 1 < n_hits:
            continue
        members[m] = r
        for g in range(axes.shape[0]):
            for i in range(m + 1):
                k = members[i]
                u[k] = x[k] * axes[g, 0] + y[k] * axes[g, 1] + z[k] * axes[g, 2]
                v[k] = x[k] * axes[g, 3] + y[k] * axes[g, 4] + z[k] * axes[g, 5]
                w[k] = t[k] - (x[k] * axes[g, 6] + y[k] * axes[g, 7] + z[k] * axes[g, 8]) / _C
            k = 0
            for i in range(m):
                a = members[i]
                rho = math.sqrt((u[a] - u[r]) ** 2 + (v[a] - v[r]) ** 2)
                if _fits_folded(rho, abs(w[a] - w[r]), _TAN, road, extra):
                    inner[k] = a
                    k += 1
            if k + 1 < n_hits:
                continue
            for i in range(k):
                for j in range(i):
                    a, b = inner[i], inner[j]
                    rho = math.sqrt((u[a] - u[b]) ** 2 + (v[a] - v[b]) ** 2)
                    matches[a, b] = matches[b, a] = _fits_folded(rho, abs(w[a] - w[b]), _TAN, road, extra)
            k = _clique(matches, inner, k)
            if k + 1 >= n_hits and _modules(module, inner, k, r) >= n_modules:
                for i in range(m + 1):
                    found[members[i]] = True


@numba.njit
def _shower(module, x, y, z, t, n_hits, n_modules, d_max, extra, limit, found):
    n = len(t)
    matches = np.zeros((n, n), np.bool_)
    members = np.empty(n, np.int64)
    for r in range(n):
        m = 0
        for q in range(r + 1, n):
            if t[q] - t[r] > d_max * _N / _C + extra:
                break
            d = math.sqrt((x[q] - x[r]) ** 2 + (y[q] - y[r]) ** 2 + (z[q] - z[r]) ** 2)
            if _fits_folded(d, t[q] - t[r], _N, d_max, extra):
                members[m] = q
                m += 1
        if m + 1 < n_hits:
            continue
        if m + 1 < limit:
            for i in range(m):
                for j in range(i):
                    a, b = members[i], members[j]
                    d = math.sqrt((x[a] - x[b]) ** 2 + (y[a] - y[b]) ** 2 + (z[a] - z[b]) ** 2)
                    matches[a, b] = matches[b, a] = _fits_folded(d, abs(t[a] - t[b]), _N, d_max, extra)
            m = _clique(matches, members, m)
            if m + 1 < n_hits or _modules(module, members, m, r) < n_modules:
                continue
        found[r] = True
        for i in range(m):
            found[members[i]] = True


def muon(event: tuple[Any, ...], axes: Any, group: Any) -> Any:
    """Mark the coincidences of one event (module, x, y, z [m], t [ns], in order) that 3DMuon finds."""
    found = np.zeros(len(event[0]), bool)
    _muon(
        *event, axes, group.number_of_hits, group.number_of_modules, group.road_width_m, group.d_max_m,
        group.t_max_extra_ns, group.factory_limit, found,
    )  # fmt: skip
    return found


def shower(event: tuple[Any, ...], group: Any) -> Any:
    """Mark the coincidences of one event that 3DShower finds."""
    found = np.zeros(len(event[0]), bool)
    _shower(
        *event, group.number_of_hits, group.number_of_modules, group.d_max_m, group.t_max_extra_ns,
        group.factory_limit, found,
    )  # fmt: skip
    return found
