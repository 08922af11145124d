"""Chunks of made-up tables with every kind of column, for the tests of the sinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.chunk import Chunk, Origin
from km3gpu.table import Ragged, Table, counts_to_offsets


def ragged(rng: np.random.Generator, n: int, dtype: str = "f8") -> Ragged:
    offsets = counts_to_offsets(rng.integers(0, 4, n))
    return Ragged(offsets, rng.integers(0, 100, offsets[-1]).astype(dtype))


def texts(rng: np.random.Generator, n: int) -> Ragged:
    words = [("", "km3", "σ-hit", "a\0b")[i] for i in rng.integers(0, 4, n)]
    data = [w.encode() for w in words]
    offsets = counts_to_offsets(np.array([len(d) for d in data], dtype=np.int64))
    return Ragged(offsets, np.frombuffer(b"".join(data), np.uint8), text=True)


def nested(rng: np.random.Generator, n: int) -> Ragged:
    offsets = counts_to_offsets(rng.integers(0, 3, n))
    return Ragged(offsets, texts(rng, int(offsets[-1])))


def chunk(n_events: int, seed: int = 1, start: int = 0) -> Chunk:
    rng = np.random.default_rng(seed)
    hits = counts_to_offsets(rng.integers(0, 6, n_events))
    tracks = counts_to_offsets(rng.integers(0, 3, n_events))
    n, m = int(hits[-1]), int(tracks[-1])
    tables = {
        "hits": Table(
            "hits",
            {
                "t": rng.normal(1e8, 1e7, n),
                "tot": rng.integers(0, 256, n).astype("u1"),
                "trig": rng.integers(0, 2**64, n, dtype="u8"),
                "dom_id": rng.integers(8e8, 9e8, n).astype("i4"),
            },
            hits,
            {"calibration": "sha256:ab"},
        ),
        "events": Table(
            "events",
            {
                "time_ns": rng.integers(2**60, 2**62, n_events),
                "white_rabbit": rng.integers(0, 2, n_events).astype(bool),
                "E": rng.normal(size=n_events).astype("f4"),
                "w": ragged(rng, n_events),
                "comment": texts(rng, n_events),
                "matrix": rng.normal(size=(n_events, 3, 2)),
            },
        ),
        "tracks": Table(
            "tracks",
            {"lik": rng.normal(size=m), "rec_stages": ragged(rng, m, "i4"), "usr_names": nested(rng, m)},
            tracks,
        ),
    }
    return Chunk(Origin("x.root", "offline", "E", start, start + n_events, digest="sha256:0"), tables)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Ragged):
        return a.text == b.text and same(a.offsets, b.offsets) and same(a.content, b.content)
    return a.dtype == b.dtype and np.array_equal(a, b)


def assert_same(a: dict[str, Table], b: dict[str, Table]) -> None:
    assert set(a) == set(b)
    for name, table in a.items():
        assert table.columns == b[name].columns
        assert table.attrs == b[name].attrs
        assert (table.offsets is None) == (b[name].offsets is None)
        assert table.offsets is None or same(table.offsets, b[name].offsets)
        for column in table.columns:
            assert same(table.flat(column), b[name].flat(column)), (name, column)
