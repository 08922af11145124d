"""Sky plots show what they are given."""

from __future__ import annotations

import io
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, QuadMesh

from km3gpu import astro, plot
from km3gpu.astro import healpix
from km3gpu.astro.sources import Source, bundled, source
from km3gpu.astro.visibility import Livetime, visibility
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.plot.sky import Horizon, Region, sky_map
from km3gpu.plot.sky_curves import shadow_map, visibility_curves

NOON = np.datetime64("2022-10-25T12:00:00")


def labels(figure):
    return [t.get_text() for legend in figure.legends for t in legend.get_texts()]


def drawn(figure):
    """Render it, so that what cannot be drawn fails here; give the size of the picture."""
    out = io.BytesIO()
    figure.savefig(out)
    return out.tell()


def test_names_of_the_room():
    assert plot.sky_map is sky_map
    assert plot.visibility_curves is visibility_curves
    assert set(plot.__all__) <= set(dir(plot))
    with pytest.raises(AttributeError, match="no attribute 'sky_mop'"):
        plot.sky_mop  # noqa: B018


def test_events_lie_where_they_are():
    ra, dec = np.array([0.5, 2 * np.pi - 0.5, np.nan]), np.array([0.2, -0.3, 0.1])
    figure = sky_map(ra, dec, title="Two events")
    (points,) = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    # longitude grows to the left
    np.testing.assert_allclose(points.get_offsets(), [[-0.5, 0.2], [0.5, -0.3]], atol=1e-12)
    assert "2 events" in labels(figure)
    assert drawn(figure) > 10_000


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_counts_lie_where_they_are(frame):
    nside = 8
    counts = np.zeros(12 * nside**2)
    lon, lat = healpix.centres(nside, 100)
    counts[100] = 7.0
    figure = sky_map(counts=counts, frame=frame)
    (mesh,) = [c for c in figure.axes[0].collections if isinstance(c, QuadMesh)]
    values = mesh.get_array().reshape(360, 720)
    row, column = np.nonzero(values == 7.0)
    x = -np.pi + (column + 0.5) * np.pi / 360
    y = -np.pi / 2 + (row + 0.5) * np.pi / 360
    assert len(row) > 50
    assert np.mean(y) == pytest.approx(float(lat), abs=0.05)
    assert np.mean(x) == pytest.approx(-float((lon + np.pi) % (2 * np.pi) - np.pi), abs=0.05)


def test_numbers_of_events_are_whole():
    counts = np.zeros(12 * 4**2, np.int64)
    counts[7] = 2
    ticks = sky_map(counts=counts).axes[1].get_xticks()
    np.testing.assert_array_equal(ticks, [0, 1, 2])


def test_a_map_in_other_axes_is_turned():
    nside = 32
    ra, dec = healpix.centres(nside)
    _, b = astro.turned((ra, dec), "galactic")
    figure = sky_map(counts=np.abs(b), counts_frame="icrs", frame="galactic")
    (mesh,) = [c for c in figure.axes[0].collections if isinstance(c, QuadMesh)]
    values = mesh.get_array().reshape(360, 720)
    latitude = np.abs(-np.pi / 2 + (np.arange(360) + 0.5) * np.pi / 360)
    assert np.abs(values - latitude[:, None]).max() < 0.05


def test_everything_at_once():
    every = bundled()
    figure = sky_map(
        frame="galactic",
        sources=[every["Crab"], every["Sgr A*"]],
        regions=[Region(1.0, 1.4, 0.3, "90 %")],
        horizon=Horizon(NOON, "arca"),
    )
    said = labels(figure)
    assert {"sources", "90 %", "celestial equator", "above the horizon of ARCA, 2022-10-25T12:00 UTC"} <= set(
        said
    )
    names = {t.get_text() for t in figure.axes[0].texts}
    assert {"Crab", "Sgr A*"} <= names
    assert drawn(figure) > 10_000


def test_bad_maps():
    with pytest.raises(FormatError, match=r"a map of shape \(13,\) is no HEALPix map"):
        sky_map(counts=np.ones(13))
    with pytest.raises(UnknownNameError, match="no frame 'fk5'"):
        sky_map(frame="fk5")
    with pytest.raises(UnknownNameError, match="no site 'atlantis'"):
        sky_map(horizon=Horizon(NOON, "atlantis"))


def test_names_keep_clear_of_each_other():
    figure = sky_map(sources=list(bundled()))
    drawn(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.axes[0].texts]
    assert len(boxes) == len(bundled())
    crossed = [(i, k) for i, a in enumerate(boxes) for k, b in enumerate(boxes[:i]) if a.overlaps(b)]
    assert crossed == []


def test_visibility_curves():
    crab = source("Crab")
    figure = visibility_curves([crab], "orca", NOON)
    day, by = figure.axes
    curve = next(line for line in day.lines if line.get_label() == "Crab")
    hours, zenith = curve.get_data()
    ns = NOON.astype("M8[ns]").astype(np.int64) + (np.asarray(hours) * 3.6e12).astype(np.int64)
    dz = astro.icrs_to_local(ns, crab.ra, crab.dec, "orca")[2]
    np.testing.assert_allclose(zenith, np.degrees(np.pi - np.arccos(dz)), atol=1e-6)
    dot = by.lines[-1].get_data()
    np.testing.assert_allclose(np.ravel(dot), [np.degrees(crab.dec), visibility(crab.dec, "orca")])
    runs = Livetime.of_runs(10**18, 10**18 + 10**14)
    weighed = visibility_curves([crab], "orca", NOON, livetime=runs)
    said = [t.get_text() for t in weighed.axes[1].get_legend().get_texts()]
    assert said == ["a sidereal day", "1.157 days of livetime"]
    assert drawn(weighed) > 10_000
    with pytest.raises(ConfigError, match="8 curves are too many"):
        visibility_curves([Source(str(i), 0.0, 0.0) for i in range(8)], "orca", NOON)


def test_shadow():
    rng = np.random.default_rng(0)
    r, a = np.radians(5 * np.sqrt(rng.uniform(size=5000))), rng.uniform(0, 2 * np.pi, 5000)
    figure = shadow_map(r * np.cos(a), r * np.sin(a), radius=np.radians(5))
    plane = figure.axes[0]
    (mesh,) = [c for c in plane.collections if isinstance(c, QuadMesh)]
    assert mesh.get_array().sum() == 5000
    ring = figure.axes[2].lines[0].get_ydata()
    assert np.median(ring) == pytest.approx(5000 / (np.pi * 25), rel=0.1)
    assert "5,000 events around the Sun" in figure.texts[0].get_text()
    assert drawn(figure) > 10_000
    with pytest.raises(ConfigError, match="no event near the moon"):
        shadow_map([], [], "moon")


def test_the_example_of_the_sky(tmp_path, monkeypatch, capsys, data):
    script = Path(__file__).parents[2] / "examples" / "sky_map.py"
    monkeypatch.setattr(sys, "argv", [str(script), "-o", str(tmp_path / "sky.png")])
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 13
    assert "NGC 1068" in said[1]
    assert (tmp_path / "sky.png").stat().st_size > 10_000
