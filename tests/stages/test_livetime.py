from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu import stages
from km3gpu.errors import FormatError
from km3gpu.pipeline import run

SIMULATED = "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root"


def test_the_slices_of_a_simulation_cover_the_livetime_of_its_header(data: Path) -> None:
    path = data / SIMULATED
    slices = k3.open(path, tree="KM3NET_SUMMARYSLICE").read(tables="events")
    told = k3.open(path).header.DAQ.livetime
    assert stages.livetime(slices) == {(49, 8357): told} == {(49, 8357): 74.4}


def test_slices_count_once(data: Path) -> None:
    slices = k3.open(data / "online/summaryslices.root").read(tables="events")
    made = stages.Livetime()(stages.concat([slices, slices]))
    assert made.counters["livetime/seconds"] == 100.0
    assert np.count_nonzero(made.events.flat("livetime")) == 1000
    with pytest.raises(FormatError, match="do not say how long data was taken"):
        stages.livetime(k3.open(data / "online/km3net_online.root").read())


def test_in_a_plan(data: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles = ['testdata:online/summaryslices.root']\nchunk = 300\n[[stage]]\nuse = 'livetime'\n"
        "[[sink]]\nformat = 'histogram'\n[[sink.histogram]]\nname = 'runs'\nx = 'run_id'\n"
        "weight = 'livetime'\nbins = 2\nrange = [3246, 3248]\n"
    )
    result = run(tmp_path / "plan.toml", out=tmp_path / "out")
    assert result.total.counters["livetime/run_3246"] == 100.0
    from km3gpu.io.histogram_sink import read_histograms

    assert read_histograms(result.outputs[0])["runs"].values().tolist() == pytest.approx([100.0, 0.0])


def test_overlapping_files(data: Path, tmp_path: Path) -> None:
    original = (data / "online/summaryslices.root").read_bytes()
    for name in ("a.root", "b.root"):
        (tmp_path / name).write_bytes(original + name.encode())
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles = ['*.root']\n[[stage]]\nuse = 'deduplicate'\n[[stage]]\nuse = 'livetime'\n"
        "[[sink]]\nformat = 'parquet'\n"
    )
    from km3gpu.io.parquet import ParquetSink

    result = run(tmp_path / "plan.toml", out=tmp_path / "out")
    assert ParquetSink().read(result.outputs[0])["events"].flat("livetime").sum() == pytest.approx(100.0)
    assert result.total.counters["livetime/seconds"] == 200.0  # of chunks, as the stage says
