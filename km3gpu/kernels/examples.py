"""Every kernel at work on made-up data of any size.

For checks on a GPU and for timings: the data (`km3gpu.kernels.example_data`) have
the shape of real ones, not their physics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from km3gpu.kernels import (
    calibrate,
    coincidence,
    decode,
    flags,
    fused,
    healpix,
    light,
    lookup,
    moments,
    multiplicity,
    neighbours,
    overlaps,
    rows,
    segments,
    select,
    sky,
    triggers,
)
from km3gpu.kernels import example_data as data
from km3gpu.kernels.example_data import Put, baskets, table_of

__all__ = ["EXAMPLES", "Put", "baskets", "table_of"]


def _calibrate(rng: Any, n: int, put: Put) -> dict[str, Any]:
    table, hits = put(table_of(rng)), data.hits(rng, n)
    by_pmt = lookup.build(np.arange(1000), np.arange(1000), np.ones(1000, int), rng.normal(size=(1000, 7)))
    dom, channel, tdc, tot = data.columns(put, hits)
    made = calibrate.hits(dom, channel, tdc, tot, table, slewing=calibrate.SLEWING)
    small = calibrate.hits(dom, channel, tdc, tot, table, dtype=np.float32)
    placed = calibrate.pmt_hits(put(rng.integers(0, 1000, n).astype(np.int32)), put(by_pmt))
    return {
        **made,
        **{f"{c} float32": v for c, v in small.items()},
        **{f"{c} by PMT": v for c, v in placed.items()},
    }


def _coincidence(rng: Any, n: int, put: Put) -> dict[str, Any]:
    hits, offsets = data.hits(rng, n), put(data.offsets(n))
    t = put(hits.pop("tdc").astype(float))
    dom, channel, tot = data.columns(put, hits)
    axes = dict(zip(("dir_x", "dir_y", "dir_z"), (put(a) for a in rng.normal(size=(3, n))), strict=True))
    cut = {"window": 1000.0, "l2_window": 500.0, "min_cos": 0.1, **axes}
    out: dict[str, Any] = {}
    for name, options in (("L1", {"window": 1000.0}), ("L2", cut)):
        found = coincidence.same_module(offsets, dom, channel, t, tot, t, t, t, **options)
        out |= {f"{name} offsets": found[0], f"{name} number": found[2]}
        out |= {f"{name} {c}": v for c, v in found[1].items()}
    return out


def _decode(rng: Any, n: int, put: Put) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for function, size in ((decode.snapshot_hits, 10), (decode.triggered_hits, 24)):
        raw, edges = baskets(rng, n, size)
        offsets, columns = function(put(raw), put(edges))
        out |= {f"offsets of {size}": offsets, **{f"{c} of {size}": v for c, v in columns.items()}}
    headers = rng.integers(0, 256, 76 * n, np.uint16).astype(np.uint8)
    return out | decode.event_headers(put(headers), put(76 * np.arange(n + 1)))


def _fused(rng: Any, n: int, put: Put) -> dict[str, Any]:
    table = put(table_of(rng))
    out: dict[str, Any] = {}
    for function, size in ((fused.snapshot_hits, 10), (fused.triggered_hits, 24)):
        raw, edges = baskets(rng, n, size)
        offsets, columns = function(put(raw), put(edges), table, slewing=calibrate.SLEWING)
        out |= {f"offsets of {size}": offsets, **{f"{c} of {size}": v for c, v in columns.items()}}
    return out


def _flags(rng: Any, n: int, put: Put) -> dict[str, Any]:
    hits, offsets = data.hits(rng, n), data.offsets(n)
    some = rng.random(n) < 0.4
    kept = np.concatenate([[0], np.cumsum(some)])[offsets]
    triggered = tuple(put(c[some]) for c in hits.values())
    trig = put(rng.integers(1, 2**40, int(some.sum())).astype(np.uint64))
    masks, missed = flags.transfer(put(offsets), data.columns(put, hits), put(kept), triggered, trig)
    return {"trig": masks, "missed": np.array([missed])}


def _sky(rng: Any, n: int, put: Put) -> dict[str, Any]:
    table, site, frame = (put(a) for a in data.earth(rng))
    t = put(data.times(rng, n))
    v: Any = tuple(put(np.ascontiguousarray(a)) for a in data.unit(rng, n))
    start = data.FIRST_DAY * data.DAY_NS
    angles, _ = sky.local_to_sky(t, v, table, start, site, frame)
    vectors, _ = sky.local_to_sky(t, v, table, start, site, frame, vectors=True)
    back, _ = sky.sky_to_local(t, angles, table, start, site, frame)
    there, _ = sky.sky_to_local(t, vectors, table, start, site, frame)
    body = np.random.default_rng(7).normal(size=(data.DAYS, 36)) * 1e-6
    seen, _ = sky.body_to_local(t, put(body), table, start, site)
    turned, _ = sky.vectors_to_angles(v[0], v[1], v[2], frame)
    again, _ = sky.angles_to_vectors(*turned, frame)
    groups = {
        "angles": angles, "vectors": vectors, "back": back, "there": there,
        "body": seen, "turned": turned, "again": again,
    }  # fmt: skip
    return {f"{name} {k}": c for name, columns in groups.items() for k, c in enumerate(columns)}


def _healpix(rng: Any, n: int, put: Put) -> dict[str, Any]:
    v: Any = tuple(put(np.ascontiguousarray(a)) for a in data.unit(rng, n))
    table, site, frame = (put(a) for a in data.earth(rng))
    pixel, _ = healpix.pixels(v[0], v[1], v[2], 64)
    (longitude, latitude), _ = healpix.centres(pixel, 64)
    counts = put(np.zeros(12 * 64 * 64, np.int64))
    healpix.local_counts(
        put(data.times(rng, n)), v, table, data.FIRST_DAY * data.DAY_NS, site, frame, counts, 64
    )
    return {"pixel": pixel, "longitude": longitude, "latitude": latitude, "counts": counts}


def _light(rng: Any, n: int, put: Put) -> dict[str, Any]:
    offsets = data.offsets(n)
    hits = tuple(put(a) for a in (rng.uniform(0, 5000, n), *rng.uniform(-300, 300, (3, n))))
    events = len(offsets) - 1
    at = (rng.uniform(0, 5000, events), *rng.uniform(-300, 300, (3, events)), *data.unit(rng, events))
    sources = tuple(put(np.ascontiguousarray(a)) for a in at)
    track = light.track(put(offsets), hits, sources, n_phase=1.35, n_group=1.38)
    shower = light.shower(put(offsets), hits, sources[:4], n_group=1.38)
    columns = zip(("track late", "track off", "shower late", "shower off"), (*track, *shower), strict=True)
    return dict(columns)


def _moments(rng: Any, n: int, put: Put) -> dict[str, Any]:
    x, y, z = (put(a) for a in rng.normal(size=(3, n)) * 100)
    found = moments.shape(put(data.offsets(n)), x, y, z, put(rng.integers(0, 256, n)))
    columns = (*found.centre, *found.inertia, found.extent)
    return dict(zip(("x", "y", "z", "first", "second", "third", "extent"), columns, strict=True))


def _neighbours(rng: Any, n: int, put: Put) -> dict[str, Any]:
    t, x, y, z = (put(a) for a in (rng.uniform(0, 20_000, n), *rng.uniform(-200, 200, (3, n))))
    owner, seeds = put(rng.integers(0, 300, n)), put(rng.random(n) < 0.1)
    near = neighbours.Near(100.0, 50.0, 4.6)
    found = neighbours.Neighbourhood(put(data.offsets(n)), t, x, y, z, near, owner)
    kept, _ = found.spread(seeds, 2, 3)
    return {"all": found.count(), "some": found.count(seeds, 3), "kept": kept}


def _multiplicity(rng: Any, n: int, put: Put) -> dict[str, Any]:
    hits = data.hits(rng, n)
    dom, channel, t = put(hits["dom_id"]), put(hits["channel_id"]), put(np.round(rng.random(n) * 1e4))
    counted = multiplicity.sliding(put(data.offsets(n)), dom, channel, t)
    return dict(zip(("hits", "pmts"), counted, strict=True))


def _overlaps(rng: Any, n: int, put: Put) -> dict[str, Any]:
    offsets = data.offsets(n)
    event = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)).astype(np.int32)
    first = rng.random(n) * 1e4
    first = first[np.lexsort((first, event))]
    last = first + rng.random(n) * 10
    merged = overlaps.merge(put(offsets), put(first), put(last), 1.0)
    low, high = overlaps.within(put(event), put(first), put(last), put(offsets), put(first))
    return {"merged": merged, "low": low, "high": high}


def _rows(rng: Any, n: int, put: Put) -> dict[str, Any]:
    hits = data.hits(rng, n)
    return {"row": rows.pmt_rows(put(hits["dom_id"]), put(hits["channel_id"]), put(table_of(rng)))}


def _segments(rng: Any, n: int, put: Put) -> dict[str, Any]:
    offsets, t = put(data.offsets(n)), put(np.round(rng.random(n) * 1e4, 1))
    whole = put(rng.integers(-1000, 1000, n))
    index, kept = segments.compact(whole > 0, offsets)
    return {
        "segment": segments.expand(offsets), "total": segments.total(offsets, t),
        "minimum": segments.minimum(offsets, t), "maximum": segments.maximum(offsets, t),
        "least": segments.minimum(offsets, whole), "most": segments.maximum(offsets, whole),
        "order": segments.order(offsets, put(data.hits(rng, n)["dom_id"]), t), "index": index, "kept": kept,
    }  # fmt: skip


def _select(rng: Any, n: int, put: Put) -> dict[str, Any]:
    stages = np.arange(n + 1) * 3
    best = select.best_track(
        put(data.offsets(n)), put(rng.random(n)), put(np.full(n, 4000, np.int32)), put(stages),
        put(rng.integers(0, 110, 3 * n).astype(np.int32)), 4000, 0, 99,
    )  # fmt: skip
    return {"best": best}


def _triggers(rng: Any, n: int, put: Put) -> dict[str, Any]:
    # coincidences, not hits: tens in an event, since the search is of pairs and cliques
    m = n // 30
    edges = np.minimum(np.arange(0, m + 20, 20), m).astype(np.int64)
    x, y, z = (put(a) for a in rng.uniform(-150, 150, (3, m)))
    module = rng.integers(1, 60, m).astype(np.int32)
    hits = triggers.sites(put(edges), put(module), x, y, z, put(rng.uniform(0, 1500, m)))
    axes = put(triggers.direction_axes(data.unit(rng, 30).T))
    rule: Any = {"number_of_hits": 4, "number_of_modules": 3, "d_max": 150.0, "t_max_extra": 20.0}
    rule["factory_limit"] = 100
    found = {
        "muon": triggers.muon(hits, axes, road_width=90.0, **rule),
        "shower": triggers.shower(hits, **rule),
        "mixed": triggers.mixed(hits, hits, **rule),
    }
    return {f"{name} {k}": c for name, columns in found.items() for k, c in enumerate(columns)}


EXAMPLES: dict[str, Callable[[Any, int, Put], dict[str, Any]]] = {
    "calibrate": _calibrate,
    "coincidence": _coincidence,
    "decode": _decode,
    "flags": _flags,
    "fused": _fused,
    "healpix": _healpix,
    "light": _light,
    "multiplicity": _multiplicity,
    "moments": _moments,
    "neighbours": _neighbours,
    "overlaps": _overlaps,
    "rows": _rows,
    "segments": _segments,
    "select": _select,
    "sky": _sky,
    "triggers": _triggers,
}
"""By module: ``example(rng, n, put)`` runs all its kernels on about `n` rows; gives what they gave."""
