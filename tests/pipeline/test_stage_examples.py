"""The example of every stage and sink runs, and gives the same however the files are cut."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import h5py
import numpy as np
import pytest

from km3gpu.cli.stages import stage_facts
from km3gpu.io.histogram_sink import read_histograms
from km3gpu.pipeline import RunResult, run
from km3gpu.pipeline.sinks import SINKS
from km3gpu.table import Ragged, Table

PLANS = resources.files("km3gpu") / "plans"
FACTS = {(f["kind"], n): f["parameters"] for n, f in stage_facts().items() if f["example"]}
SMALL = {"livetime": 300}  # a thousand slices


def test_every_stage_and_sink_has_an_example() -> None:
    from km3gpu import stages

    own = [n for n, c in stages.known().items() if c.__module__.startswith("km3gpu.stages")]
    assert {n for k, n in FACTS if k == "stage"} == set(own)
    assert {n for k, n in FACTS if k == "sink"} == set(SINKS)


def same(a: Table, b: Table) -> list[str]:
    """Give the columns in which tables differ."""
    if set(a.columns) != set(b.columns):
        return sorted(set(a.columns) ^ set(b.columns))
    found = [] if np.array_equal(np.asarray(a.offsets), np.asarray(b.offsets)) else ["offsets"]
    return found + [c for c in a.columns if not equal(a.flat(c), b.flat(c))]


def equal(x: object, y: object) -> bool:
    if isinstance(x, Ragged) and isinstance(y, Ragged):
        return np.array_equal(x.offsets, y.offsets) and equal(x.content, y.content)
    x, y = np.asarray(x), np.asarray(y)
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


def read(result: RunResult, name: str) -> dict[str, Table]:
    sink = SINKS[name]()
    return {f"{p.name}/{n}": t for p in result.outputs for n, t in sink.read(p).items()}


def datasets(path: Path) -> dict[str, bytes]:
    """Give the datasets of an HDF5 file by name, but for the record of its run."""
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda n, x: found.update({n: x[()].tobytes()}) if isinstance(x, h5py.Dataset) else None
        )
    return {n: x for n, x in found.items() if "provenance" not in n}


@pytest.mark.parametrize(("kind", "name"), FACTS, ids=lambda x: str(x))
def test_the_example_gives_the_same_for_any_chunks(kind: str, name: str, tmp_path: Path) -> None:
    plan = Path(str(PLANS / f"{kind}s" / f"{name}.toml"))
    whole = run(plan, out=tmp_path / "whole")
    cut = run(plan, out=tmp_path / "cut", chunk=SMALL.get(name, 4))
    assert (len(whole.receipts) == 1) < len(cut.receipts) or name == "veto"
    assert len(whole.outputs) == len(cut.outputs) > 0
    if name == "histogram":
        (a,), (b,) = whole.outputs, cut.outputs
        assert read_histograms(a) == read_histograms(b)
        return
    if name == "km3pipe":
        (a,), (b,) = whole.outputs, cut.outputs
        assert datasets(a) == datasets(b) != {}
        return
    a, b = (read(r, name if kind == "sink" else "parquet") for r in (whole, cut))
    assert a.keys() == b.keys()
    assert {n: same(t, b[n]) for n, t in a.items() if same(t, b[n])} == {}
