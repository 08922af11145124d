"""HDF5 files of km3pipe, against h5py and the ROOT files they were made of."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import awkward as ak
import h5py
import numpy as np
import pytest

import km3gpu
from km3gpu.errors import FormatError, TruncatedFileError, UnknownNameError
from km3gpu.io import hdf5_blosc
from km3gpu.io.hdf5_blosc import rows_of
from km3gpu.io.hdf5file import opened

FILES = {
    "hdf5/atmospheric_muons_sample.h5": 500,
    "hdf5/basic_analysis_sample.h5": 3484,
    "hdf5/geamon.h5": 2,
    "hdf5/mcv5.40.mupage_10G.sirene.jterbr00006060.962.root.h5": 10,
    "hdf5/mupage_ARCA.h5": 150,
    "hdf5/test_event_info.h5": 5,
    "online/events_sample.h5": 10,
}


@pytest.mark.parametrize("name", FILES)
def test_every_event_is_what_h5py_reads(data, name):
    source = km3gpu.open(data / name)
    assert (source.kind, source.n_events) == ("km3pipe", FILES[name])
    chunk = source.read(backend="cpu")
    assert len(chunk.events) == FILES[name]
    with h5py.File(data / name) as f:
        key = "group_id" if "group_id" in f["event_info"].dtype.names else "event_id"
        groups = f["event_info"][key]
        path = next(p for p in ("mc_tracks", "event_info") if p in f)
        rows = f[path][()]
        table = chunk.mc_tracks if path == "mc_tracks" else chunk.events
        if path == "mc_tracks":
            for e in {0, len(groups) // 2, len(groups) - 1}:
                wanted = rows[rows[key] == groups[e]]
                assert table.E[e].to_list() == wanted["energy"].tolist()
                assert table.dir_z[e].to_list() == wanted["dir_z"].tolist()
        for split in {"hits", "mc_hits"} & set(f):
            indices = f[f"{split}/_indices"][()]
            mine = chunk.tables[split]
            assert mine.counts.tolist() == indices["n_items"].tolist()
            assert np.array_equal(mine.flat("t"), f[f"{split}/time"][()])


def test_the_same_events_as_in_the_root_file(data):
    ours = km3gpu.open(data / "online/events_sample.h5").read(backend="cpu")
    theirs = km3gpu.open(data / "online/events_sample.root", tree="KM3NET_EVENT").read(backend="cpu")
    assert np.array_equal(ours.hits.offsets, theirs.hits.offsets)
    assert np.array_equal(ours.hits.flat("t"), theirs.hits.flat("tdc"))
    for column in ("dom_id", "channel_id", "tot"):
        assert np.array_equal(ours.hits.flat(column), theirs.hits.flat(column))
    for column in ("time_ns", "frame_index", "trigger_counter", "det_id", "run_id", "overlays"):
        assert np.array_equal(ours.events.flat(column), theirs.events.flat(column))
    assert ours.hits.flat("trig").dtype == np.uint64
    assert ours.hits.flat("dom_id").dtype == np.int32


@pytest.mark.parametrize("name", ["hdf5/mupage_ARCA.h5", "hdf5/basic_analysis_sample.h5"])
def test_any_range_is_that_part(data, name):
    source = km3gpu.open(data / name)
    whole = source.read(backend="cpu")
    n = source.n_events
    for start, stop in ((0, 1), (3, 40), (n - 2, n), (5, 5)):
        part = source.read(entries=(start, stop), backend="cpu")
        for table in whole.tables:
            mine, every = part.tables[table], whole.tables[table]
            column = every.columns[0]
            wanted = getattr(every, column)[start:stop]
            assert ak.array_equal(getattr(mine, column), wanted, equal_nan=True)
    assert sum(c.n_events for c in source.chunks(50, "events", backend="cpu")) == n


def test_the_header(data):
    header = km3gpu.open(data / "hdf5/mupage_ARCA.h5").header
    assert len(header) == 18
    assert header.can.zmax > header.can.zmin
    assert km3gpu.open(data / "hdf5/test_event_info.h5").header is None


def test_a_file_of_nothing_but_a_header(data):
    source = km3gpu.open(data / "hdf5/raw_header.h5")
    assert len(source.header) == 22


def test_rows_in_another_order_are_put_to_their_events(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as f:
        f.attrs["format_version"] = "5.1"
        f["group_info"] = np.array([(2, 0), (1, 0), (7, 0)], [("group_id", "i8"), ("blob_length", "i8")])
        f["event_info"] = np.array([(2, 20), (1, 10), (7, 70)], [("group_id", "i8"), ("run_id", "i8")])
        rows = [(7, 1.0), (1, 2.0), (2, 3.0), (1, 4.0), (9, 5.0)]
        f["mc_tracks"] = np.array(rows, [("group_id", "i8"), ("energy", "f8")])
        f["hits/_indices"] = np.array([(3, 1), (0, 0), (0, 3)], [("index", "i8"), ("n_items", "i8")])
        f["hits/time"] = np.arange(4.0)
        f["hits/group_id"] = np.array([7, 7, 7, 2])
    source = km3gpu.open(path)
    chunk = source.read(backend="cpu")
    assert chunk.events.flat("run_id").tolist() == [20, 10, 70]
    assert chunk.mc_tracks.E.to_list() == [[3.0], [2.0, 4.0], [1.0]]
    assert chunk.hits.t.to_list() == [[3.0], [], [0.0, 1.0, 2.0]]
    assert source.read("mc_tracks", entries=(1, 3), backend="cpu").mc_tracks.E.to_list() == [
        [2.0, 4.0],
        [1.0],
    ]


@pytest.fixture
def without_hdf5plugin(monkeypatch):
    """Read Blosc as where nobody has registered it with HDF5."""
    monkeypatch.setattr(hdf5_blosc.h5z, "filter_avail", lambda number: False)


# of all bytes of the tables, as HDF5 and hdf5plugin read them
BLOSC = {
    "hits": "3d45dbdefbb75de8",
    "mc_tracks": "1dc0bfce033c23b2",
    "reco/dusj": "6bc4a36180f5d0df",
    "reco/gandalf": "8e31d4723a297bc6",
    "reco/rlns": "294341261dbf40c9",
    "reco/thomas": "b2b6856024eb9205",
}


def test_blosc_of_format_4(data, without_hdf5plugin):
    """Format 4.1 with PyTables' own compression, read with the package blosc."""
    path = data / "hdf5/numu_cc_test.h5"
    with h5py.File(path) as f:
        for name, digest in BLOSC.items():
            rows = rows_of(f[name])
            assert hashlib.sha256(rows.tobytes()).hexdigest()[:16] == digest
            for part in (slice(0, 0), slice(1), slice(870, 880), slice(3, 3000, 7), slice(-1, None)):
                assert rows_of(f[name], part).tobytes() == rows[part].tobytes()
        hits, tracks = rows_of(f["hits"]), rows_of(f["mc_tracks"])
        assert np.array_equal(rows_of(f["hits"], slice(5, 9), "time"), hits["time"][5:9])
    chunk = km3gpu.open(path).read(backend="cpu")
    assert np.bincount(hits["event_id"]).tolist()[-2:] == np.diff(chunk.hits.offsets).tolist()
    assert np.array_equal(chunk.hits.flat("t"), hits["time"])
    assert np.array_equal(chunk.hits.flat("tot"), hits["tot"])
    assert np.array_equal(chunk.mc_tracks.flat("E"), tracks["energy"])
    assert len(chunk.hits) == 4545


def test_blosc_that_is_damaged(data, tmp_path, without_hdf5plugin):
    """A bit that flips in a chunk is met by Blosc, or by the checksum of what it gives."""
    path = data / "hdf5/numu_cc_test.h5"
    with h5py.File(path) as f:
        whole = rows_of(f["hits"])
        chunks = [f["hits"].id.get_chunk_info(i) for i in range(f["hits"].id.get_num_chunks())]
    rng = np.random.default_rng(1)
    content, found = path.read_bytes(), 0
    for k in range(60):
        info = chunks[k % len(chunks)]
        spoilt = bytearray(content)
        spoilt[info.byte_offset + int(rng.integers(info.size))] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.h5").write_bytes(spoilt)
        try:
            with opened(str(tmp_path / "a.h5")) as f:
                rows = rows_of(f["hits"])
        except FormatError:
            found += 1
        else:  # Blosc's head has a byte that says nothing
            assert rows.tobytes() == whole.tobytes()
    assert found > 50


def test_blosc_without_its_package(data):
    """One line that names the package, in a process that does not have it."""
    code = (
        "import sys; sys.modules['hdf5plugin'] = sys.modules['blosc'] = None\n"
        "import km3gpu.extras; km3gpu.extras.installed = lambda name: False\n"
        "from km3gpu.cli.main import call\n"
        f"sys.exit(call(['info', {str(data / 'hdf5/numu_cc_test.h5')!r}]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "blosc" in run.stderr
    assert "pip install 'km3gpu[hdf5]'" in run.stderr


def test_tables_of_events_that_astropy_wrote(data):
    source = km3gpu.open(data / "hdf5/mcv5.1.genhen_anumuNC.sirene.jte.jchain.aashower.sample.hdf5")
    assert (source.kind, source.n_events) == ("event_tables", 10)
    assert source.header.can.zmax == 1027
    chunk = source.read(backend="cpu")
    with h5py.File(source.paths[0]) as f:
        assert np.array_equal(chunk.mc_tracks.flat("E"), f["MC/MC_EVENTS"]["energy"])
        assert np.array_equal(chunk.mc_tracks.flat("type"), f["MC/MC_EVENTS"]["pdg_id"])
        assert np.array_equal(chunk.tracks.flat("lik"), f["RECO/RECO_EVENTS"]["likelihood"])


def test_other_hdf5_files(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as f:
        f["spectrum"] = np.arange(3.0)
    with pytest.raises(FormatError, match=r"without tables of events.*x\.h5.*it holds spectrum"):
        km3gpu.open(tmp_path / "x.h5")


def test_a_truncated_file(data, tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes((data / "hdf5/mupage_ARCA.h5").read_bytes()[:100_000])
    with pytest.raises(TruncatedFileError, match=r"x\.h5"):
        km3gpu.open(path)


def test_unknown_names(data):
    source = km3gpu.open(data / "hdf5/mupage_ARCA.h5")
    with pytest.raises(UnknownNameError, match="no column 'times'"):
        source.read(columns=["hits/times"])
    with pytest.raises(UnknownNameError, match="no tree 'E'"):
        source.read(tree="E")


def test_arrays_with_indices(tmp_path):
    """Images for networks, say: an array of any shape, and where the rows of each event begin."""
    path = tmp_path / "x.h5"
    images = np.arange(24, dtype="f4").reshape(4, 3, 2)
    with h5py.File(path, "w") as f:
        f.attrs["format_version"] = np.bytes_("5.1")
        f["group_info"] = np.array([(0, 1), (1, 1), (2, 1)], [("group_id", "i8"), ("blob_length", "i8")])
        f["x"] = images
        f["x_indices"] = np.array([(0, 1), (1, 0), (1, 3)], [("index", "i8"), ("n_items", "i8")])
    chunk = km3gpu.open(path).read(backend="cpu")
    assert chunk.tables["x"].counts.tolist() == [1, 0, 3]
    assert np.array_equal(chunk.tables["x"].flat("values"), images)
    part = km3gpu.open(path).read(entries=(2, 3), backend="cpu").tables["x"]
    assert np.array_equal(part.flat("values"), images[1:])
