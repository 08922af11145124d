"""Weights of simulated events: numbers of headers, added up over the inputs of a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu import stages
from km3gpu.errors import ConfigError, Km3GpuError
from km3gpu.io.histogram_sink import read_histograms
from km3gpu.io.parquet import ParquetSink
from km3gpu.pipeline import run

NUE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
NUMU = "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root"
PLAN = f"""
[source]
columns = ["events/w"]
[[dataset]]
label = "nue"
files = ["testdata:{NUE}", "again.root"]
[[dataset]]
label = "numu"
files = ["testdata:{NUMU}", "testdata:offline/empty_events.root"]
[[stage]]
use = "header"
columns = {{ n_gen = "genvol.numberOfEvents", all = "genvol.numberOfEvents", alpha = "spectrum.alpha" }}
total = ["all"]
[[stage]]
use = "map"
columns = {{ energy = "first(mc_tracks.E)", weight = "w[1] * 1e-5 * first(mc_tracks.E) ** -2 / all" }}
[[sink]]
format = "parquet"
[[sink]]
format = "histogram"
where = "label == 'nue'"
[[sink.histogram]]
name = "energy"
x = "log10(energy)"
bins = 8
range = [3, 7]
weight = "weight"
"""


@pytest.fixture
def plan(tmp_path: Path, data: Path) -> Path:
    (tmp_path / "again.root").write_bytes((data / NUE).read_bytes() + b"again")
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


def test_weights_are_those_of_the_generator(plan: Path, tmp_path: Path, data: Path) -> None:
    result = run(plan, out=tmp_path / "out", chunk=9)
    events = ParquetSink().read(result.outputs[0])["events"]
    assert set(zip(events.flat("n_gen").tolist(), events.flat("all").tolist(), strict=True)) == {
        (100.0, 200.0),
        (50_000.0, 60_000.0),  # the file without events made 10,000 too
    }
    w = events.to_awkward()["w"].to_numpy()
    # both generators were told the flux 1e-5 E^-2, and have put it into w[2] themselves
    assert events.flat("weight") * events.flat("all") == pytest.approx(w[:, 2], rel=1e-9)
    nue = events.flat("all") == 200
    assert nue.sum() == 62
    hand, _ = np.histogram(
        np.log10(events.flat("energy")[nue]), bins=8, range=(3, 7), weights=w[nue, 2] / 200
    )
    assert read_histograms(result.outputs[1])["energy"].values() == pytest.approx(hand, rel=1e-9)
    assert set(events.flat("alpha")[nue].tolist()) == {-1.4}
    whole = run(plan, out=tmp_path / "whole")
    assert np.array_equal(
        ParquetSink().read(whole.outputs[0])["events"].flat("weight"), events.flat("weight")
    )


def test_another_input_changes_what_it_counts_for(plan: Path, tmp_path: Path) -> None:
    first = run(plan, out=tmp_path / "out")
    plan.write_text(PLAN.replace(', "testdata:offline/empty_events.root"', ""))
    again = run(plan, out=tmp_path / "out", existing="update")
    # the chunks of the other label are as they were
    assert (len(first.receipts), again.resumed, len(again.receipts)) == (3, 2, 3)


def test_from_python(data: Path) -> None:
    source = k3.open(data / NUE)
    made = stages.header(source.read(), n_gen=source.header.genvol.numberOfEvents)
    assert set(made.events.flat("n_gen").tolist()) == {100.0}
    with pytest.raises(ConfigError, match="the numbers of the header are not known"):
        stages.Header({"n_gen": "genvol.numberOfEvents"})(source.read())


BAD = {
    'n_gen = "genvol.number"': "the header has no 'genvol.number' (in TD/nue.root); there is: genvol.zmin,",
    'n_gen = "genvl.number"': "the header has no 'genvl' (in TD/nue.root); there is: genvol",
    'n_gen = "genvol"': "'genvol' of the header is no number",
    'n_gen = "physics.program"': "'physics.program' of the header is no number: 'GENIE'",
    '"n-gen" = "spectrum.alpha"': "columns: 'n-gen' is no name for a column (in PLAN, line 5)",
    'all = "spectrum.alpha" }\ntotal = ["n"]\n#': "total: no column 'n' (in PLAN, line 6); give a list",
}


@pytest.mark.parametrize("columns", BAD)
def test_bad_plans(tmp_path: Path, data: Path, columns: str) -> None:
    (tmp_path / "nue.root").symlink_to(data / NUE)
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f"[source]\nfiles = ['nue.root']\n[[stage]]\nuse = 'header'\ncolumns = {{ {columns} }}\n"
        "[[sink]]\nformat = 'parquet'\n"
    )
    with pytest.raises(Km3GpuError) as error:
        run(plan, out=tmp_path / "out")
    assert BAD[columns] in str(error.value).replace(str(plan), "PLAN").replace(str(tmp_path), "TD")
