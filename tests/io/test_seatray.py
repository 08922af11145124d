"""HDF5 of SeaTray: the rows of each event, as the file's own index says."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import km3gpu
from km3gpu.errors import FormatError

FILE = "seatray/antares.h5"
TABLES = {"AafitFinalFit": 19, "AafitFinalFitHitsUsed": 618, "CalibratedPulses": 13556}


def test_rows_are_those_of_the_index(data):
    source = km3gpu.open(data / FILE)
    assert (source.kind, source.n_events, source.run_id) == ("seatray", 15, 45978)
    chunk = source.read(backend="cpu")
    with h5py.File(data / FILE) as f:
        for name, n in TABLES.items():
            table, index, rows = chunk.tables[name], f[f"__I3Index__/{name}"][()], f[name][()]
            assert len(table) == n == sum((index["stop"] - index["start"])[index["exists"] == 1])
            for k, event in enumerate(chunk.events.flat("id")):
                wanted = [rows[i["start"] : i["stop"]] for i in index if i["Event"] == event and i["exists"]]
                times = np.concatenate([np.zeros(0), *(w["time"] for w in wanted)])
                assert np.array_equal(table.to_awkward()[k].time.to_numpy(), times, equal_nan=True)


def test_a_range_of_events(data):
    source = km3gpu.open(data / FILE)
    whole = source.read("CalibratedPulses", backend="cpu").tables["CalibratedPulses"]
    part = source.read(columns={"CalibratedPulses": ("charge",)}, entries=(3, 9), backend="cpu").tables[
        "CalibratedPulses"
    ]
    assert part.to_awkward().charge.to_list() == whole.to_awkward().charge[3:9].to_list()
    empty = source.read(entries=(4, 4), backend="cpu")
    assert [len(t) for t in empty.tables.values()] == [0, 0, 0, 0]


def test_an_index_of_nothing(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as f:
        f["__I3Index__/Pulses"] = np.zeros(2)
    with pytest.raises(FormatError, match=r"no table 'Pulses' with run and event"):
        km3gpu.open(tmp_path / "x.h5")
