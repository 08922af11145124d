"""The facade of km3io's tools and definitions, with km3io itself as the oracle."""

from __future__ import annotations

import awkward as ak
import km3io
import km3io.definitions
import km3io.tools as theirs
import numpy as np
import pytest

from km3gpu.compat import km3io as facade
from km3gpu.compat.km3io import definitions
from km3gpu.compat.km3io import tools as mine

OFFLINE = "offline/km3net_offline.root"
LARGE = "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"
STAGES = ak.Array([[[1, 2, 3], [], [1, 3]], [], [[1], [5, 4, 3, 2, 1], [1, 2, 3]]])


# km3io iterates with aliases of the names that branches have
pytestmark = pytest.mark.filterwarnings("ignore::uproot.exceptions.NameConflictWarning")


@pytest.fixture(scope="module")
def readers(data):
    return {n: (facade.OfflineReader(data / n), km3io.OfflineReader(str(data / n))) for n in (OFFLINE, LARGE)}


@pytest.mark.parametrize(
    "name",
    [
        "daqdatatypes",
        "trigger",
        "fitparameters",
        "reconstruction",
        "root",
        "w2list_genhen",
        "w2list_gseagen",
        "w2list_km3buu",
        "w2list_km3neut",
        "trkmembers",
        "applications",
        "pmt_status",
        "weightlist",
        "module_status",
        "mc_header",
    ],
)
def test_definitions(name):
    wanted = dict(getattr(km3io.definitions, name))
    if name == "mc_header":
        # km3io's header reader adds surplus fields to its own table
        wanted = {k: [f for f in v if not f.startswith("field_")] for k, v in wanted.items()}
    assert dict(getattr(definitions, name)) == wanted
    inverse = getattr(km3io.definitions, f"{name}_idx", None)
    if inverse is not None:
        found = getattr(definitions, f"{name}_idx")
        assert set(found) == set(inverse)
        assert all(wanted[found[v]] == v for v in found)


def test_definitions_are_attributes():
    assert definitions.fitparameters.JENERGY_ENERGY == 4
    with pytest.raises(AttributeError):
        definitions.trigger.NOTHING  # noqa: B018


@pytest.mark.parametrize(
    "condition",
    [
        {"sequence": [1, 2, 3]},
        {"sequence": [1]},
        {"sequence": []},
        {"startend": (1, 3)},
        {"startend": (5, 1)},
        {"minmax": (1, 3)},
        {"minmax": (0, 99)},
        {"atleast": [1, 3]},
        {"atleast": [5]},
        {"atleast": []},
    ],
    ids=str,
)
def test_mask(condition):
    assert mine.mask(STAGES, **condition).to_list() == theirs.mask(STAGES, **condition).to_list()
    assert mine.mask(STAGES[0], **condition).to_list() == theirs.mask(STAGES[0], **condition).to_list()


def test_mask_wants_one_condition():
    for function in (mine.mask, theirs.mask):
        with pytest.raises(ValueError, match="must be specified"):
            function(STAGES)


@pytest.mark.parametrize("name", [OFFLINE, LARGE])
@pytest.mark.parametrize("kind", ["jmuon", "jshower", "aashower", "dusjshower"])
def test_best_tracks(readers, name, kind):
    a, b = readers[name]
    has = [getattr(m, f"has_{kind}")(r.tracks) for m, r in ((mine, a), (theirs, b))]
    assert has[0].to_list() == has[1].to_list()
    best = [getattr(m, f"best_{kind}")(r.tracks) for m, r in ((mine, a), (theirs, b))]
    for field in ("lik", "E", "dir_z", "rec_stages"):
        assert getattr(best[0], field).to_list() == getattr(best[1], field).to_list()


def test_best_tracks_of_one_event_and_by_stages(readers):
    a, b = readers[OFFLINE]
    for kwargs in ({"startend": (1, 4)}, {"minmax": (1, 99)}, {"stages": [1, 3, 5, 4]}, {"stages": {1, 3}}):
        assert (
            mine.best_track(a.tracks, **kwargs).lik.to_list()
            == theirs.best_track(b.tracks, **kwargs).lik.to_list()
        )
    assert mine.best_jmuon(a[0].tracks).lik == theirs.best_jmuon(b[0].tracks).lik
    for event_a, event_b in zip(a[:3], b[:3], strict=True):
        assert mine.best_jmuon(event_a.tracks).lik == theirs.best_jmuon(event_b.tracks).lik
    for bad in ({}, {"startend": (1, 2), "minmax": (1, 2)}, {"stages": 5}):
        with pytest.raises(ValueError, match="must be"):
            mine.best_track(a.tracks, **bad)


def test_fit_information(readers):
    a, b = readers[OFFLINE]
    for parameter in (0, 2, 4):
        assert ak.array_equal(
            mine.fitinf(parameter, a.tracks), theirs.fitinf(parameter, b.tracks), equal_nan=True
        )
    # km3io raises an IndexError where some list is shorter
    assert ak.all(np.isnan(mine.fitinf(25, a.tracks)))
    best = mine.best_jmuon(a.tracks)
    assert mine.fitinf(0, best).to_list() == theirs.fitinf(0, theirs.best_jmuon(b.tracks)).to_list()


def test_user_values(data, readers):
    paths = "offline/usr-sample.root"
    a, b = facade.OfflineReader(data / paths), km3io.OfflineReader(str(data / paths))
    for field in ("RecoQuality", "RecoNDF", "CoC", "ChargeAbove", "NTrigHits"):
        assert mine.usr(a.events, field).to_list() == theirs.usr(b.events, field).to_list()
    a, b = readers[LARGE]
    assert mine.usr(a.mc_tracks[:, 0], "cc").to_list() == theirs.usr(b.mc_tracks[:, 0], "cc").to_list()


def test_multiplicities(readers):
    a, b = readers[OFFLINE]
    for stages in ([1, 3, 5, 4], [1], [9]):
        assert (
            mine.get_multiplicity(a.tracks, stages).to_list()
            == theirs.get_multiplicity(b.tracks, stages).to_list()
        )
    for axis in (0, 1, 2):
        ours, wanted = (m.count_nested(r.tracks.rec_stages, axis=axis) for m, r in ((mine, a), (theirs, b)))
        assert ak.to_list(ours) == ak.to_list(wanted)


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("offline/numucc.root", 10),
        (LARGE, 307),
        # km3io has an AttributeError for these: it takes the table of genhen
        ("gseagen/gseagen_v7.0.0_numuCC_diffuse.aa.root", 82),
        ("offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root", 140),
        ("offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root", 31),
        # and for files without a header
        ("offline/muon_cc_events.root", 1000),
    ],
)
def test_charged_current(data, name, n):
    found = mine.is_cc(facade.OfflineReader(data / name))
    assert (ak.sum(found), len(found)) == (n, n)


def test_w2list(data):
    name = "gseagen/gseagen_v7.0.0_numuCC_diffuse.aa.root"
    a, b = facade.OfflineReader(data / name), km3io.OfflineReader(str(data / name))
    args = ("gseagen", "W2LIST_GSEAGEN_BY")
    assert (
        mine.get_w2list_param(a.events, *args).to_list() == theirs.get_w2list_param(b.events, *args).to_list()
    )
    assert mine.get_w2list_param(a.events, "gseagen", "NOTHING") is None
    assert mine.get_w2list_idx(a) == definitions.w2list_gseagen_idx
    assert mine.get_w2list_idx(facade.OfflineReader(data / "offline/muon_cc_events.root")) is None


def test_trigger_bits(readers):
    a, _ = readers[OFFLINE]
    masks = ak.to_numpy(a.trigger_mask)
    for name in ("is_3dshower", "is_mxshower", "is_3dmuon", "is_nanobeacon"):
        assert getattr(mine, name)(masks).tolist() == getattr(theirs, name)(masks).tolist()
    assert bool(mine.is_bit_set(4, 2)) is bool(theirs.is_bit_set(4, 2)) is True


def test_distinct_values():
    array = np.array([3, 3, 1, 2, 1, 9, 3])
    assert mine.unique(array).tolist() == theirs.unique(array).tolist()
    lists = ak.Array([[1, 1, 2], [], [5], [4, 3, 4]])
    assert mine.uniquecount(lists).tolist() == theirs.uniquecount(lists).tolist()


def test_numbers_and_indices():
    for value in ("1", "1.5", "a", None, 3, "1e5"):
        assert mine.to_num(value) == theirs.to_num(value)
    nested = [[1, 2], [3, [4, 5]]]
    assert mine.unfold_indices(nested, [1, 1, 0]) == 4
    with pytest.raises(IndexError, match="depth 1"):
        mine.unfold_indices(nested, [1, 7])


def test_directions():
    rng = np.random.default_rng(0)
    v, w = rng.normal(size=(2, 20, 3))
    u = v / np.linalg.norm(v, axis=1, keepdims=True)
    for name in ("theta", "phi", "zenith", "azimuth", "magnitude", "unit_vector"):
        assert getattr(mine, name)(u) == pytest.approx(getattr(theirs, name)(u), abs=1e-14), name
        one = np.ravel(getattr(mine, name)(u[0]))
        assert one == pytest.approx(np.ravel(getattr(theirs, name)(u[0])), abs=1e-14), name
    assert mine.angle(v, w) == pytest.approx(theirs.angle(v, w), abs=1e-14)
    assert mine.angle(v[0], w[0]) == pytest.approx(theirs.angle(v[0], w[0]), abs=1e-14)
    assert mine.angle_between(v, w, axis=1) == pytest.approx(theirs.angle_between(v, w, axis=1), abs=1e-14)
    with pytest.raises(ValueError, match="axis"):
        mine.angle_between(v, w, axis=2)


def test_time_conversion(data):
    a, b = (m.OfflineReader(str(data / LARGE)) for m in (facade, km3io))
    for i in (0, 100):
        ours, wanted = mine.TimeConverter(a[i]), theirs.TimeConverter(b[i])
        assert ours.get_DAQ_time(5.0) == wanted.get_DAQ_time(5.0)
        assert (
            ours.get_MC_time(np.array([5.0, 6.0])).tolist()
            == wanted.get_MC_time(np.array([5.0, 6.0])).tolist()
        )
    assert mine.TimeConverter(a[0]).get_time_of_frame(0) == 0


def test_raw_acoustics(data, tmp_path):
    path = str(data / "acoustics/DOM_808956920_CH1_1608751683.bin")
    a, b = facade.RawAcousticReader(path), km3io.RawAcousticReader(path)
    assert a.id == b.id == "808956920"
    assert np.array_equal(a.pcm, b.pcm)
    assert all(np.array_equal(x, y) for x, y in zip(a.timestamps, b.timestamps, strict=True))
    assert np.abs(a.timebase - b.timebase).max() < 3e-7  # the resolution of a float64 of seconds
    a.to_wav(tmp_path / "x.wav", gain_dB=10)
    raw = (tmp_path / "x.wav").read_bytes()
    assert raw[:4] == b"RIFF"
    assert int.from_bytes(raw[4:8], "little") == len(raw) - 8
    assert np.array_equal(np.frombuffer(raw[-4 * len(a.pcm) :], "<f4"), (a.pcm * 10.0).astype("<f4"))
