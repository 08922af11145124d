"""The hits of a stream that are not done with, and the search among them frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels import coincidence, segments
from km3gpu.trigger.clusters import HIT_COLUMNS, Clusters
from km3gpu.trigger.parameters import TriggerParameters
from km3gpu.trigger.roots import SubEvents, sub_events

__all__ = ["FRAME_NS", "SLACK_NS", "HitBuffer"]

FRAME_NS = 1e8
"""Length of a frame [ns], as the data acquisition of KM3NeT has it."""

SLACK_NS = 1e7
"""So far beyond its frame a calibrated hit may be [ns]; those farther off take no part."""

# Times are rounded to this [1/ns], so that differences do not depend on the origin.
_STEPS = 65536.0
# frames that are searched together
_AT_ONCE = 16
_PLACES = ("pos_x", "pos_y", "pos_z")


class HitBuffer:
    """Hits of frames that follow each other.

    Parameters
    ----------
    first : int
        Index of the first frame.
    parameters : TriggerParameters
        What to look for.

    Attributes
    ----------
    base : int
        Frame that times count from.
    frames : list of int
        Those that were not searched yet; the last one is searched when the next
        one has come.
    columns : dict of str to (n,) array
        As they were given, without ``t``.
    t : (n,) float64 array
        Times since the start of `base` [ns].
    frame : (n,) int64 array
        Frame of each hit, in ascending order.
    mask : (n,) uint64 array
        Trigger bits found so far.
    """

    def __init__(self, first: int, parameters: TriggerParameters) -> None:
        self.base = first
        self.frames: list[int] = []
        self.columns: dict[str, Any] = {}
        self._parameters = parameters
        self._clusters: dict[str, Any] | None = None

    def start(self, frame: int) -> float:
        """Give the start of a frame [ns]."""
        return (frame - self.base) * FRAME_NS

    def add(self, frames: list[int], slices: list[Mapping[str, Any]]) -> dict[str, float]:
        """Add the hits of frames; give what was counted."""
        new = {name: [own[name] for own in slices] for name in slices[0]}
        xp = _backend.namespace(new["t"][0])
        counts = [len(t) for t in new["t"]]
        columns = {name: xp.concatenate(parts) for name, parts in new.items()}
        number = xp.asarray(np.repeat(np.array(frames, np.int64), counts))
        own = columns.pop("t")
        placed = xp.isfinite(own) & xp.isfinite(sum(columns[c] for c in _PLACES))
        near = (own >= -SLACK_NS) & (own <= FRAME_NS + SLACK_NS)
        fit = placed & near
        if "fit" in columns:
            fit &= columns.pop("fit")
        t = xp.where(near, xp.rint(own * _STEPS) / _STEPS, xp.nan) + (number - self.base) * FRAME_NS
        n = len(t)
        state = {
            "t": t, "frame": number, "_fit": fit, "mask": xp.zeros(n, xp.uint64),
            "_settled": xp.zeros(n, bool), "_cluster": xp.full(n, -1, xp.int64),
        }  # fmt: skip
        if self.columns:
            columns = {c: xp.concatenate((v, columns[c])) for c, v in self.columns.items()}
            state = {c: xp.concatenate((getattr(self, c), v)) for c, v in state.items()}
        self.columns = columns
        for name, values in state.items():
            setattr(self, name, values)
        self.frames += frames
        beyond = xp.isfinite(own) & ~near
        return {"hits": n, "hits_unfit": float((~fit).sum()), "hits_beyond": float(beyond.sum())}

    t: Any
    frame: Any
    mask: Any
    _fit: Any
    _settled: Any
    _cluster: Any

    # -- search --------------------------------------------------------------
    def search(self, final: bool, reach: float) -> tuple[SubEvents, dict[str, float]]:
        """Run the triggers from the roots of all frames but the last one, or of all.

        Parameters
        ----------
        final : bool
            No frame follows the last one.
        reach : float
            Light of a trigger takes at most so long [ns].

        Returns
        -------
        found : SubEvents
            In order of time; ``event`` is the frame of the root.
        counters : dict of str to float
        """
        ready = self.frames if final else self.frames[:-1]
        upto = ready[-1] if ready else self.frames[0] - 1
        counters = {"coincidences": float(self._coincide(upto))}
        xp = _backend.namespace(self.t)
        parts = []
        for k in range(0, len(ready), _AT_ONCE):
            found, counts = self._frames(ready[k : k + _AT_ONCE], reach)
            parts.append(found)
            for name, value in counts.items():
                if name not in ("hits", "coincidences"):
                    counters[name] = counters.get(name, 0.0) + value
        self.frames = self.frames[len(ready) :]
        if not parts:
            none = xp.zeros(0)
            return SubEvents(
                none.astype(xp.int64), none, none, none.astype(xp.int64), none.astype(bool)
            ), counters
        event, first, last, bit, factory = (
            xp.concatenate([getattr(p, c) for p in parts])
            for c in ("event", "first", "last", "bit", "factory")
        )
        order = xp.lexsort(xp.stack((event.astype(xp.float64), bit.astype(xp.float64), last, first)))
        return SubEvents(event[order], first[order], last[order], bit[order], factory[order]), counters

    def _coincide(self, upto: int) -> int:
        """Find coincidences among hits that are in none yet; settle those of frames up to `upto`."""
        p, l2 = self._parameters, self._parameters.l2
        xp = _backend.namespace(self.t)
        free = ~self._settled & self._fit
        if upto < (last := self.frames[-1]):
            # of a frame that waits for the next one, no more than light can reach from those before
            free &= self.t <= self.start(last) + 2 * SLACK_NS
        rows = xp.flatnonzero(free)
        t, dom_id = self.t[rows], self.columns["dom_id"][rows]
        one = xp.asarray(np.array([0, len(rows)]))
        names = ("dir_x", "dir_y", "dir_z") if l2.ct_min > -1.0 else ()
        windows = coincidence.windows(
            one, dom_id, t, window=p.t_max_local_ns, min_hits=l2.number_of_hits,
            l2_window=l2.t_max_local_ns, min_cos=l2.ct_min if names else None,
            **{c: self.columns[c][rows] for c in names},
        )  # fmt: skip
        # windows are settled with their first hit's frame, coincidences or not
        begins = windows.members != 0
        of_window = self.frame[rows[windows.order[begins]]]
        settled = of_window <= upto
        number_of = xp.cumsum(begins) - 1
        self._settled[rows[windows.order]] = settled[number_of]
        kept = windows.members[begins] > 0
        # most hits are in no coincidence: only the others are looked at further
        inside = xp.flatnonzero(kept[number_of])
        mine = windows.order[inside]
        few = coincidence.Windows(
            xp.arange(len(inside)), windows.segment[: len(inside)], windows.members[inside]
        )
        used = (self.columns[c][rows[mine]] for c in ("tot", *_PLACES))
        channel = self.columns["channel_id"][rows[mine]]
        one = xp.asarray(np.array([0, len(inside)]))
        _, columns, found = coincidence.describe(few, one, dom_id[mine], channel, t[mine], *used)
        number = xp.full(len(rows), -1, xp.int64)
        number[mine] = found
        columns = {**columns, "frame": of_window[kept], "settled": settled[kept]}
        enough = columns["n_hits"] >= p.l1_number_of_hits
        index = xp.flatnonzero(enough)
        renumbered = xp.full(len(enough) + 1, -1, xp.int64)
        renumbered[index] = xp.arange(len(index))
        number = renumbered[number]  # the last place stands for none
        columns = {name: c[index] for name, c in columns.items()}
        n_new = int(columns["settled"].sum())
        old = self._clusters
        n_old = 0 if old is None else len(old["frame"])
        if old is not None:
            columns = {name: xp.concatenate((old[name], c)) for name, c in columns.items()}
        order = xp.lexsort(
            xp.stack(
                (
                    columns["t_first"],
                    columns["dom_id"].astype(xp.float64),
                    columns["frame"].astype(xp.float64),
                )
            )
        )
        place = xp.full(len(order) + 1, -1, xp.int64)
        place[order] = xp.arange(len(order))
        self._clusters = {name: c[order] for name, c in columns.items()}
        self._cluster[rows] = xp.where(number >= 0, number + n_old, -1)
        self._cluster = place[self._cluster]
        return n_new

    def _frames(self, frames: list[int], reach: float) -> tuple[SubEvents, dict[str, float]]:
        """Run the triggers from the roots of some frames, each with what is around it."""
        clusters = self._clusters
        assert clusters is not None
        xp = _backend.namespace(self.t)
        hit_rows, cluster_rows, of_hit, shifts = [], [], [], []
        n_before = 0
        for frame in frames:
            early = self.start(frame) - SLACK_NS
            late = self.start(frame + 1) + SLACK_NS + reach
            low, high = _run(xp, self.frame, frame - 1, frame + 1)
            t = self.t[low:high]
            first, last = _run(xp, clusters["frame"], frame - 1, frame + 1)
            times = clusters["t_first"][first:last]
            index = first + xp.flatnonzero((times >= early) & (times <= late))
            # only hits that light can reach from a root, or the other way round
            roots = xp.sort(times[clusters["frame"][first:last] == frame])
            before = xp.searchsorted(roots, t + reach, side="right")
            near = before > xp.searchsorted(roots, t - reach, side="left")
            rows = low + xp.flatnonzero(self._fit[low:high] & near)
            mine = self._cluster[rows]
            place = xp.searchsorted(index, mine)
            there = index[xp.minimum(place, len(index) - 1)] == mine if len(index) else mine < -1
            of_hit.append(xp.where(there, place + n_before, -1))
            n_before += len(index)
            hit_rows.append(rows)
            cluster_rows.append(index)
            shifts.append(self.start(frame))
        offsets, cluster_offsets = (
            segments.counts_to_offsets(xp.asarray(np.array([len(r) for r in part])))
            for part in (hit_rows, cluster_rows)
        )
        shift = xp.asarray(np.array(shifts))
        rows, index = xp.concatenate(hit_rows), xp.concatenate(cluster_rows)
        event = segments.expand(cluster_offsets)
        hits = {c: self.columns[c][rows] for c in HIT_COLUMNS if c != "t"}
        hits["t"] = self.t[rows] - shift[segments.expand(offsets)]
        level2 = {c: clusters[c][index] for c in ("dom_id", *_PLACES)}
        level2 |= {c: clusters[c][index] - shift[event] for c in ("t_first", "t_last")}
        begins = clusters["frame"][index] == xp.asarray(np.array(frames))[event]
        mask, found, counters = sub_events(
            offsets, hits, Clusters(cluster_offsets, level2, xp.concatenate(of_hit)), self._parameters, begins
        )
        edges = _backend.Backend.to_host(offsets).tolist()
        for rows, low, high in zip(hit_rows, edges[:-1], edges[1:], strict=True):
            self.mask[rows] |= mask[low:high]
        at = shift[found.event] if len(found.event) else found.first
        number = xp.asarray(np.array(frames, np.int64))[found.event]
        return SubEvents(number, found.first + at, found.last + at, found.bit, found.factory), counters

    # -- what is left --------------------------------------------------------
    def forget(self, until: float) -> float:
        """Let go of hits before `until` [ns], and count times from the last frame; give the shift."""
        xp = _backend.namespace(self.t)
        clusters = self._clusters
        assert clusters is not None
        last = self.frames[-1]
        keep = clusters["settled"] & (clusters["t_first"] >= self.start(last) - SLACK_NS)
        index = xp.flatnonzero(keep)
        place = xp.full(len(keep) + 1, -1, xp.int64)
        place[index] = xp.arange(len(index))
        shift = self.start(last)
        self._clusters = {name: c[index] for name, c in clusters.items()}
        for name in ("t_first", "t_last"):
            self._clusters[name] = self._clusters[name] - shift
        rows = xp.flatnonzero(self.t >= until)  # not those without a time
        self._cluster = place[self._cluster[rows]]
        self.t = self.t[rows] - shift
        for name in ("frame", "mask", "_fit", "_settled"):
            setattr(self, name, getattr(self, name)[rows])
        self.columns = {name: c[rows] for name, c in self.columns.items()}
        self.base = last
        return shift


def _run(xp: Any, frame: Any, first: int, last: int) -> tuple[int, int]:
    """Give the rows of the frames `first` to `last` among sorted ones."""
    edges = xp.searchsorted(frame, xp.asarray(np.array([first, last + 1])))
    return int(edges[0]), int(edges[1])
