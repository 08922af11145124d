"""The facade of km3io's offline reader, with km3io itself as the oracle."""

from __future__ import annotations

import itertools
import warnings

import awkward as ak
import km3io
import numpy as np
import pytest

from km3gpu.compat import km3io as ours

LARGE = "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"
FILES = (
    "offline/km3net_offline.root",
    "offline/numucc.root",
    "offline/usr-sample.root",
    "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root",
    "gseagen/DAT000001.gSeaGen.1.aa.root",
    "mupage/mcv8.1.mupage_tuned_100G.sirene.jterbr00013288.10.root",
    "offline/empty_events.root",
)
# km3io iterates with aliases of the names that branches have
pytestmark = pytest.mark.filterwarnings("ignore::uproot.exceptions.NameConflictWarning")

COLLECTIONS = ("hits", "mc_hits", "tracks", "mc_tracks")


@pytest.fixture(scope="module")
def readers(data):
    """Both readers of a file, by its name; kept, since km3io's is slow to make."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = ours.OfflineReader(data / name), km3io.OfflineReader(str(data / name))
        return made[name]

    return get


def same(mine, theirs):
    if isinstance(theirs, (ak.Array, np.ndarray)):
        mine, theirs = ak.Array(mine), ak.Array(theirs)
        return len(mine) == len(theirs) and (
            len(mine) == 0 or ak.array_equal(mine, theirs, equal_nan=True, dtype_exact=True)
        )
    return mine == theirs or (mine != mine and theirs != theirs)


@pytest.mark.parametrize("name", FILES)
def test_every_field(readers, name):
    mine, theirs = readers(name)
    assert len(mine) == len(theirs)
    missing = set(theirs.keys()) - set(mine.keys())
    # what km3io offers and cannot read, and what it offers though the file lacks it
    for key in missing:
        with pytest.raises(Exception):  # noqa: B017, PT011 - of uproot's many
            theirs[key]
    for key in sorted(set(mine.keys()) - {*COLLECTIONS, "trks", "mc_trks"}):
        assert same(mine[key], theirs[key]), key
        assert same(getattr(mine, key), theirs[key]), key
    for collection in COLLECTIONS:
        a, b = getattr(mine, collection), getattr(theirs, collection)
        assert set(a.fields) == set(b.fields)
        for field in a.fields:
            assert same(getattr(a, field), getattr(b, field)), (collection, field)


CHAINS = [
    (0,),
    (-1,),
    (5,),
    (slice(2, 6),),
    (slice(None, None, 2),),
    (slice(2, 8), 3),
    ([0, 3, 5],),
    (np.array([1, 4]),),
    (np.array([True, False] * 5),),
    (slice(1, 9), slice(2, 4)),
    (np.int64(3),),
]


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_indices_and_slices(readers, chain):
    mine, theirs = readers("offline/km3net_offline.root")
    for index in chain:
        mine, theirs = mine[index], theirs[index]
    assert len(mine) == len(theirs)
    assert same(mine.id, theirs.id)
    assert same(mine.w, theirs.w)
    if not (isinstance(chain[0], int) and chain[0] < 0):  # km3io reads no hits of the last event by -1
        assert same(mine.hits.dom_id, theirs.hits.dom_id)
        assert same(mine.tracks.fitinf, theirs.tracks.fitinf)
        assert len(mine.tracks) == len(theirs.tracks)
    assert mine.tracks.ndim == theirs.tracks.ndim


def test_the_last_event(readers):
    mine, theirs = readers("offline/km3net_offline.root")
    assert same(mine[-1].hits.dom_id, theirs.hits.dom_id[-1])
    assert same(mine.hits[-1].dom_id, theirs.hits.dom_id[-1])


def test_indices_of_collections(readers):
    mine, theirs = readers("offline/km3net_offline.root")
    for chain in ((0,), (slice(0, 4),), (slice(0, 4), 2), (3, slice(0, 5)), (slice(None), 0)):
        a, b = mine.hits, theirs.hits
        for index in chain:
            a, b = a[index], b[index]
        assert same(a.tot, b.tot), chain
        assert len(a) == len(b)
        assert a.ndim == b.ndim
    m = mine.tracks.rec_type == 4000
    assert same(mine.tracks[m].lik, theirs.tracks[m].lik)
    assert same(mine.tracks[:, 0].dir_z, theirs.tracks[:, 0].dir_z)
    assert same(mine[mine.id > 4].tracks.E, theirs[theirs.id > 4].tracks.E)


def test_indices_out_of_range(readers):
    mine, _ = readers("offline/km3net_offline.root")
    with pytest.raises(IndexError):
        mine[99].hits.tot  # noqa: B018
    with pytest.raises(IndexError):
        mine.hits[0][9999].tot  # noqa: B018
    with pytest.raises(AttributeError, match="No field named nothing"):
        mine.hits.nothing  # noqa: B018
    with pytest.raises(AttributeError):
        mine.nothing  # noqa: B018
    with pytest.raises(KeyError):
        mine["nothing"]


@pytest.mark.parametrize("name", ["offline/km3net_offline.root", "offline/numucc.root"])
def test_iteration(readers, name):
    mine, theirs = readers(name)
    n = 0
    for a, b in zip(mine, theirs, strict=True):
        shared = set(a._fields) & set(b._fields)
        assert {"id", "n_hits", "tracks", "w"} <= shared
        assert (a.id, a.n_hits, a.n_tracks) == (b.id, b.n_hits, b.n_tracks)
        assert same(a.w, b.w)
        assert same(a.hits.dom_id, b.hits.dom_id)
        assert same(a.tracks.rec_stages, b.tracks.rec_stages)
        n += 1
    assert n == len(theirs)
    part = [e.id for e in mine[3:7]]
    assert part == [e.id for e in theirs[3:7]] == list(mine.id[3:7])
    assert [e.id for e in itertools.islice(mine.events, 2)] == list(mine.id[:2])
    assert next(iter(mine)).id == mine.id[0]


def test_iteration_in_small_steps(data):
    reader = ours.OfflineReader(data / LARGE, step_size=100)
    ids = [(e.id, e.n_mc_hits, len(e.mc_hits.t)) for e in reader]
    assert [i for i, _, _ in ids] == reader.id.to_list()
    assert all(n == m for _, n, m in ids)


@pytest.mark.parametrize("name", FILES)
def test_the_header(readers, name):
    mine, theirs = readers(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b = mine.header, theirs.header
    if b is None:
        assert name in ("offline/km3net_offline.root", "offline/usr-sample.root")
        assert a is None or a.DAQ.livetime == 21584.6  # km3io does not know this name of the object
        return
    assert set(a.keys()) == set(b.keys())
    for key in b.keys():  # noqa: SIM118 - km3io's header is no mapping
        if not isinstance(b[key], tuple):
            assert a[key] == b[key]
            continue
        # km3io adds surplus fields to its own table, so that later headers have them, too
        n = len(a[key])
        assert tuple(a[key]) == tuple(b[key])[:n]
        assert a[key]._fields == b[key]._fields[:n]
        assert set(b[key][n:]) <= {None}
    assert str(a).splitlines()[0] == "MC Header:"


def test_a_file_without_header_warns(data):
    with pytest.warns(UserWarning, match="unsupported format"):
        assert ours.OfflineReader(data / "offline/usr-sample.root").header is None


def test_uuid_context_and_words(readers, data):
    mine, theirs = readers("offline/km3net_offline.root")
    assert mine.uuid == theirs.uuid
    assert str(mine.uuid) == "b192d888-fcc7-11e9-b430-6cf09e86beef"
    assert repr(mine) == repr(theirs).replace("km3io.offline.", "")
    assert repr(mine[2:4]) == repr(theirs[2:4])
    assert repr(mine.hits).startswith("<Branch [10]")
    with ours.OfflineReader(data / "offline/km3net_offline.root") as reader:
        assert len(reader.events) == 10
    assert {"id", "header", "tracks"} <= set(dir(mine))


def test_records(readers):
    mine, _ = readers("offline/km3net_offline.root")
    records = mine.hits.arrays(["t", "tot"])
    assert records.fields == ["t", "tot"]
    assert same(records.tot, mine.hits.tot)


SCRIPT = """
r = km3io.OfflineReader(path)
muons = km3io.tools.best_jmuon(r.tracks)
out = {
    "n": len(r.events),
    "lik": muons.lik.to_list(),
    "zenith": km3io.tools.zenith(np.array([muons.dir_x, muons.dir_y, muons.dir_z]).T).tolist(),
    "energy": [float(e) for e in km3io.tools.fitinf(km3io.definitions.fitparameters.JGANDALF_CHI2, muons)],
    "n_hits": [e.n_hits for e in r],
    "triggered": km3io.tools.is_3dmuon(r.events.trigger_mask).tolist(),
}
"""


def test_a_script_of_km3io_runs_with_another_import(data):
    found = []
    for module in (ours, km3io):
        space = {"km3io": module, "np": np, "path": str(data / LARGE)}
        exec(SCRIPT, space)
        found.append(space["out"])
    mine, theirs = found
    assert mine["n"] == theirs["n"] == 307
    for key in ("lik", "zenith", "energy"):
        assert np.allclose(mine[key], theirs[key], rtol=1e-13, equal_nan=True), key
    assert mine["n_hits"] == theirs["n_hits"]
    assert mine["triggered"] == theirs["triggered"]
