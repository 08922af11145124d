"""Cleaning and selection of hits: what the rules say, and what they do to simulated events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.chunk import Origin
from km3gpu.detector import cherenkov
from km3gpu.errors import CalibrationError, ConfigError, FormatError
from km3gpu.stages import Causality, Clean, Isolated, LightSelect, make, needed, score_truth, truth
from km3gpu.stages.light_select import SOURCE
from km3gpu.stages.score_truth import truth_ratios
from km3gpu.table import Table

MUON = "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root"
ELEC = "offline/mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca.909.evtsample.root"
MUON_DETX = "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
ELEC_DETX = "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx"


def labelled(data: Path, name: str, detector: str) -> k3.Chunk:
    file = k3.open(data / name).read()
    return truth(k3.calibrate(file, str(data / detector), force=True, unknown="mark"))


@pytest.fixture(scope="module")
def muons(data: Path) -> k3.Chunk:
    return k3.best_track(labelled(data, MUON, MUON_DETX))


@pytest.fixture(scope="module")
def electrons(data: Path) -> k3.Chunk:
    return labelled(data, ELEC, ELEC_DETX)


@pytest.fixture(scope="module")
def arca(data: Path, daq: k3.Chunk, daq_detector: k3.Detector) -> k3.Chunk:
    simulation = k3.open(data / "offline/muon_cc_events.root").read(["events", "mc_hits"])
    return truth(k3.calibrate(daq, daq_detector), simulation=simulation)


def kept(chunk: k3.Chunk, selected: np.ndarray) -> tuple[float, float]:
    """Give the shares of light and of noise that are kept, of events that are labelled."""
    of = np.repeat(np.isfinite(chunk.events.flat("mc_offset")), chunk.hits.counts)
    signal = chunk.hits.flat("signal")
    return (selected & of & signal).sum() / (of & signal).sum(), (selected & of & ~signal).sum() / (
        of & ~signal
    ).sum()


# -- what it does to simulated events ---------------------------------------------
@pytest.mark.parametrize(
    ("fixture", "radius", "light", "noise"),
    [("muons", 30.0, 0.94, 0.142), ("arca", 100.0, 0.979, 0.048), ("electrons", 30.0, 0.831, 0.012)],
)
def test_cleaning_keeps_the_light_and_drops_the_noise(
    request: pytest.FixtureRequest, fixture: str, radius: float, light: float, noise: float
) -> None:
    chunk = k3.coincidences(request.getfixturevalue(fixture))
    seeds = chunk.hits.flat("cluster_id") >= 0
    made = k3.clean(chunk, radius, mode="mark").hits.flat("clean")
    got = kept(chunk, made)
    assert got == pytest.approx((light, noise), abs=0.002)
    assert got[0] > kept(chunk, seeds)[0] + 0.1
    scored = score_truth(k3.isolated(k3.clean(chunk, radius, mode="mark"), radius, mode="mark"))
    ratios = truth_ratios(scored.counters, "clean")
    assert ratios["efficiency"] == pytest.approx(got[0], abs=1e-6)
    assert ratios["purity"] > truth_ratios(scored.counters, "all")["purity"]
    assert truth_ratios(scored.counters, "isolated")["efficiency"] < 0.03
    # growing from fewer seeds, or with more asked of a hit, keeps no more of anything
    for stricter in ({"core": 3}, {"min_neighbours": 3}, {"rounds": 1}):
        less = k3.clean(chunk, radius, mode="mark", **stricter).hits.flat("clean")
        assert not (less & ~made).any()


def test_isolated_hits_are_mostly_noise(muons: k3.Chunk, arca: k3.Chunk) -> None:
    for chunk, radius, want in ((muons, 30.0, (0.991, 0.704)), (arca, 100.0, (0.997, 0.636))):
        alone = k3.isolated(chunk, radius, mode="mark").hits.flat("isolated")
        assert kept(chunk, ~alone) == pytest.approx(want, abs=0.002)


def test_light_of_reconstructed_tracks(muons: k3.Chunk) -> None:
    narrow = k3.light_select(muons, residual_ns=(-20, 50), road_m=100.0, mode="mark")
    assert kept(muons, narrow.hits.flat("on_light")) == pytest.approx((0.854, 0.062), abs=0.002)
    wide = k3.light_select(muons, residual_ns=(-50, 200), road_m=200.0, mode="mark")
    assert kept(muons, wide.hits.flat("on_light")) == pytest.approx((0.962, 0.162), abs=0.002)
    track = k3.causality(muons, "track", mode="mark").hits.flat("causal")
    assert kept(muons, track) == pytest.approx((0.857, 0.079), abs=0.002)
    vertex = k3.causality(muons, "vertex", mode="mark").hits.flat("causal")
    assert kept(muons, vertex) == pytest.approx((0.887, 0.446), abs=0.002)


def test_light_of_true_vertices(electrons: k3.Chunk) -> None:
    tracks = electrons.mc_tracks
    first = tracks.offsets[:-1]
    columns = {c: tracks.flat(c.removeprefix("track_"))[first] for c in SOURCE}
    columns["track_t"] = columns["track_t"] + electrons.events.flat("mc_offset")
    chunk = electrons.evolve("truth", {"events": electrons.events.with_columns(**columns)})
    made = k3.light_select(chunk, "shower", residual_ns=(-20, 50), mode="mark")
    assert kept(chunk, made.hits.flat("on_light")) == pytest.approx((0.879, 0.025), abs=0.002)


# -- the rules ---------------------------------------------------------------------
def test_residuals_are_those_of_the_detector_room(muons: k3.Chunk) -> None:
    made = k3.light_select(muons).hits
    of = np.repeat(np.arange(140), made.counts)
    t, x, y, z, dx, dy, dz = (muons.events.flat(c)[of] for c in SOURCE)
    pmts = np.stack([made.flat(f"pos_{c}") for c in "xyz"], axis=1)
    light = cherenkov.from_track(np.stack((x, y, z), 1), np.stack((dx, dy, dz), 1), t, pmts)
    np.testing.assert_allclose(made.flat("residual"), light.residual(made.flat("t")), rtol=0, atol=1e-6)
    np.testing.assert_allclose(made.flat("distance"), light.d_closest, rtol=0, atol=1e-8)
    assert "on_light" not in made
    assert len(made) == len(muons.hits)


def test_causality_is_that_of_light(muons: k3.Chunk) -> None:
    chunk = k3.causality(muons, "vertex", 30.0, mode="mark", n_phase=1.34, n_group=1.38)
    hits = chunk.hits
    of = np.repeat(np.arange(140), hits.counts)
    t, x, y, z, *_ = (muons.events.flat(c)[of] for c in SOURCE)
    d = np.sqrt((hits.flat("pos_x") - x) ** 2 + (hits.flat("pos_y") - y) ** 2 + (hits.flat("pos_z") - z) ** 2)
    want = np.abs(hits.flat("t") - t) <= d * 1.38 / 0.299792458 + 30.0
    assert np.array_equal(hits.flat("causal"), want)
    assert 0 < want.sum() < len(want)


def test_modes(muons: k3.Chunk) -> None:
    marked = k3.causality(muons, "track", mode="mark")
    chosen = marked.hits.flat("causal")
    only, others = k3.causality(muons, "track"), k3.causality(muons, "track", mode="drop")
    assert np.array_equal(only.hits.flat("tdc"), muons.hits.flat("tdc")[chosen])
    assert np.array_equal(others.hits.flat("tdc"), muons.hits.flat("tdc")[~chosen])
    assert only.hits.n_events == others.hits.n_events == 140
    assert only.counters["causality/causal"] == len(only.hits) == chosen.sum()
    assert only.counters["causality/hits"] == len(muons.hits)


def few(t: list[float], x: list[float], module: list[int] | None = None, **more: Any) -> k3.Chunk:
    """One event with hits on a line, and an event without hits."""
    n = len(t)
    columns = {
        "t": np.array(t), "pos_x": np.array(x), "pos_y": np.zeros(n), "pos_z": np.zeros(n),
        "dom_id": np.array(module or range(n), np.int32), "channel_id": np.zeros(n, np.uint8),
        **{k: np.array(v) for k, v in more.items()},
    }  # fmt: skip
    source = {c: np.array([v, np.nan]) for c, v in zip(SOURCE, (0, 0, 0, 0, 1, 0, 0), strict=True)}
    tables = {
        "hits": Table("hits", columns, np.array([0, n, n])),
        "events": Table("events", {k: v.astype(float) for k, v in source.items()}),
    }
    return k3.Chunk(Origin("made.root", "offline", "E", 0, 2, digest="sha256:0"), tables)


def test_growth_round_by_round() -> None:
    # a row of hits 10 m and 50 ns apart, one far away; the first two are seeds
    x = [0.0, 10.0, 20.0, 30.0, 40.0, 900.0]
    chunk = few([0, 50, 100, 150, 200, 100], x, cluster_id=[0, 0, -1, -1, -1, -1])
    for rounds, n in ((1, 3), (2, 4), (0, 5)):
        made = k3.clean(chunk, 10.0, core=0, min_neighbours=1, rounds=rounds, mode="mark")
        assert made.hits.flat("clean").sum() == n
        assert made.counters["clean/max_rounds"] == n - 2
    # with two neighbours needed nothing grows; without the time of light nothing is near
    for options in ({"min_neighbours": 2}, {"min_neighbours": 1, "causal": False}):
        assert len(k3.clean(chunk, 10.0, core=0, **options).hits) == 2
    assert len(k3.clean(chunk, 10.0, 50.0, causal=False, core=0, min_neighbours=1, rounds=0).hits) == 5


def test_a_seed_alone_is_no_core() -> None:
    chunk = few([0, 5, 0, 5], [0, 0, 500, 505], [1, 1, 2, 3], cluster_id=[0, 0, 1, 1])
    made = k3.clean(chunk, 30.0, core=1, min_neighbours=1, mode="mark")
    assert made.hits.flat("clean").tolist() == [False, False, True, True]
    assert made.counters["clean/seeds"] == 4
    assert made.counters["clean/core"] == 2


def test_what_neighbours_are() -> None:
    chunk = few([0, 1, 2, 900], [0, 0, 1, 0], [7, 7, 8, 7])
    for apart, want in (("hits", [0, 0, 0, 1]), ("pmts", [0, 0, 0, 1]), ("modules", [0, 0, 0, 1])):
        assert k3.isolated(chunk, 5.0, apart=apart, mode="mark").hits.flat("isolated").tolist() == want
    alone = few([0, 1], [0, 0], [7, 7])
    for apart, n in (("hits", 2), ("pmts", 0), ("modules", 0)):
        assert len(k3.isolated(alone, 5.0, apart=apart).hits) == n
    two = few([0, 1], [0, 0], [7, 7], channel_id=np.array([1, 2], np.uint8))
    assert len(k3.isolated(two, 5.0, apart="pmts").hits) == 2


def test_seeds_of_all_kinds(daq: k3.Chunk, daq_detector: k3.Detector) -> None:
    some = {n: t.take_events(np.arange(5)) for n, t in daq.tables.items()}
    chunk = k3.calibrate(k3.Chunk(daq.source, some), daq_detector)
    stored = k3.clean(chunk, 100.0, seeds="triggered", core=0, mode="mark")
    assert stored.counters["clean/seeds"] == len(chunk.triggered_hits)
    found = k3.triggers(chunk, parameters="arca133")
    assert k3.clean(found, 100.0, seeds="found", core=0).counters["clean/seeds"] == (
        (found.hits.flat("trigger_mask") != 0).sum()
    )


# -- what is not right ---------------------------------------------------------------
def test_nan_and_nothing() -> None:
    nan = np.nan
    chunk = few([0, nan, 10, 20], [0, 0, nan, 1], cluster_id=[0, 0, 0, 0])
    made = k3.clean(chunk, 30.0, core=0, mode="mark")
    assert made.hits.flat("clean").tolist() == [True, False, False, True]
    assert made.counters["clean/seeds"] == 2
    alone = k3.isolated(chunk, 30.0, 20.0, mode="mark").hits.flat("isolated")
    assert alone.tolist() == [False, True, True, False]
    made = k3.light_select(chunk, residual_ns=(-1e9, 1e9), mode="mark")
    assert made.hits.flat("on_light").tolist() == [True, False, False, True]
    assert made.counters["light_select/events_without"] == 1
    for empty in (few([], [], [], cluster_id=[]), k3.Chunk(chunk.source, {
        n: t.take_events(np.arange(0)) for n, t in chunk.tables.items()
    })):  # fmt: skip
        for stage in (Clean(30.0), Isolated(30.0), Causality(), LightSelect(road_m=1.0)):
            assert len(stage(empty).hits) == 0


def test_events_without_a_track_keep_no_hit(muons: k3.Chunk) -> None:
    lost = {c: np.where(np.arange(140) % 2, np.nan, muons.events.flat(c)) for c in SOURCE}
    chunk = muons.evolve("lost", {"events": muons.events.with_columns(**lost)})
    made = k3.light_select(chunk, road_m=1e4)
    assert (made.hits.counts[1::2] == 0).all()
    assert (made.hits.counts[::2] == muons.hits.counts[::2]).all()
    assert made.counters["light_select/events_without"] == 70


def test_what_is_lacking_is_said(daq: k3.Chunk, muons: k3.Chunk) -> None:
    with pytest.raises(CalibrationError, match=r"hits have no t, pos_x.*calibrate them first"):
        k3.isolated(daq, 30.0)
    with pytest.raises(FormatError, match=r"cluster_id.*put the stage 'coincidences' before"):
        k3.clean(muons, 30.0)
    with pytest.raises(FormatError, match=r"trigger_mask.*put the stage 'triggers' before"):
        k3.clean(muons, 30.0, seeds="found")
    bare = k3.Chunk(muons.source, {**muons.tables, "events": muons.events.keep("det_id")})
    with pytest.raises(FormatError, match=r"events have no track_t.*put the stage 'best_track' before"):
        k3.causality(bare)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("clean", {}, "needs radius_m"),
        ("clean", {"radius_m": -1.0}, "radius_m = -1.0"),
        ("clean", {"radius_m": float("nan")}, "radius_m = nan"),
        ("clean", {"radius_m": 30.0, "seeds": "l1"}, "seeds = 'l1'"),
        ("clean", {"radius_m": 30.0, "core": -1}, "core = -1"),
        ("isolated", {"radius_m": 30.0, "min_neighbours": 0}, "min_neighbours = 0"),
        ("isolated", {"radius_m": 30.0, "apart": "doms"}, "apart = 'doms'"),
        ("isolated", {"radius_m": 30.0, "mode": "remove"}, "take 'keep', 'drop' or 'mark'"),
        ("causality", {"about": "muon"}, "about = 'muon'"),
        ("causality", {"margin_ns": -5.0}, "margin_ns = -5.0"),
        ("light_select", {"light": "vertex"}, "light = 'vertex'"),
        ("light_select", {"residual_ns": (5.0, 1.0)}, "two times that rise"),
        ("light_select", {"road_m": 0.0}, "road_m = 0.0"),
        ("light_select", {"n_group": 0.9}, "indices of refraction"),
    ],
)
def test_a_wrong_stage_says_what_is_right(name: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(name, **parameters)


def test_a_plan_of_all_of_them(data: Path, muons: k3.Chunk) -> None:
    chain = [
        make("calibrate", detector=str(data / MUON_DETX), force=True, unknown="mark"),
        make("best_track"),
        make("coincidences"),
        make("isolated", radius_m=30.0, mode="mark"),
        make("light_select", residual_ns=[-50.0, 200.0], road_m=200.0, mode="mark"),
        make("causality", about="track", mode="mark"),
        make("clean", radius_m=30.0),
    ]
    wanted = needed(chain, "offline")
    chunk = k3.open(data / MUON).read(list(wanted), wanted)
    for stage in chain:
        assert set(stage.writes("offline").get("hits", ())).isdisjoint(wanted["hits"])
        chunk = stage(chunk)
    whole = k3.clean(k3.coincidences(muons), 30.0)
    assert np.array_equal(chunk.hits.flat("t"), whole.hits.flat("t"))
    assert {"isolated", "on_light", "causal", "residual"} <= set(chunk.hits.columns)
