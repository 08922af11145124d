from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import km3gpu as k3
from km3gpu.errors import ConfigError, FormatError
from km3gpu.io import exact_sums
from km3gpu.io.histogram import Histogram
from km3gpu.io.histogram_sink import HistogramSink, read_histograms

SINK = HistogramSink(
    "h",
    (
        Histogram("tot", "tot", table="hits", bins=64, range=(0, 256)),
        Histogram(
            "rate", "log10(tdc + 1)", "tot", "hits", edges=(0, 1, 7.9, 8),
            y_bins=10, y_range=(0, 200), weight="tot / 7",
        ),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def path(data: Path) -> Path:
    return data / "online/muon_cc_daqevents.root"


def merged(path: Path, folder: Path, step: int) -> Path:
    parts = []
    for i, chunk in enumerate(k3.open(path).chunks(step)):
        parts.append(folder / f"{step}-{i}.json")
        SINK.write(chunk, parts[-1])
    made = folder / f"{step}.hist.json"
    assert SINK.merge(parts, made, '{"run": 1}').rows == {"tot": 319_713, "rate": 319_713}
    return made


def test_the_same_bytes_for_any_chunks_and_what_boost_histogram_fills(path: Path, tmp_path: Path) -> None:
    files = [merged(path, tmp_path, step) for step in (250, 99, 7)]
    assert len({f.read_bytes() for f in files}) == 1
    read = read_histograms(files[0])
    hits = k3.open(path).read().hits
    tot, tdc = (hits.flat(c).astype(float) for c in ("tot", "tdc"))
    counts = bh.Histogram(bh.axis.Regular(64, 0, 256), storage=bh.storage.Int64()).fill(tot)
    assert read["tot"] == counts
    axes = (bh.axis.Variable([0, 1, 7.9, 8]), bh.axis.Regular(10, 0, 200))
    weighted = bh.Histogram(*axes, storage=bh.storage.Weight()).fill(np.log10(tdc + 1), tot, weight=tot / 7)
    assert np.allclose(read["rate"].values(flow=True), weighted.values(flow=True), rtol=1e-9)
    assert np.allclose(read["rate"].variances(flow=True), weighted.variances(flow=True), rtol=1e-9)
    assert read["rate"].values(flow=True)[:, -1].sum() > 0
    entry = json.loads(files[0].read_text())["tot"]
    assert entry["metadata"]["km3gpu:provenance"] == {"run": 1}


def test_halves_make_the_part_of_the_whole(path: Path, tmp_path: Path) -> None:
    whole, a, b = (tmp_path / n for n in ("whole", "a", "b"))
    source = k3.open(path)
    SINK.write(source.read(entries=(0, 40)), whole)
    SINK.write(source.read(entries=(0, 20)), a)
    SINK.write(source.read(entries=(20, 40)), b)
    part = SINK.join([a, b], tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == whole.read_bytes()
    assert part.rows == {n: t.flat("counts").sum() for n, t in SINK.read(whole).items()}


def test_files_that_are_none(path: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(FormatError, match="no file of histograms"):
        read_histograms(tmp_path / "x.json")
    SINK.write(k3.open(path).read(entries=(0, 3)), tmp_path / "part")
    with pytest.raises(FormatError, match="of one chunk"):
        read_histograms(tmp_path / "part")
    other = HistogramSink("h", SINK.histogram[:1])
    with pytest.raises(FormatError, match="no part of these histograms"):
        other.merge([tmp_path / "part"], tmp_path / "out", "{}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bins": 3}, "give bins = 50"),
        ({"bins": 3, "range": (1, 0)}, "give numbers that rise"),
        ({"bins": 3, "range": (0, np.nan)}, "give numbers that rise"),
        ({"edges": (0, 1), "bins": 3, "range": (0, 1)}, "or edges"),
        ({"edges": (0, 1), "y_bins": 3}, "y_bins without y"),
        ({"edges": (0, 1), "y": "tot"}, "y_bins and y_range, or y_edges"),
        ({"edges": (0, 1), "weight": "tot >"}, "weight = 'tot >': no valid expression"),
        ({"bins": 10_000_000, "range": (0, 1), "y": "a", "y_bins": 3, "y_range": (0, 1)}, "are too many"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Histogram("a", "tot", **options)


# -- exact sums -------------------------------------------------------------------
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), FLOATS), max_size=30), st.integers(0, 30))
def test_sums_are_those_of_fractions_however_they_are_cut(rows: list[tuple[int, float]], cut: int) -> None:
    index, weights = np.array([r[0] for r in rows], int), np.array([r[1] for r in rows], float)
    one = exact_sums.sums(index, weights)
    two = exact_sums.added(
        [exact_sums.sums(index[:cut], weights[:cut]), exact_sums.sums(index[cut:], weights[cut:])]
    )
    assert one == two == exact_sums.from_text(json.loads(json.dumps(exact_sums.to_text(one))))
    for b in range(4):
        exact = sum((Fraction(w) for i, w in rows if i == b), Fraction(0))
        assert Fraction(one.get(b, 0), 1 << 1152) == exact
        if abs(exact) < 2**1023:
            assert exact_sums.rounded(one, 4)[b] == float(exact)


def test_weights_that_are_no_numbers() -> None:
    with pytest.raises(FormatError, match="infinite or NaN"):
        exact_sums.sums(np.array([0, 0]), np.array([1.0, np.inf]))
