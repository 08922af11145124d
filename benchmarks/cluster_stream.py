"""Coincidences of timeslices: a file's L1 from its compressed baskets, and made-up L0 of ORCA in memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import km3net_testdata
import numpy as np

import km3gpu
from benchmarks.harness import Row, Times, alternate, cpu_time, ratio_row
from km3gpu.kernels import calibrate, coincidence, level1, threads
from km3gpu.kernels.arrays import together
from km3gpu.kernels.cpu.frames import frame_hits
from km3gpu.kernels.segments import counts_to_offsets
from km3gpu.stages import noise
from km3gpu.trigger.background import Background

__all__ = ["RATES", "all_cores", "growth", "level0", "stream"]

DATA = Path(km3net_testdata.__file__).parent / "data"
STREAM = DATA / "online/events_sample.root"
STREAM_DETX = DATA / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
ORCA = DATA / "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx"
ORCA_HITS = 115 * 18 * 31 * 7e3 / 1e6  # Mhit/s of the whole detector, at 7 kHz per PMT
ARCA_HITS = 2 * ORCA_HITS
RATES = (1e3, 5e3, 7e3, 20e3, 50e3)
WINDOW = 25.0
_RECORD = np.dtype([("channel_id", "u1"), ("tdc", "<u4"), ("tot", "u1")])
_STORED = {"channel_id": np.dtype("u1"), "tdc": np.dtype("u4"), "tot": np.dtype("u1")}
_COLUMNS = {"frames": ("dom_id", "n_hits"), "hits": tuple(_STORED)}


def stream(repeats: int) -> list[Row]:
    """Take the L1 timeslices of a file from its baskets to coincidences."""
    source = km3gpu.open(STREAM, tree="KM3NET_TIMESLICE_L1")
    lookup = km3gpu.Detector.open(STREAM_DETX).lookup

    def read(entries: tuple[int, int] | None = None) -> km3gpu.Chunk:
        return source.read(columns=_COLUMNS, entries=entries, backend="cpu")

    def find(chunk: km3gpu.Chunk) -> object:
        offsets = counts_to_offsets(chunk.frames.flat("n_hits"))
        hits = (chunk.hits.flat(c) for c in _STORED)
        return level1.frames(offsets, chunk.frames.flat("dom_id"), *hits, lookup)

    kept = read()
    n = len(kept.hits) / 1e6
    took = alternate(
        {"all": lambda: find(read()), "read": read, "level1": lambda: find(kept)}, max(repeats, 5)
    )
    edges = np.linspace(0, kept.n_events, (os.cpu_count() or 1) + 1).astype(int).tolist()
    parts = list(itertools.pairwise(edges))
    return [
        Row(
            "L1 timeslices: baskets to coincidences", n / took["all"].cpu, "Mhit/s", limit=30.0,
            note="one core", details={"hits": len(kept.hits)},
        ),
        Row("step: read (inflate, decode)", n / took["read"].cpu, "Mhit/s"),
        Row("step: calibrate, sort, coincidences", n / took["level1"].cpu, "Mhit/s"),
        all_cores("L1 timeslices, all cores", parts, lambda p: find(read(p)), n, repeats),
    ]  # fmt: skip


def all_cores(name: str, parts: list[Any], work: Callable[[Any], object], n: float, repeats: int) -> Row:
    """Work on parts in as many threads as there are cores, one core each; the wall counts."""
    cores = os.cpu_count() or 1

    def one(part: Any) -> object:
        with threads(1):
            return work(part)

    with ThreadPoolExecutor(cores) as pool:
        took = alternate({"all": lambda: list(pool.map(one, parts))}, repeats)["all"]
    return Row(
        name, n / took.wall, "Mhit/s", note=f"wall time, {cores} threads, {len(parts)} parts; "
        f"CPU time alone {n / took.cpu:.0f} Mhit/s per core",
    )  # fmt: skip


class _Slice:
    """Some modules of a slice of L0 in memory, as bytes of frames."""

    def __init__(self, n_modules: int, rate: float, seed: int = 1) -> None:
        self.detector = km3gpu.Detector.open(ORCA)
        chunk = noise(self.detector, Background(rate), modules=n_modules, seed=seed)
        records = np.empty(len(chunk.hits), _RECORD)
        for name in _STORED:
            records[name] = chunk.hits.flat(name)
        self.raw = np.frombuffer(records.tobytes(), np.uint8)
        self.n = len(records)
        self.offsets = counts_to_offsets(chunk.frames.flat("n_hits"))
        self.dom_id = chunk.frames.flat("dom_id")

    def decode(self, low: int = 0, high: int | None = None) -> tuple[Any, Any, dict[str, Any]]:
        """Decode frames `low` to `high`; give their offsets, modules and hits."""
        dom_id = self.dom_id[low:high]
        offsets = self.offsets[low : low + len(dom_id) + 1]
        places = offsets[:-1] * _RECORD.itemsize
        offsets = offsets - offsets[0]
        hits = together(int(offsets[-1]), _STORED)
        frame_hits(self.raw, places, offsets, dom_id, np.empty(0, np.int32), *hits.values())
        return offsets, dom_id, hits

    def find(self, low: int = 0, high: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Decode and find the coincidences, calibrated with slewing."""
        offsets, dom_id, hits = self.decode(low, high)
        return level1.frames(offsets, dom_id, *hits.values(), self.detector.lookup, slewing=calibrate.SLEWING)


def level0(n_modules: int, repeats: int) -> list[Row]:
    """Take a made-up slice of ORCA from bytes to coincidences, in one pass and step by step."""
    made = _Slice(n_modules, 7e3)
    offsets, dom_id, hits = made.decode()
    own = np.repeat(dom_id, np.diff(offsets))
    slew, lookup = calibrate.SLEWING, made.detector.lookup
    columns = calibrate.hits(own, *hits.values(), lookup, slewing=slew)
    n = made.n / 1e6

    def cluster() -> Any:
        places = (columns[c] for c in ("pos_x", "pos_y", "pos_z"))
        return coincidence.same_module(
            offsets, own, hits["channel_id"], columns["t"], hits["tot"], *places, window=WINDOW
        )

    took = alternate(
        {
            "all": made.find,
            "decode": made.decode,
            "level1": lambda: level1.frames(offsets, dom_id, *hits.values(), lookup, slewing=slew),
            "calibrate": lambda: calibrate.hits(own, *hits.values(), lookup, slewing=slew),
            "cluster": cluster,
            "numpy": lambda: _numpy(own, columns["t"]),
        },
        repeats,
    )
    found = (len(x[1]["t_first"]) for x in (made.find(), cluster()))
    assert len(set(found)) == 1
    speed = n / took["all"].cpu
    edges = np.linspace(0, n_modules, (os.cpu_count() or 1) + 1).astype(int).tolist()
    parts = list(itertools.pairwise(edges))
    return [
        Row(
            "L0 of ORCA in memory to L1, 7 kHz", speed, "Mhit/s", limit=80.0,
            note=f"one core, from bytes; {ORCA_HITS / speed:.1f} cores keep up with ORCA's "
            f"{ORCA_HITS:.0f} Mhit/s, {ARCA_HITS / speed:.1f} with ARCA's {ARCA_HITS:.0f}",
            details={"hits": made.n, "modules": n_modules},
        ),
        Row("step: decode", n / took["decode"].cpu, "Mhit/s"),
        Row("step: calibrate, sort, coincidences in one", n / took["level1"].cpu, "Mhit/s"),
        all_cores("L0 of ORCA, all cores", parts, lambda p: made.find(*p), n, repeats),
        Row("apart: time, position, axis", n / took["calibrate"].cpu, "Mhit/s"),
        ratio_row(
            "apart: sort and coincidences", took, ours="cluster", peer="numpy", items=n, unit="Mhit/s",
            note="NumPy: lexsort and chains of neighbours, the simplest",
        ),
        *_dbscan(own, columns["t"], took["cluster"], n),
    ]  # fmt: skip


def _numpy(dom_id: Any, t: Any) -> list[Any]:
    """Sort with lexsort, and look for neighbours with a shifted copy: the simplest NumPy.

    The groups are chains of neighbours; the first hit's window, which the rule
    wants, has no formulation without a loop.
    """
    order = np.lexsort((t, dom_id))
    dom, time = dom_id[order], t[order]
    near = (dom[1:] == dom[:-1]) & (np.diff(time) <= WINDOW)
    edges = np.diff(np.concatenate(([0], near.astype(np.int8), [0])))
    return [np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) + 1]


def _dbscan(dom_id: Any, t: Any, ours: Times, n: float) -> list[Row]:
    name, own = "apart: sort, group by density", n / ours.cpu
    try:
        from sklearn.cluster import DBSCAN
    except ImportError:
        return [
            Row(name, own, "Mhit/s", note="no peer: scikit-learn is missing, pip install 'km3gpu[bench]'")
        ]
    some = [t[dom_id == d][:, None] for d in np.unique(dom_id)[:5]]
    spent = min(cpu_time(lambda: [DBSCAN(eps=WINDOW, min_samples=2).fit(x) for x in some]) for _ in range(2))
    peer = sum(map(len, some)) / 1e6 / spent
    return [
        Row(
            name, own, "Mhit/s", peer, own / peer,
            note="scikit-learn's DBSCAN on the same frames, five modules: chains, another rule",
        )
    ]  # fmt: skip


def growth(repeats: int) -> Row:
    """Fit the exponent of the cost per slice with the rate per PMT."""
    slices = [_Slice(20, rate) for rate in RATES]
    cost = [1e3 * min(cpu_time(s.find) for _ in range(repeats + 1)) for s in slices]
    exponent = float(np.polyfit(np.log(RATES), np.log(cost), 1)[0])
    told = ", ".join(f"{r / 1e3:.0f} kHz {c:.2f} ms" for r, c in zip(RATES, cost, strict=True))
    return Row(
        "growth with the rate, exponent", exponent, "", note=f"20 modules, one slice: {told}",
        details={"rates_hz": list(RATES), "ms": cost, "hits": [s.n for s in slices], "exponent": exponent},
    )  # fmt: skip
