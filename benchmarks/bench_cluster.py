"""Coincidences and triggers: per step and end to end, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import km3net_testdata
import numpy as np

import km3gpu
from benchmarks.harness import Row, alternate, ratio_row
from km3gpu.kernels import calibrate, coincidence, level1, threads
from km3gpu.kernels import triggers as kernel
from km3gpu.kernels.lookup import PmtLookup, build
from km3gpu.kernels.segments import counts_to_offsets
from km3gpu.stages.triggers import hits_for_triggers
from km3gpu.trigger import finding, sets
from km3gpu.trigger.roots import muon, shower

DATA = Path(km3net_testdata.__file__).parent / "data"
EVENTS = DATA / "online/muon_cc_daqevents.root"
ARCA = DATA / "datx/KM3NeT_00000133_20221025.datx"
STREAM = DATA / "online/events_sample.root"
ORCA = DATA / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
PMTS = 31
WINDOW = 25.0
FRAME = 1e8  # ns
K40_PER_MODULE = 570.0  # two-fold coincidences [Hz], as Jpp's simulations take them
ORCA_HITS = 115 * 18 * PMTS * 7e3 / 1e6  # Mhit/s of the whole detector
RATES = (1e3, 5e3, 7e3, 20e3, 50e3)


def run(quick: bool) -> list[Row]:
    """Measure the triggers on real events, the stream of a file, and a made-up stream of L0."""
    repeats = 3 if quick else 7
    with threads(1):
        return [*_triggers(repeats), _stream(repeats), *_l0(20 if quick else 100, repeats), _growth(repeats)]


def _triggers(repeats: int) -> list[Row]:
    chunk = km3gpu.open(EVENTS).read(backend="cpu")
    parameters = sets.named("arca133")
    hits = hits_for_triggers(chunk, str(ARCA))
    level2 = finding.clusters(chunk.hits.offsets, hits, parameters)
    places = ("dom_id", "pos_x", "pos_y", "pos_z", "t_first")
    roots = kernel.sites(level2.offsets, *(level2.columns[c] for c in places))

    def both(part: kernel.Sites) -> None:
        muon(part, hits, level2, parameters)
        shower(part, hits, level2, parameters)

    whole = alternate({"ours": lambda: both(roots)}, repeats)["ours"]
    slowest = 0.0
    for e in range(chunk.n_events):
        low, high = int(roots.offsets[e]), int(roots.offsets[e + 1])
        part = kernel.Sites(np.array([0, high - low]), *(c[low:high] for c in roots[1:]))
        slowest = max(slowest, min(_cpu(lambda part=part: both(part)) for _ in range(3)))
    everything = alternate({"ours": lambda: finding.find(chunk.hits.offsets, hits, parameters)}, repeats)[
        "ours"
    ]
    return [
        Row(
            "muon and shower trigger, 250 events", 250 / whole.cpu, "event/s",
            note=f"{len(roots.t)} coincidences, 423 directions",
        ),
        Row("slowest event", 1e3 * slowest, "ms", limit=50.0, sense="at most"),
        Row("hits to events, all triggers", len(chunk.hits) / 1e6 / everything.cpu, "Mhit/s"),
    ]  # fmt: skip


def _stream(repeats: int) -> Row:
    source = km3gpu.open(STREAM, tree="KM3NET_TIMESLICE_L1")
    detector = km3gpu.Detector.open(ORCA)

    wanted = {"frames": ("dom_id", "n_hits"), "hits": ("channel_id", "tdc", "tot")}

    def read() -> km3gpu.Chunk:
        return source.read(columns=wanted, backend="cpu")

    def work() -> object:
        chunk = read()
        offsets = counts_to_offsets(chunk.frames.flat("n_hits"))
        hits = (chunk.hits.flat(c) for c in wanted["hits"])
        return level1.frames(offsets, chunk.frames.flat("dom_id"), *hits, detector.lookup)

    took = alternate({"all": work, "read": read}, repeats)
    n = len(read().hits) / 1e6
    return Row(
        "L1 timeslices: baskets to coincidences", n / took["all"].cpu, "Mhit/s", limit=30.0,
        note=f"reading alone (inflate, decode) {n / took['read'].cpu:.0f} Mhit/s",
    )  # fmt: skip


def _frames(n_modules: int, rate: float, seed: int = 1) -> dict[str, np.ndarray]:
    """Make one slice of L0: single hits, K40 pairs, one hit in seven out of order."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[np.ndarray]] = {"dom_id": [], "channel_id": [], "tdc": [], "tot": []}
    for module in range(n_modules):
        n = rng.poisson(rate * PMTS * FRAME * 1e-9)
        pairs = rng.uniform(0, FRAME, rng.poisson(K40_PER_MODULE * FRAME * 1e-9))
        t = np.concatenate((rng.uniform(0, FRAME, n), pairs, pairs + rng.normal(0, 4, len(pairs))))
        t = np.sort(np.clip(t, 0, FRAME)).astype(np.uint32)
        swap = np.flatnonzero(rng.random(len(t) - 1) < 0.15)
        t[swap], t[swap + 1] = t[swap + 1], t[swap]
        columns["dom_id"].append(np.full(len(t), 1000 + module, np.int32))
        columns["channel_id"].append(rng.integers(0, PMTS, len(t)).astype(np.uint8))
        columns["tdc"].append(t)
        columns["tot"].append(rng.integers(5, 80, len(t)).astype(np.uint8))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _table(n_modules: int) -> PmtLookup:
    rng = np.random.default_rng(2)
    rows = rng.uniform(0, 100, (n_modules * PMTS, 7))
    first = np.arange(n_modules) * PMTS
    return build(1000 + np.arange(n_modules), first, np.full(n_modules, PMTS), rows)


def _level1(hits: dict[str, np.ndarray], table: PmtLookup) -> object:
    """Find L1 in one pass; the hits of a module are one frame."""
    dom_id = hits["dom_id"]
    edges = np.flatnonzero(dom_id[1:] != dom_id[:-1]) + 1
    offsets = np.concatenate(([0], edges, [len(dom_id)]))
    raw = (hits[c] for c in ("channel_id", "tdc", "tot"))
    return level1.frames(offsets, dom_id[offsets[:-1]], *raw, table, slewing=calibrate.SLEWING)


def _same_module(offsets: Any, hits: Any, made: Any) -> tuple[Any, dict[str, Any], Any]:
    places = (made[c] for c in ("pos_x", "pos_y", "pos_z"))
    return coincidence.same_module(
        offsets, hits["dom_id"], hits["channel_id"], made["t"], hits["tot"], *places, window=WINDOW
    )


def _numpy_chain(hits: dict[str, np.ndarray], t: np.ndarray) -> np.ndarray:
    """Sort with lexsort and link neighbours: the simplest NumPy, and another rule."""
    order = np.lexsort((t, hits["dom_id"]))
    dom, time_ = hits["dom_id"][order], t[order]
    near = (dom[1:] == dom[:-1]) & (np.diff(time_) <= WINDOW)
    return np.flatnonzero(np.diff(np.concatenate(([0], near.astype(np.int8), [0]))) == 1)


def _l0(n_modules: int, repeats: int) -> list[Row]:
    hits, table = _frames(n_modules, 7e3), _table(n_modules)
    made = calibrate.hits(*hits.values(), table, slewing=calibrate.SLEWING)
    offsets = np.array([0, len(hits["tdc"])])
    n = len(hits["tdc"]) / 1e6
    took = alternate(
        {
            "end to end": lambda: _level1(hits, table),
            "calibrate": lambda: calibrate.hits(*hits.values(), table, slewing=calibrate.SLEWING),
            "cluster": lambda: _same_module(offsets, hits, made),
            "numpy": lambda: _numpy_chain(hits, made["t"]),
        },
        repeats,
    )
    speed = n / took["end to end"].cpu
    return [
        Row(
            "L0 in memory to L1, 7 kHz", speed, "Mhit/s", limit=80.0,
            note=f"{ORCA_HITS / speed:.1f} cores for ORCA's {ORCA_HITS:.0f} Mhit/s, twice that for ARCA's",
        ),
        Row("step by step: time, position, axis", n / took["calibrate"].cpu, "Mhit/s"),
        ratio_row(
            "step by step: sort and coincidences", took, ours="cluster", peer="numpy", items=n, unit="Mhit/s",
            note="NumPy: lexsort and chains of neighbours",
        ),
        *_dbscan(hits, made["t"], took["cluster"].cpu / n),
    ]  # fmt: skip


def _dbscan(hits: dict[str, np.ndarray], t: np.ndarray, ours: float) -> list[Row]:
    try:
        from sklearn.cluster import DBSCAN
    except ImportError:
        return []
    some = [t[hits["dom_id"] == d] for d in np.unique(hits["dom_id"])[:5]]
    spent = _cpu(lambda: [DBSCAN(eps=WINDOW, min_samples=2).fit(x[:, None]) for x in some])
    peer = sum(map(len, some)) / 1e6 / spent
    return [
        Row(
            "step by step: sort, group by density", 1 / ours, "Mhit/s", peer, 1 / ours / peer,
            note="scikit-learn's DBSCAN, module by module: another rule",
        )
    ]  # fmt: skip


def _growth(repeats: int) -> Row:
    """Fit the exponent of the cost per slice with the rate per PMT."""
    n_modules, cost = 10, []
    table = _table(n_modules)
    for rate in RATES:
        hits = _frames(n_modules, rate)
        cost.append(min(_cpu(lambda hits=hits: _level1(hits, table)) for _ in range(repeats)))
    exponent = float(np.polyfit(np.log(RATES), np.log(cost), 1)[0])
    told = ", ".join(f"{r / 1e3:.0f} kHz {1e3 * c:.1f} ms" for r, c in zip(RATES, cost, strict=True))
    return Row("growth with the rate, exponent", exponent, "", note=f"10 modules, 0.1 s: {told}")


def _cpu(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start
