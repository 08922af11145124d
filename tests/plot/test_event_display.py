"""The event display shows what the chunk holds, and draws light where light would be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from km3gpu import plot
from km3gpu.chunk import Chunk, Origin
from km3gpu.detector import Detector
from km3gpu.errors import CalibrationError, UnknownNameError
from km3gpu.plot.event_hits import REFRACTIVE_INDEX, SPEED_OF_LIGHT, Track, strings_of, view_of
from km3gpu.table import Table

ORIGIN = Origin("some/run.root", "offline", "E", 100, 103, digest="sha256:0")


@pytest.fixture(scope="module")
def detector(data):
    return Detector.open(data / "detx" / "KM3NeT_-00000001_20171212.detx")


@pytest.fixture
def chunk(detector):
    """Three events of 40, 0 and 60 hits on real modules; every fourth hit is triggered."""
    rng = np.random.default_rng(1)
    n = 100
    module = rng.integers(0, detector.n_modules, n)
    pos = detector.modules.pos[module]
    hits = Table(
        "hits",
        {
            "dom_id": detector.modules.dom_id[module],
            "t": 1e8 + rng.uniform(0, 3000, n),
            "tot": rng.integers(1, 255, n).astype("u4"),
            "trig": (np.arange(n) % 4 == 0).astype("u8"),
            **{f"pos_{a}": pos[:, k].copy() for k, a in enumerate("xyz")},
        },
        np.array([0, 40, 40, 100]),
    )
    clusters = Table(
        "clusters",
        {
            "dom_id": np.array([1, 1, 2]),
            "t_first": 1e8 + np.array([1000.0, 1200.0, 1500.0]),
            **{f"pos_{a}": np.array([0.0, 0.0, 9.0]) for a in "xyz"},
        },
        np.array([0, 3, 3, 3]),
    )
    track = {"track_t": 1e8, "track_E": 2.5e3, "track_pos_x": 0.0, "track_pos_y": 0.0, "track_pos_z": 100.0}
    track |= {
        "track_dir_x": 0.6,
        "track_dir_y": 0.0,
        "track_dir_z": 0.8,
        "zenith": 2.5,
        "ra": 1.0,
        "dec": -0.5,
    }
    events = {name: np.array([value, np.nan, value]) for name, value in track.items()}
    events |= {"run_id": np.array([7, 7, 7]), "time_ns": np.array([0, 0, 1_600_000_000 * 10**9])}
    return Chunk(ORIGIN, {"events": Table("events", events), "hits": hits, "clusters": clusters})


def words(figure):
    return " | ".join(t.get_text() for t in figure.texts)


def points(axes, label):
    (found,) = [c for c in axes.collections if c.get_label().startswith(label)]
    return np.asarray(found.get_offsets())


def test_every_hit_of_the_window_is_drawn_where_it_is(chunk, detector):
    figure = plot.event_display(chunk, 2, detector)
    view = view_of(chunk, 2, detector)
    triggered = chunk.hits.flat("trig")[40:] != 0
    time_height, side, above = figure.axes[:3]
    for axes, columns in ((side, ("pos_x", "pos_z")), (above, ("pos_x", "pos_y"))):
        expected = np.column_stack([chunk.hits.flat(c)[40:][triggered] for c in columns])
        assert np.array_equal(points(axes, "triggered"), expected)
    drawn = points(time_height, "triggered")
    assert drawn[:, 0] == pytest.approx(chunk.hits.flat("t")[40:][triggered] - view.start, abs=1e-9)
    assert len(points(time_height, "snapshot")) == len(view.shown)


def test_units_are_on_every_axis(chunk, detector):
    for axes in plot.event_display(chunk, 0, detector).axes[:3]:
        assert axes.get_xlabel().endswith(("[m]", "[ns]"))
        assert axes.get_ylabel().endswith("[m]")


def test_words_say_what_it_is(chunk, detector):
    text = words(plot.event_display(chunk, -1, detector))
    assert "run 7" in text
    assert "2020-09-13 12:26:40 UTC" in text
    assert "15 of 60 hits triggered" in text
    assert "best track 2.5 TeV" in text
    assert "RA 57.30°" in text
    assert "Dec -28.65°" in text
    assert f"run.root, E, entry 102 · chunk {chunk.id} · km3gpu" in text


def test_an_event_without_a_date_says_none(chunk):
    assert "UTC" not in words(plot.event_display(chunk, 0))


def test_coincidences_are_rings_and_one_per_module_in_space(chunk):
    figure = plot.event_display(chunk, 0)
    assert len(points(figure.axes[0], "coincidence")) == 3
    assert len(points(figure.axes[1], "coincidence")) == 2


def test_the_track_goes_at_the_speed_of_light(chunk):
    axes = plot.event_display(chunk, 0).axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "best track"]
    t, z = line.get_data()
    assert np.ptp(z) / np.ptp(t) == pytest.approx(0.8 * 0.299792458)


def test_no_track_no_line(chunk):
    no_track = Chunk(ORIGIN, {n: t for n, t in chunk.tables.items() if n != "events"})
    assert not plot.event_display(no_track, 0).axes[0].lines
    assert not plot.event_display(chunk, 1).axes[0].lines  # NaN: the fit did not converge


@pytest.mark.parametrize("event", [1, -2])
def test_an_event_without_hits_is_drawn_empty(chunk, detector, event, tmp_path):
    figure = plot.event_display(chunk, event, detector)
    figure.savefig(tmp_path / "empty.png")
    assert "0 of 0 hits triggered" in words(figure)


def test_saved_picture_has_its_size(chunk, detector, tmp_path):
    plot.event_display(chunk, 0, detector).savefig(tmp_path / "event.png", dpi=50)
    header = (tmp_path / "event.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (580, 390)


def test_daq_files_keep_triggered_hits_apart(chunk):
    triggered = Table("triggered_hits", dict(chunk.hits.filter(np.arange(100) < 5).__getstate__()["columns"]))
    triggered.offsets = np.array([0, 2, 2, 5])
    daq = Chunk(ORIGIN, {"hits": chunk.hits, "triggered_hits": triggered})
    assert plot.brightest(daq) == 2
    assert len(points(plot.event_display(daq, 0).axes[0], "triggered")) == 2


def test_brightest_counts_triggered_hits(chunk):
    assert plot.brightest(chunk) == 2
    few = chunk.hits.with_columns(trig=(np.arange(100) < 40).astype("u8"))
    assert plot.brightest(Chunk(ORIGIN, {"hits": few})) == 0
    assert plot.brightest(Chunk(ORIGIN, {"hits": chunk.hits.take_events(np.zeros(0, dtype=int))})) == 0


def test_unknown_event(chunk):
    with pytest.raises(UnknownNameError, match=r"no event 3 .*there are 3, counted from 0"):
        plot.event_display(chunk, 3)


def test_hits_that_are_not_calibrated(chunk):
    raw = Chunk(ORIGIN, {"hits": chunk.hits.keep("dom_id", "tot", "trig")})
    with pytest.raises(CalibrationError, match=r"'hits' has no t, pos_x, .*calibrate the chunk first"):
        plot.event_display(raw, 0)


def test_positions_that_were_never_set(chunk):
    zero = chunk.hits.with_columns(**{f"pos_{a}": np.zeros(100) for a in "xyz"})
    with pytest.raises(CalibrationError, match="all positions of table 'hits' are zero"):
        plot.event_display(Chunk(ORIGIN, {"hits": zero}), 0)


def test_cherenkov_time_is_the_earliest_light():
    """Of all light emitted along the track, that at the Cherenkov angle comes first (Fermat)."""
    track = Track(50.0, np.array([1.0, 2.0, 3.0]), np.array([0.6, 0.0, 0.8]))
    rng = np.random.default_rng(3)
    for point in rng.uniform(-100, 100, (20, 3)):

        def arrival(way, point=point):
            emitted = track.pos + np.multiply.outer(way, track.dir)
            light = REFRACTIVE_INDEX * np.linalg.norm(point - emitted, axis=1)
            return track.t + (way + light) / SPEED_OF_LIGHT

        coarse = np.linspace(-1000, 1000, 20_001)
        near = coarse[np.argmin(arrival(coarse))]
        earliest = arrival(np.linspace(near - 0.2, near + 0.2, 20_001)).min()
        assert track.cherenkov_time(point[None])[0] == pytest.approx(earliest, abs=1e-6)


def test_strings_are_those_of_the_detector(detector):
    strings = strings_of(detector)
    optical = detector.modules.floor > 0
    assert len(strings.xy) == len(np.unique(detector.modules.du[optical])) == 115
    first = detector.modules.du == 1
    assert strings.bottom[0] == detector.modules.pos[first & optical][:, 2].min()
    assert strings.top[0] == detector.modules.pos[first & optical][:, 2].max()


def test_busiest_strings_come_first(detector):
    strings = strings_of(detector)
    m = detector.modules
    ids = [m.dom_id[(m.du == du) & (m.floor == 1)][0] for du in (5, 9, 9, 2, 9, 5)]
    assert strings.busiest(np.array(ids), 2).tolist() == [8, 4]
    assert strings.busiest(np.array([-1]), 3).tolist() == []
    assert dataclasses.replace(strings, dom_id=np.zeros(0, "i4")).busiest(np.array(ids), 3).tolist() == []


def test_a_figure_belongs_to_nobody(chunk):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    assert isinstance(plot.event_display(chunk, 0), Figure)
    assert plt.get_fignums() == before


def test_style_is_left_as_it_was(chunk):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plot.event_display(chunk, 0)
    assert dict(mpl.rcParams) == before
