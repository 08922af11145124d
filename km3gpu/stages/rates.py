"""Rates of PMTs and of coincidences, and distributions of time over threshold, of many slices.

These are for the one who watches a detector: each takes chunks one after
another (``source.chunks()``) and gives one table of all of them, on the host.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from km3gpu.backend import Backend
from km3gpu.chunk import Chunk
from km3gpu.detector import Detector
from km3gpu.errors import ConfigError, FormatError
from km3gpu.stages.calibrate import Calibrate
from km3gpu.stages.coincidences import Coincidences
from km3gpu.stages.geometry import DetectorLike, detector_of
from km3gpu.stages.quality import Policy
from km3gpu.table import Table

__all__ = ["N_PMTS", "SLICE_S", "coincidence_rates", "pmt_rates", "tot_distributions"]

N_PMTS = 31
"""PMTs of a module."""

SLICE_S = 0.1
"""Length of a slice [s]."""


def pmt_rates(chunks: Iterable[Chunk], detector: DetectorLike | None = None) -> Table:
    """Give the mean rate of every PMT.

    Parameters
    ----------
    chunks : iterable of Chunk
        Summary slices, whose rates are averaged, or timeslices, whose hits are
        counted (of L1 slices these are the hits in coincidences).
    detector : Detector or str, optional
        Gives modules their place.

    Returns
    -------
    Table
        A row for each PMT of each module that sent a frame, in order of (string,
        floor, module, channel): ``dom_id``, ``channel_id``, ``rate`` [Hz],
        ``n_frames`` (of the module), ``hrv`` and ``fifo`` (share of frames with
        the high-rate veto, or the buffer almost full); ``du`` and ``floor``
        with a detector, -1 for a module that it does not have.

    Raises
    ------
    FormatError
        There are no frames, or a hit has a channel above 30.
    """
    sums = _Sums(4, N_PMTS)  # frames, rates or hits, vetoes, buffers
    kind = "hits"
    for chunk in chunks:
        here = chunk.to(Backend("cpu"))
        frames = _frames(here)
        parts: list[Any] = [np.ones((len(frames), N_PMTS))]
        dom_id = frames.flat("dom_id")
        if "rates" in frames:
            kind = "rates"
            parts.append(frames.flat("rates"))
        else:
            parts.append(_by_channel(here, frames))
        for word in ("hrv", "fifo"):
            known = frames.flat(word) if word in frames else np.zeros(len(frames), np.uint32)
            parts.append((known[:, None] >> np.arange(N_PMTS, dtype=np.uint32)) & 1)
        sums.add(dom_id, np.stack(parts, axis=1))
    n, total, hrv, fifo = (sums.values[:, k] for k in range(4))
    frames_of = np.maximum(n, 1.0)
    rate = total / frames_of / (1.0 if kind == "rates" else SLICE_S)
    place, order = _places(sums.ids, detector)
    columns = {
        "dom_id": np.repeat(sums.ids[order], N_PMTS),
        **{name: np.repeat(values[order], N_PMTS) for name, values in place.items()},
        "channel_id": np.tile(np.arange(N_PMTS, dtype=np.uint8), len(order)),
        "rate": rate[order].ravel(),
        "n_frames": n[order].ravel().astype(np.int64),
        "hrv": (hrv / frames_of)[order].ravel(),
        "fifo": (fifo / frames_of)[order].ravel(),
    }
    return Table("rates", columns, attrs={"from": kind})


def coincidence_rates(
    chunks: Iterable[Chunk],
    detector: DetectorLike,
    window: float = 25.0,
    most: int = 8,
    unknown: Policy = "error",
) -> Table:
    """Give the rates of coincidences of every module, by their number of distinct PMTs.

    Parameters
    ----------
    chunks : iterable of Chunk
        Timeslices; their hits are calibrated without slewing, as the data
        filter does.
    detector : Detector or str
        For the time offsets.
    window : float
        As for `Coincidences` [ns].
    most : int
        Coincidences of more PMTs are counted with it.
    unknown : {"error", "drop"}
        What happens to hits of modules that the detector does not have; dropped,
        these modules are not in the table.

    Returns
    -------
    Table
        A row for each module and multiplicity from 1 to `most`, in order of (string,
        floor, module, multiplicity): ``dom_id``, ``du``, ``floor``,
        ``multiplicity`` (1: hits of one PMT), ``count``, ``n_frames``, ``rate``
        and ``error`` [Hz] (the square root of the count).

    Raises
    ------
    FormatError
        There are no frames.
    ConfigError
        `most` is below 2, or `unknown` is another.
    """
    if most < 2:
        raise ConfigError(f"most = {most}", remedy="give 2 or more")
    if unknown not in ("error", "drop"):
        raise ConfigError(f"unknown = {unknown!r}", remedy="take 'error' or 'drop'")
    calibrate = Calibrate(detector=detector_of(detector), slewing="none", also=(), unknown=unknown)
    find = Coincidences(window=window)
    sums = _Sums(most + 1)
    for chunk in chunks:
        frames = _frames(chunk.to(Backend("cpu")))
        seen = np.zeros((len(frames), most + 1))
        seen[:, 0] = 1.0
        sums.add(frames.flat("dom_id"), seen)
        raw = {k: v for k, v in chunk.tables.items() if k != "frames"}
        clusters = find(calibrate(Chunk(chunk.source, raw))).to(Backend("cpu")).clusters
        counted = np.zeros((len(clusters), most + 1))
        counted[np.arange(len(clusters)), np.minimum(clusters.flat("n_pmts"), most)] = 1.0
        sums.add(clusters.flat("dom_id"), counted)
    place, order = _places(sums.ids, detector)
    order = order[place["du"][order] >= 0]
    n_frames, count = sums.values[order, 0], sums.values[order, 1:]
    live = np.maximum(n_frames, 1.0)[:, None] * SLICE_S
    columns = {
        "dom_id": np.repeat(sums.ids[order], most),
        **{name: np.repeat(values[order], most) for name, values in place.items()},
        "multiplicity": np.tile(np.arange(1, most + 1, dtype=np.int32), len(order)),
        "count": count.ravel().astype(np.int64),
        "n_frames": np.repeat(n_frames, most).astype(np.int64),
        "rate": (count / live).ravel(),
        "error": (np.sqrt(count) / live).ravel(),
    }
    return Table("coincidence_rates", columns, attrs={"window": str(window)})


def tot_distributions(
    chunks: Iterable[Chunk], detector: DetectorLike | None = None, table: str = "hits"
) -> Table:
    """Give the distribution of time over threshold of every module.

    Parameters
    ----------
    chunks : iterable of Chunk
        Timeslices or events.
    detector : Detector or str, optional
        Gives modules their place.
    table : str
        ``"hits"`` or ``"triggered_hits"``.

    Returns
    -------
    Table
        A row for each module: ``dom_id``, ``counts`` (n, 256) int64, hits by time
        over threshold [ns] (the last of 255 and above); ``du`` and ``floor``
        with a detector.

    Raises
    ------
    UnknownNameError
        There is no such table.
    """
    sums = _Sums(256)
    for chunk in chunks:
        hits = chunk.tables[table] if table in chunk else getattr(chunk, table)
        dom_id, tot = (Backend.to_host(hits.flat(c)) for c in ("dom_id", "tot"))
        ids, at = np.unique(dom_id, return_inverse=True)
        place = at * 256 + np.minimum(tot, 255)
        sums.add(ids, np.bincount(place, minlength=256 * len(ids)).reshape(-1, 256))
    place_of, order = _places(sums.ids, detector)
    columns = {
        "dom_id": sums.ids[order],
        **{name: values[order] for name, values in place_of.items()},
        "counts": np.ascontiguousarray(sums.values[order].astype(np.int64)),
    }
    return Table("tot_distributions", columns)


class _Sums:
    """Sums by module; modules may come and go."""

    def __init__(self, *shape: int) -> None:
        self.ids = np.empty(0, np.int32)
        self.values = np.empty((0, *shape))

    def add(self, dom_id: Any, values: Any) -> None:
        """Add one row of values for each of `dom_id`, which may repeat."""
        ids = np.union1d(self.ids, dom_id).astype(np.int32)
        grown = np.zeros((len(ids), *self.values.shape[1:]))
        grown[np.searchsorted(ids, self.ids)] = self.values
        at = np.searchsorted(ids, dom_id)
        order = np.argsort(at, kind="stable")
        rows, first = np.unique(at[order], return_index=True)
        if len(rows):
            grown[rows] += np.add.reduceat(np.asarray(values, float)[order], first, axis=0)
        self.ids, self.values = ids, grown


def _frames(chunk: Chunk) -> Table:
    if "frames" not in chunk:
        raise FormatError(
            "there are no frames to take rates from",
            where=repr(chunk),
            remedy="read summary slices or timeslices, tree='KM3NET_SUMMARYSLICE', say",
        )
    return chunk.frames


def _by_channel(chunk: Chunk, frames: Table) -> Any:
    """Count the hits of each PMT in each frame."""
    channel = chunk.hits.flat("channel_id")
    if len(channel) and int(channel.max()) >= N_PMTS:
        raise FormatError(f"a hit of channel {int(channel.max())}", where=repr(chunk))
    frame = np.repeat(np.arange(len(frames)), frames.flat("n_hits"))
    return np.bincount(frame * N_PMTS + channel, minlength=N_PMTS * len(frames)).reshape(-1, N_PMTS)


def _places(ids: Any, detector: DetectorLike | None) -> tuple[dict[str, Any], Any]:
    """Give string and floor of modules, and their order by these."""
    if detector is None:
        return {}, np.arange(len(ids))
    geometry: Detector = detector_of(detector)
    modules = geometry.modules
    by_id = np.argsort(modules.dom_id, kind="stable")
    at = np.minimum(np.searchsorted(modules.dom_id[by_id], ids), max(0, len(by_id) - 1))
    row = by_id[at] if len(by_id) else np.zeros(len(ids), np.int64)
    known = modules.dom_id[row] == ids if len(by_id) else np.zeros(len(ids), bool)
    du, floor = (
        np.where(known, getattr(modules, name)[row], -1).astype(np.int32) for name in ("du", "floor")
    )
    return {"du": du, "floor": floor}, np.lexsort((ids, floor, du))
