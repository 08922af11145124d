"""Histograms of runs: as arrays, as a picture, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from km3gpu import plot, read_histograms
from km3gpu.cli.main import call
from km3gpu.errors import FormatError, InputNotFoundError, UnknownNameError
from km3gpu.io.histogram_values import Binned, open_histograms
from km3gpu.pipeline import run

PLAN = """
[source]
files = ["testdata:online/KM3NeT_00000133_JDAQEvent.root"]
columns = []
[[stage]]
use = "select"
hits = "tot > {tot}"
[[sink]]
format = "histogram"
[[sink.histogram]]
name = "tot"
table = "hits"
x = "tot"
bins = 20
range = [10, 60]
[[sink.histogram]]
name = "w"
x = "count(hits)"
y = "overlays"
bins = 5
range = [0, 2000]
y_edges = [0, 5, 100]
weight = "overlays / 3"
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = []
    for tot in (0, 25):
        folder = tmp_path_factory.mktemp(f"above{tot}")
        (folder / "plan.toml").write_text(PLAN.format(tot=tot))
        made.append(run(folder / "plan.toml", out=folder / "out").outputs[0])
    return made


def test_the_arrays_are_those_of_boost_histogram(files: list[Path]) -> None:
    for path in files:
        found, peer = open_histograms(path), read_histograms(path)
        assert found.keys() == peer.keys()
        for name, one in found.items():
            assert np.array_equal(one.values, peer[name].values())
            assert np.array_equal(one.variances, peer[name].variances())
            assert all(np.array_equal(a, b.edges) for a, b in zip(one.edges, peer[name].axes, strict=True))
            every: Any = peer[name].sum(flow=True)
            every = every.value if name == "w" else every
            assert one.outside == pytest.approx(float(every) - one.total)
        assert found["tot"].about["x"] == "tot"
        middle = np.repeat(peer["tot"].axes[0].centers, peer["tot"].values().astype(int))
        assert found["tot"].moments() == pytest.approx((middle.mean(), middle.std()))
    assert found["tot"].entries < open_histograms(files[0])["tot"].entries


def test_histograms_of_runs_are_laid_over_each_other(files: list[Path]) -> None:
    runs = {f"run {k}": open_histograms(f) for k, f in enumerate(files)}
    figure = plot.histogram_panels(runs, log=True)
    panels = [a for a in figure.axes if a.get_title(loc="left")]
    assert [a.get_title(loc="left") for a in panels] == ["tot", "w of run 0", "w of run 1"]
    first = panels[0]
    assert [t.get_text() for t in first.get_legend().get_texts()] == [
        f"{k}, {f['tot'].entries:,}" for k, f in runs.items()
    ]
    drawn: Any = [p.get_data().values for p in first.patches]
    assert all(np.array_equal(d, f["tot"].values) for d, f in zip(drawn, runs.values(), strict=True))
    area = plot.histogram_panels(runs, ["tot"], density=True).axes[0]
    for patch in area.patches:
        data: Any = patch.get_data()  # type: ignore[attr-defined]
        assert (data.values * np.diff(data.edges)).sum() == pytest.approx(1.0)
    other = Binned("tot", (np.array([0.0, 1.0]),), np.array([3.0]), np.array([3.0]), 0.0, 3, {})
    apart = plot.histogram_panels({**runs, "other": {"tot": other}}, ["tot"])
    assert len(apart.axes) == 2  # other bins have a panel of their own
    with pytest.raises(UnknownNameError, match=r"no histogram 'tott'; there is: tot"):
        plot.histogram_panels(runs, ["tott"])
    with pytest.raises(FormatError, match="there are no histograms"):
        plot.histogram_panels({})


def test_on_the_command_line(files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: object) -> str:
        assert call([str(a) for a in ("histogram", *arguments)]) == 0
        return capsys.readouterr().out

    lines = said(*files, "--plot", tmp_path / "a.png").splitlines()
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert len(lines) == 5
    assert lines[1].split()[:2] == [f"{files[0].parent.parent.name}/out/histograms", "tot"]
    one = open_histograms(files[0])["tot"]
    rows = said(files[0], "--name", "tot").splitlines()[2:]
    assert len(rows) == 20
    assert [float(r.split()[3].replace(",", "")) for r in rows] == pytest.approx(
        one.values.tolist(), rel=1e-5
    )
    assert max(r.count("#") for r in rows) == 40
    plain = json.loads(said(files[0], "--json"))["histograms"]
    assert plain["tot"]["values"] == one.values.tolist()


def test_what_is_no_histogram(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="no file"):
        open_histograms(tmp_path / "none.hist.json")
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(FormatError, match="no file of histograms"):
        open_histograms(tmp_path / "x.json")
    axis = {"type": "integer"}
    entry = {"uhi_schema": 1, "axes": [axis], "storage": {"type": "int", "values": [1]}}
    (tmp_path / "y.json").write_text(json.dumps({"a": entry}))
    with pytest.raises(FormatError, match="histogram 'a' has 1 axes, integer, of int"):
        open_histograms(tmp_path / "y.json")
