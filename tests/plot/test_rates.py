"""Pictures of rates show the numbers of their tables."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

import km3gpu as k3
from km3gpu import plot
from km3gpu.errors import FormatError
from km3gpu.stages import noise
from km3gpu.stages.rates import coincidence_rates, pmt_rates, tot_distributions
from km3gpu.trigger.background import Background


@pytest.fixture(scope="module")
def detector(data):
    return k3.Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")


@pytest.fixture(scope="module")
def slices(detector):
    return [noise(detector, Background(5000.0), modules=40)]


def texts(figure: Figure) -> str:
    words = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        words += [t.get_text() for t in axes.texts] + [
            axes.get_xlabel(),
            axes.get_ylabel(),
            axes.get_title("left"),
        ]
    return "\n".join(words)


def meshes(figure: Figure) -> list[np.ndarray]:
    found = [c.get_array() for a in figure.axes for c in a.collections if type(c).__name__ == "QuadMesh"]
    return [np.asarray(np.ma.filled(m, np.nan)) for m in found if m.size > 100 or m.shape[0] > 1]


def drawn(figure: Figure) -> None:
    figure.savefig(io.BytesIO(), format="png")


def test_rates_by_string_and_without(slices, detector):
    for given in (detector, None):
        rates = pmt_rates(slices, given)
        figure = plot.rate_map(rates, "a run")
        said = texts(figure)
        assert "a run" in said
        assert "40 modules" in said
        assert ("string" in said) == (given is not None)
        every = next(m for m in meshes(figure) if m.shape == (31, 40))
        np.testing.assert_allclose(every, rates.flat("rate").reshape(40, 31).T / 1e3)
        drawn(figure)


def test_silent_pmts_are_left_out(slices, detector):
    rates = pmt_rates(slices, detector)
    rate = rates.flat("rate").copy()
    rate[:31] = 0.0
    figure = plot.rate_map(rates.with_columns(rate=rate))
    assert "31 without" in texts(figure)
    every = next(m for m in meshes(figure) if m.shape == (31, 40))
    assert np.isnan(every[:, 0]).all()
    drawn(figure)
    drawn(plot.rate_map(rates.with_columns(rate=np.zeros(len(rates)))))


def test_coincidences(slices, detector):
    rates = coincidence_rates(slices, detector)
    figure = plot.coincidence_map(rates)
    assert f"{rates.flat('count').sum():,} coincidences" in texts(figure)
    left = figure.axes[0]
    mean = rates.flat("rate").reshape(-1, 8).mean(axis=0)
    points = next(line for line in left.lines if line.get_label() == "mean")
    np.testing.assert_allclose(points.get_ydata(), mean[mean > 0])
    drawn(figure)


def test_times_over_threshold(slices, detector):
    for given in (detector, None):
        found = tot_distributions(slices, given)
        figure = plot.tot_map(found)
        counts = found.flat("counts").sum(axis=0)
        assert f"{counts.sum():,} hits" in texts(figure)
        assert f"most at {counts.argmax()} ns" in texts(figure)
        drawn(figure)


def test_nothing_is_said_to_be_nothing(detector):
    with pytest.raises(FormatError, match="no module sent a frame"):
        plot.rate_map(pmt_rates([]))
    with pytest.raises(FormatError, match="no module sent a frame"):
        plot.coincidence_map(coincidence_rates([], detector))
    with pytest.raises(FormatError, match="no hits"):
        plot.tot_map(tot_distributions([]))
