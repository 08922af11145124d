from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from km3gpu.errors import BackendError, GeometryError, KernelError
from km3gpu.kernels import calibrate, lookup, threads
from km3gpu.kernels.reference import calibrate as reference

from .conftest import SIMULATED, Where

PLACE = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
MODULES = {808_000_000 + 37 * k: 31 for k in range(20)} | {-5: 3, 0: 2, 2**31 - 1: 40, 17: 0}


@pytest.fixture(scope="module")
def table() -> tuple[lookup.PmtLookup, dict[tuple[int, int], Any]]:
    counts = np.array(list(MODULES.values()))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rows = np.random.default_rng(1).normal(size=(counts.sum(), 7)) * 100
    pmts = {(dom, c): rows[first[k] + c] for k, (dom, n) in enumerate(MODULES.items()) for c in range(n)}
    return lookup.build(list(MODULES), first, counts, rows), pmts


def some_hits(n: int, small: str, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    doms = np.array([d for d, k in MODULES.items() if k])
    dom = rng.choice(doms, n)
    channel = (rng.random(n) * np.array([MODULES[d] for d in dom])).astype(small)
    tot = rng.integers(0, 256 if small == "u1" else 1000, n).astype(small)
    return dom.astype("i4"), channel, rng.integers(0, 2**32, n).astype("u4"), tot


@pytest.mark.parametrize("small", ["u1", "u4"])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 31, 32, 33, 257, 20_011])
def test_agrees_with_the_reference(where: Where, table: Any, n: int, small: str, dtype: str) -> None:
    found, pmts = table
    hits = some_hits(where.rows(n), small)
    columns = calibrate.hits(*where.put(*hits), where.lookup(found), slewing=calibrate.SLEWING, dtype=dtype)
    expected = reference.hits(*hits, pmts, calibrate.SLEWING)
    got = where.got(columns)
    assert list(got) == ["t", *PLACE]
    assert got["t"].dtype == np.float64
    assert np.array_equal(got["t"], expected["t"])
    for c in PLACE:
        assert got[c].dtype == np.dtype(dtype)
        assert np.array_equal(got[c], expected[c].astype(dtype))


def test_no_slewing_and_other_tables(where: Where, table: Any) -> None:
    found, pmts = table
    hits = some_hits(50, "u4")
    for slewing in (np.zeros(1), np.linspace(3, -3, 300)):
        got = calibrate.hits(*where.put(*hits), where.lookup(found), slewing=where.put(slewing))
        assert np.array_equal(where.get(got["t"]), reference.hits(*hits, pmts, slewing)["t"])
    plain = calibrate.hits(*where.put(*hits), where.lookup(found))
    assert np.array_equal(where.get(plain["t"]), reference.hits(*hits, pmts, np.zeros(1))["t"])


@pytest.mark.parametrize(
    ("dom", "channel", "says"),
    [
        (4, 0, "module 4 is not in the detector description"),
        (17, 0, "channel 0 of module 17 is not"),  # a base module
        (808_000_000, 31, "channel 31 of module 808000000 is not"),
        (-5, 3, "channel 3 of module -5 is not"),
    ],
)
def test_names_the_first_hit_without_a_pmt(
    where: Where, table: Any, dom: int, channel: int, says: str
) -> None:
    n = where.rows(1000)
    hits = some_hits(n, "u1")
    first = n // 3
    hits[0][first], hits[1][first] = dom, channel
    hits[0][n - 1] = 1  # a later one, which must not be the one named
    offsets = np.array([0, 5, 5, first - 2, n])
    arrays = where.put(*hits)
    with pytest.raises(GeometryError, match=says + r".*\(in hit 2 of event 3\)"):
        calibrate.hits(*arrays, where.lookup(table[0]), offsets=where.put(offsets))
    with pytest.raises(GeometryError, match=rf"\(in hit {first}\)"):
        calibrate.hits(*arrays, where.lookup(table[0]))


def test_missing_may_be_nan(where: Where, table: Any) -> None:
    found, pmts = table
    hits = some_hits(where.rows(300), "u1")
    hits[0][[0, 10, 11, 50]] = 4
    hits[1][20] = 200
    got = where.got(calibrate.hits(*where.put(*hits), where.lookup(found), missing="nan"))
    expected = reference.hits(*hits, pmts, np.zeros(1))
    assert np.isnan(got["t"]).sum() == 5
    for c, values in expected.items():
        assert np.array_equal(got[c], values, equal_nan=True)


def test_writes_where_it_is_told(where: Where, table: Any) -> None:
    hits = where.put(*some_hits(40, "u1"))
    out = {c: where.put(np.zeros(40)) for c in ("t", *PLACE)}
    got = calibrate.hits(*hits, where.lookup(table[0]), out=out)
    assert all(got[c] is out[c] for c in out)
    fresh = calibrate.hits(*hits, where.lookup(table[0]))
    assert all(np.array_equal(where.get(got[c]), where.get(fresh[c])) for c in out)
    with pytest.raises(KernelError, match=r"out\['t'\] is no contiguous float64 column of 40 rows"):
        calibrate.hits(*hits, where.lookup(table[0]), out=out | {"t": where.put(np.zeros(40, "f4"))})


def test_refuses_what_does_not_fit(table: Any) -> None:
    dom, channel, tdc, tot = some_hits(10, "u1")
    with pytest.raises(KernelError, match="columns differ in length"):
        calibrate.hits(dom, channel, tdc[:9], tot, table[0])
    with pytest.raises(KernelError, match=r"tdc is 0\.5 at row 3, which uint32 cannot hold"):
        calibrate.hits(dom, channel, np.where(np.arange(10) == 3, 0.5, 1.0), tot, table[0])
    with pytest.raises(KernelError, match="channel_id is -1 at row 0"):
        calibrate.hits(dom, np.full(10, -1), tdc, tot, table[0])
    with pytest.raises(KernelError, match="dom_id has 2 dimensions"):
        calibrate.hits(np.zeros((10, 1), "i4"), channel, tdc, tot, table[0])
    with pytest.raises(KernelError, match="positions cannot be int32"):
        calibrate.hits(dom, channel, tdc, tot, table[0], dtype="i4")
    with pytest.raises(KernelError, match="'skip'"):
        calibrate.hits(dom, channel, tdc, tot, table[0], missing="skip")
    with pytest.raises(KernelError, match="slewing table"):
        calibrate.hits(dom, channel, tdc, tot, table[0], slewing=np.zeros((2, 2)))

    class OnDevice:
        __cuda_array_interface__ = None
        dtype = tot.dtype
        ndim = 1
        flags = tot.flags

        def __len__(self) -> int:
            return 10

    with pytest.raises(BackendError, match="partly on the host"):
        calibrate.hits(dom, channel, tdc, OnDevice(), table[0])


def test_takes_other_integer_types_as_they_are(table: Any) -> None:
    hits = some_hits(100, "u1")
    plain = calibrate.hits(*hits, table[0], slewing=calibrate.SLEWING)
    for dtype in (np.int64, ">i8"):
        wide = [h.astype(dtype) for h in hits]
        got = calibrate.hits(*wide, table[0], slewing=calibrate.SLEWING)
        assert all(np.array_equal(got[c], plain[c]) for c in plain)
    strided = [np.repeat(h, 2)[::2] for h in hits]
    got = calibrate.hits(*strided, table[0], slewing=calibrate.SLEWING)
    assert all(np.array_equal(got[c], plain[c]) for c in plain)


def test_pmt_hits_agree_with_the_reference(where: Where) -> None:
    rng = np.random.default_rng(5)
    pmts = rng.choice(10**6, 500, replace=False)
    rows = rng.normal(size=(500, 7))
    table = lookup.build(pmts, np.arange(500), np.ones(500, int), rows)
    ids = rng.choice(pmts, where.rows(3000)).astype("i4")
    expected = reference.pmt_hits(ids, dict(zip(pmts.tolist(), rows, strict=True)))
    for dtype in ("f8", "f4"):
        got = where.got(calibrate.pmt_hits(where.put(ids), where.lookup(table), dtype=dtype))
        assert all(np.array_equal(got[c], expected[c].astype(dtype)) for c in PLACE)
    ids[7] = 10**6 + 1
    with pytest.raises(GeometryError, match=r"PMT 1000001 is not .*\(in hit 7\)"):
        calibrate.pmt_hits(where.put(ids), where.lookup(table))
    got = where.got(calibrate.pmt_hits(where.put(ids), where.lookup(table), missing="nan"))
    assert np.isnan(got["dir_x"]).sum() == 1


# -- against what Jpp wrote ----------------------------------------------------
OFFLINE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"


@pytest.fixture(scope="module")
def jpp(data: Path) -> dict[str, np.ndarray]:
    """The hits of a simulated file, with the time, position and axis that Jpp gave them."""
    names = ("dom_id", "channel_id", "tdc", "tot", "t", *(p.replace("_", ".") for p in PLACE))
    with uproot.open(data / OFFLINE) as f:
        tree = f["E/Evt/hits"]
        raw = {n: tree[f"hits.{n}"].array(library="np") for n in names}
    return {n.replace(".", "_"): np.concatenate(list(v)) for n, v in raw.items()}


def test_reproduces_jpp_from_a_table_of_the_file_itself(where: Where, jpp: dict[str, np.ndarray]) -> None:
    # the file's own positions make the table, so all that is tested is that each
    # hit finds its row and that tdc + 0 - SLEWING[tot] is Jpp's time
    n = 500 if SIMULATED else len(jpp["t"])
    assert len(jpp["t"]) == 181_484
    key = jpp["dom_id"].astype("i8") * 31 + jpp["channel_id"]
    _, one = np.unique(key, return_index=True)
    modules = np.unique(jpp["dom_id"])
    rows = np.zeros((len(modules) * 31, 7))
    at = np.searchsorted(modules, jpp["dom_id"][one]) * 31 + jpp["channel_id"][one]
    rows[at, 1:] = np.stack([jpp[c][one] for c in PLACE], axis=1)
    table = lookup.build(modules, np.arange(len(modules)) * 31, np.full(len(modules), 31), rows)
    hits = where.put(*(np.ascontiguousarray(jpp[c][:n]) for c in ("dom_id", "channel_id", "tdc", "tot")))
    got = where.got(calibrate.hits(*hits, where.lookup(table), slewing=calibrate.SLEWING))
    for c in PLACE:
        assert np.array_equal(got[c], jpp[c][:n])
    assert np.abs(got["t"] - jpp["t"][:n]).max() <= 1e-6


def test_slewing_table() -> None:
    table = calibrate.SLEWING
    assert table.shape == (256,)
    assert not table.flags.writeable
    assert (table[0], table[1], table[2], table[3]) == (8.01, 7.52, 7.05, 6.59)
    assert (table[26], table[27]) == (0.07, -0.10)
    assert table[200] == -9.02
    assert (table[201:] == -9.04).all()
    assert (np.diff(table) <= 0).all()


def test_offsets_rebuilt_from_even_events_predict_the_odd_ones(data: Path) -> None:
    # real t0s, which no shipped detector file holds: learnt per channel from half of the file
    with uproot.open(
        data / "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root"
    ) as f:
        tree = f["E/Evt/hits"]
        raw = {n: tree[f"hits.{n}"].array(library="np") for n in ("dom_id", "channel_id", "tdc", "tot", "t")}
    events = np.repeat(np.arange(len(raw["t"])), [len(e) for e in raw["t"]])
    hit = {n: np.concatenate(list(v)) for n, v in raw.items()}
    even = events % 2 == 0
    t0 = hit["t"] - hit["tdc"] + calibrate.SLEWING[np.minimum(hit["tot"], 255)]
    key = hit["dom_id"].astype("i8") * 31 + hit["channel_id"]
    known, one = np.unique(key[even], return_index=True)
    modules = np.unique(hit["dom_id"])
    rows = np.full((len(modules) * 31, 7), np.nan)
    at = np.searchsorted(modules, known // 31) * 31 + known % 31
    rows[at] = 0.0
    rows[at, 0] = t0[even][one]
    table = lookup.build(modules, np.arange(len(modules)) * 31, np.full(len(modules), 31), rows)
    odd = ~even & np.isin(key, known)
    got = calibrate.hits(
        *(np.ascontiguousarray(hit[c][odd]) for c in ("dom_id", "channel_id", "tdc", "tot")),
        table, slewing=calibrate.SLEWING,
    )  # fmt: skip
    assert (even.sum(), odd.sum()) == (9075, 8259)
    assert rows[at, 0].min() > 207_000
    assert np.abs(got["t"] - hit["t"][odd]).max() < 1e-6


@pytest.mark.skipif(SIMULATED, reason="the simulator has no caches")
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_large_columns_are_written_past_the_caches_to_the_same_values(table: Any, dtype: str) -> None:
    found, _ = table
    n, piece = 600_005, 100_001  # above and below what goes past the caches; no multiples of 8
    few = some_hits(20_000, "u1")
    hits = tuple(np.resize(c, n) for c in few)
    expected: dict[str, list[np.ndarray]] = {}
    for low in range(0, n, piece):
        part = (c[low : low + piece] for c in hits)
        for name, column in calibrate.hits(*part, found, slewing=calibrate.SLEWING, dtype=dtype).items():
            expected.setdefault(name, []).append(column)
    places = {c: np.dtype("f8" if c == "t" else dtype) for c in ("t", *PLACE)}
    for shift in (0, 1):  # aligned columns, and columns that are not
        room = {c: np.zeros((n + 16) * d.itemsize, "u1") for c, d in places.items()}
        out = {}
        for c, d in places.items():
            at = -room[c].ctypes.data % 64 + shift * d.itemsize
            out[c] = room[c][at : at + n * d.itemsize].view(d)
        for k in (1, 2):
            for column in out.values():
                column.fill(np.nan)
            with threads(k):
                calibrate.hits(*hits, found, slewing=calibrate.SLEWING, dtype=dtype, out=out)
            for c, column in out.items():
                assert np.array_equal(column, np.concatenate(expected[c])), (c, shift, k)
