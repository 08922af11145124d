"""Calibration of real DAQ hits: against km3pipe, and against plainly filling the same columns."""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import km3net_testdata
import numba
import numpy as np
from numba import njit, prange

import km3gpu
from benchmarks.harness import Row, alternate, ratio_row
from km3gpu.backend import Backend
from km3gpu.io import opened
from km3gpu.io.baskets import entry_bytes
from km3gpu.kernels import calibrate, coincidence, decode, fused, segments, threads

DATA = Path(km3net_testdata.__file__).parent / "data"
ONLINE = DATA / "online/muon_cc_daqevents.root"
GEOMETRY = DATA / "datx/KM3NeT_00000133_20221025.datx"
PEER_GEOMETRY = DATA / "detx/KM3NeT_00000133_20221025.detx"
USED = ("dom_id", "channel_id", "tdc", "tot")
COLUMNS = ("t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")

CPU = Backend("cpu")

Hits = dict[str, np.ndarray]


def run(quick: bool) -> list[Row]:
    """Measure calibration and the same-module search, in DAQ order and at random."""
    n, repeats = (200_000, 5) if quick else (1_000_000, 15)
    chunk = km3gpu.open(ONLINE).read(tables=("hits",), backend="cpu")
    stored = {c: chunk.hits.flat(c) for c in USED}
    hits = {c: np.resize(v, n) for c, v in stored.items()}
    mixed = np.random.default_rng(1).permutation(n)
    shuffled = {c: v[mixed] for c, v in hits.items()}
    table = km3gpu.Detector.open(GEOMETRY).lookup
    with threads(1):
        rows = [
            *_against_filling(hits, shuffled, table, n, repeats),
            *_against_km3pipe(hits, table, n, repeats),
            _from_baskets(table, repeats),
            _small_call(hits, table),
            _search(chunk.hits.offsets, stored, table, repeats),
        ]
    return [*rows, *_threads(stored, table, 2 * n, repeats)]


def _columns(n: int) -> Hits:
    """Make columns as the package makes them, touched once."""
    made = {c: CPU.empty(n, np.float64) for c in COLUMNS}
    for column in made.values():
        column.fill(1.0)
    return made


def _calibrate(hits: Hits, table: Any, out: Hits | None = None) -> dict[str, Any]:
    return calibrate.hits(*(hits[c] for c in USED), table, slewing=calibrate.SLEWING, out=out)


def _against_filling(hits: Hits, shuffled: Hits, table: Any, n: int, repeats: int) -> list[Row]:
    """Compare with writing one number to all of the seven columns."""
    out, other = _columns(n), _columns(n)
    kept = alternate(
        {
            "DAQ order": lambda: _calibrate(hits, table, out),
            "random order": lambda: _calibrate(shuffled, table, out),
            "fill": lambda: [column.fill(1.5) for column in out.values()],
            "copy": lambda: [np.copyto(out[c], other[c]) for c in COLUMNS],
        },
        repeats,
    )
    new = alternate(
        {
            "DAQ order": lambda: _calibrate(hits, table),
            "fill": lambda: [np.full(n, 1.5) for _ in COLUMNS],
        },
        repeats,
    )
    note = "plainly filling the seven columns"
    return [
        *(
            ratio_row(
                f"calibrate {n / 1e6:g} M hits, {order}, one thread", kept, ours=order, peer="fill",
                limit=1 / 3 if order == "DAQ order" else None, items=n / 1e6, unit="Mhit/s", note=note,
            )
            for order in ("DAQ order", "random order")
        ),
        ratio_row(
            "... DAQ order", kept, ours="DAQ order", peer="copy", items=n / 1e6, unit="Mhit/s",
            note="plainly copying the seven columns",
        ),
        *(
            Row(f"... and as a rate, {order}", n / 1e6 / kept[order].cpu, "Mhit/s", limit=limit)
            for order, limit in (("DAQ order", 120), ("random order", 80))
        ),
        ratio_row(
            "... DAQ order, into columns made for the call", new, ours="DAQ order", peer="fill",
            limit=1 / 3, items=n / 1e6, unit="Mhit/s", note=note + ", new ones",
        ),
    ]  # fmt: skip


def _against_km3pipe(hits: Hits, table: Any, n: int, repeats: int) -> list[Row]:
    """Compare with ``Calibration.apply``, which takes DAQ's integer times by way of float32."""
    name = "calibrate, DAQ order, one thread"
    try:
        from km3pipe.calib import Calibration
        from km3pipe.dataclasses import Table
    except ImportError as error:
        ours = alternate({"ours": lambda: _calibrate(hits, table)}, repeats)["ours"]
        return [
            Row(name, n / 1e6 / ours.cpu, "Mhit/s", note=f"peer not installed ({error}): pip install km3pipe")
        ]
    peer = Calibration(filename=str(PEER_GEOMETRY))
    as_stored = Table(
        {"dom_id": hits["dom_id"], "channel_id": hits["channel_id"], "time": hits["tdc"], "tot": hits["tot"]}
    )
    as_float = Table(
        {c: as_stored[c] if c != "time" else hits["tdc"].astype(float) for c in as_stored.dtype.names}
    )
    t = _calibrate(hits, table)["t"]
    off = [float(np.abs(t - peer.apply(rows)["time"]).max()) for rows in (as_stored, as_float)]
    times = alternate(
        {
            "ours": lambda: _calibrate(hits, table),
            "as stored": lambda: peer.apply(as_stored),
            "as float": lambda: peer.apply(as_float),
        },
        max(3, repeats // 3),
    )
    return [
        ratio_row(
            name, times, peer="as stored", limit=80, items=n / 1e6, unit="Mhit/s",
            note=f"km3pipe, the same columns; its times differ by up to {off[0]:.2g} ns",
        ),
        ratio_row(
            name, times, peer="as float", items=n / 1e6, unit="Mhit/s",
            note=f"km3pipe, times made float64 before; they differ by up to {off[1]:.2g} ns",
        ),
    ]  # fmt: skip


def _from_baskets(table: Any, repeats: int) -> Row:
    """Decode and calibrate from the bytes of the file, three times over."""
    tree = opened.open_file(str(ONLINE)).tree("KM3NET_EVENT")  # type: ignore[attr-defined]
    raw, edges = entry_bytes(tree, tree.branch("snapshotHits"), 0, tree.n_entries)
    size = edges[-1] - edges[0]
    raw = np.concatenate([raw[edges[0] : edges[-1]]] * 3)
    edges = np.concatenate([edges[:-1] - edges[0] + k * size for k in range(3)] + [[3 * size]])
    _, out = fused.snapshot_hits(raw, edges, table, slewing=calibrate.SLEWING)
    n = len(out["t"])
    times = alternate(
        {
            "fused": lambda: fused.snapshot_hits(raw, edges, table, slewing=calibrate.SLEWING, out=out),
            "decode": lambda: decode.snapshot_hits(raw, edges),
        },
        repeats,
    )
    return Row(
        "decode and calibrate from raw baskets", n / 1e6 / times["fused"].cpu, "Mhit/s", limit=100,
        note=f"one thread, eleven columns; decoding alone {n / 1e6 / times['decode'].cpu:.0f}",
    )  # fmt: skip


def _small_call(hits: Hits, table: Any) -> Row:
    few = {c: v[:100] for c, v in hits.items()}
    _calibrate(few, table)
    took = []
    for _ in range(15):
        start = time.process_time()
        for _ in range(300):
            _calibrate(few, table)
        took.append((time.process_time() - start) / 300)
    return Row(
        "calibrate 100 hits", 1e6 * statistics.median(took), "us", limit=20, sense="at most", note="a call"
    )


def _search(offsets: Any, stored: Hits, table: Any, repeats: int) -> Row:
    made = _calibrate(stored, table)
    places = [made[c] for c in ("pos_x", "pos_y", "pos_z")]
    events = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    functions: dict[str, Callable[[], object]] = {
        "ours": lambda: coincidence.same_module(
            offsets, stored["dom_id"], stored["channel_id"], made["t"], stored["tot"], *places
        ),
        "sort": lambda: segments.order(offsets, stored["dom_id"], made["t"]),
        "lexsort": lambda: np.lexsort((made["t"], stored["dom_id"], events)),
    }
    times = alternate(functions, repeats)
    n = len(stored["tdc"])
    return ratio_row(
        "same-module coincidences, one thread", times, peer="lexsort", items=n / 1e6, unit="Mhit/s",
        note=f"np.lexsort of the same hits alone; our sort alone {n / 1e6 / times['sort'].cpu:.0f} Mhit/s",
    )  # fmt: skip


@njit(parallel=True)
def _fill(
    n: int, n_blocks: int, value: float, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any
) -> None:
    """Fill the seven columns in parallel blocks: what the memory of the machine gives."""
    for k in prange(n_blocks):
        low, high = k * n // n_blocks, (k + 1) * n // n_blocks
        for i in range(low, high):
            a[i] = value
            b[i] = value
            c[i] = value
            d[i] = value
            e[i] = value
            f[i] = value
            g[i] = value


@njit(parallel=True)
def _add(n_blocks: int, rounds: int, values: Any) -> None:
    """Add up in the nearest cache, in parallel: what the cores of the machine give."""
    for k in prange(n_blocks):
        for _ in range(rounds):
            for i in range(values.shape[1]):
                values[k, i] = values[k, i] * 0.999 + 1.0


def _threads(stored: Hits, table: Any, n: int, repeats: int) -> list[Row]:
    """Compare two threads with one, beside what two threads gain at plain filling and adding.

    The best of many rounds counts: other work on the machine takes a core away from two
    threads, and none from one.
    """
    cores = min(len(os.sched_getaffinity(0)), int(numba.config.NUMBA_NUM_THREADS))
    if cores < 2:
        return []
    hits = {c: np.resize(v, n) for c, v in stored.items()}
    out, small = _columns(n), np.ones((16, 512))

    def calibrated(k: int) -> None:
        with threads(k):
            _calibrate(hits, table, out)

    def filled(k: int) -> None:
        numba.set_num_threads(k)
        _fill(n, 16, 1.5, *out.values())

    def added(k: int) -> None:
        numba.set_num_threads(k)
        _add(16, 4_000, small)

    before = numba.get_num_threads()
    work = {"calibrate": calibrated, "fill": filled, "add": added}
    times = alternate(
        {f"{name} {k}": functools.partial(f, k) for name, f in work.items() for k in (1, 2)}, 2 * repeats
    )
    numba.set_num_threads(before)
    gain = {name: times[f"{name} 1"].wall_min / times[f"{name} 2"].wall_min for name in work}
    busy = gain["add"] < 1.75  # then the cores are not ours, and the figure says nothing of us
    rate = [n / 1e6 / times[f"calibrate {k}"].wall_min for k in (1, 2)]
    return [
        Row(
            f"calibrate {n / 1e6:g} M hits, two threads", rate[1], "Mhit/s", rate[0], gain["calibrate"],
            None if busy else 1.8,
            note=f"one thread; best wall times (adding in cache gains {gain['add']:.2f}, filling "
            f"{gain['fill']:.2f}" + ("; the machine is busy, not judged against 1.8)" if busy else ")"),
            details={name: asdict(t) for name, t in times.items()},
        )
    ]  # fmt: skip


if __name__ == "__main__":
    from benchmarks.__main__ import line

    for row in run(quick=False):
        print(line(row))
