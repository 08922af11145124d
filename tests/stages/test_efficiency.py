"""Quantum efficiencies of PMTs: light counted by real PMTs is proportional to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu import stages
from km3gpu.errors import CalibrationError, ConfigError, FormatError
from km3gpu.pipeline import run
from km3gpu.stages.quality import Quality

PMTS = "calib/PMTeff.txt"  # of detector 133; 300 of its modules are in detector 267 too
COLUMNS = {"hits": ("dom_id", "channel_id", "tot"), "events": ("run_id",)}


@pytest.fixture(scope="module")
def light(data: Path) -> k3.Chunk:
    """Coincidences of the sea's own light, K40 most of all."""
    return k3.open(data / "online/KM3NeT_00000267_00025291_L1.root").read(COLUMNS)


def test_counted_light_is_proportional_to_the_efficiency(light: k3.Chunk, data: Path) -> None:
    made = stages.efficiency(light, str(data / PMTS))
    file = k3.detector.PmtFile.open(data / PMTS)
    here = np.isin(light.hits.flat("dom_id"), file.dom_id)
    hits = made.hits
    key = hits.flat("dom_id").astype(np.int64) * 32 + hits.flat("channel_id")
    pmt = file.dom_id.astype(np.int64) * 32 + file.channel_id
    some = np.isin(file.dom_id, hits.flat("dom_id")) & (file.qe > 0)
    counts = np.array([0.0] * len(pmt))
    place = {int(k): i for i, k in enumerate(pmt.tolist())}
    unique, n = np.unique(key[here], return_counts=True)
    for k, m in zip(unique.tolist(), n.tolist(), strict=True):
        counts[place[k]] = m
    # fifths of the PMTs by efficiency: 0.78 to 1.08
    order = np.argsort(file.qe[some], kind="stable")
    fifths = np.array_split(order, 5)
    raw = np.array([counts[some][f].mean() for f in fifths])
    per_qe = np.array([(counts[some] / file.qe[some])[f].mean() for f in fifths])
    assert raw.max() / raw.min() > 1.35
    assert per_qe.max() / per_qe.min() < 1.10
    # and each hit has that of its PMT
    slow = [file.qe[place[k]] if k in place else 1.0 for k in key[:2000].tolist()]
    assert hits.flat("qe")[:2000].tolist() == slow
    # what the file calls off counts next to nothing
    dark = hits.flat("qe") == 0
    assert np.array_equal(hits.flat("quality") == Quality.PMT_STATUS, dark)
    off = np.isin(file.dom_id, hits.flat("dom_id")) & (file.qe == 0)
    assert (counts[off] == 0).mean() > 400 * (counts[some] == 0).mean() > 0.0
    assert made.counters["efficiency/off"] == dark.sum() == 1817
    assert made.counters["efficiency/without_line"] == (~here).sum()


def test_policies(light: k3.Chunk, data: Path, tmp_path: Path) -> None:
    path = str(data / PMTS)
    dropped = stages.efficiency(light, path, off="drop")
    assert len(dropped.hits) == len(light.hits) - 1817
    assert "quality" not in dropped.hits
    with pytest.raises(CalibrationError, match="1817 of 503333 hits are of PMTs that are off"):
        stages.efficiency(light, path, off="error")
    with pytest.raises(
        CalibrationError, match=r"164939 of 503333 hits .* without a line, the first of module 8"
    ):
        stages.efficiency(light, path, missing="error")
    with pytest.raises(ConfigError, match="missing = 'no'"):
        stages.efficiency(light, path, missing="no")
    (tmp_path / "two.txt").write_text(
        "QE=0.5\n%.QE=0.8\nPMT= 7 1 0.5 1 1 7 -1 0.2\nPMT= 7 1 0.5 1 1 7 -1 0.2\n"
    )
    with pytest.raises(FormatError, match="module 7, channel 1 is there twice"):
        stages.efficiency(light, str(tmp_path / "two.txt"))
    (tmp_path / "one.txt").write_text("QE=0.5\n%.QE=0.8\nPMT= 7 1 0.5 1 1 7 -1 0.2\n")
    assert set(stages.efficiency(light, str(tmp_path / "one.txt")).hits.flat("qe").tolist()) == {0.4}


def test_by_a_table_of_runs(tmp_path: Path, data: Path) -> None:
    (tmp_path / "other.txt").write_text("QE=1\n%.QE=0.5\nPMT= 7 1 0.5 1 1 7 -1 0.2\n")
    (tmp_path / "table.csv").write_text(
        f"first_run,last_run,pmts\n13000,13339,testdata:{PMTS}\n13340,,other.txt\n"
    )
    (tmp_path / "plan.toml").write_text(
        "[source]\nfiles = ['testdata:online/KM3NeT_00000133_JDAQEvent.root',"
        " 'testdata:online/muon_cc_daqevents.root']\nchunk = 100\n"
        "[[stage]]\nuse = 'efficiency'\npmts = 'table.csv'\n"
        "[[stage]]\nuse = 'map'\ncolumns = { mean_qe = 'mean(hits.qe)' }\n[[sink]]\nformat = 'parquet'\n"
    )
    result = run(tmp_path / "plan.toml", out=tmp_path / "out")
    from km3gpu.io.parquet import ParquetSink

    events = ParquetSink().read(result.outputs[0])["events"]
    mean, number = events.flat("mean_qe"), events.flat("run_id")
    assert set(mean[number == 13340].tolist()) == {0.5}
    assert 0.8 < mean[number == 13339].min() < mean[number == 13339].max() < 1.1
    assert str(data / PMTS) in [i.path for i in result.plan.inputs]
