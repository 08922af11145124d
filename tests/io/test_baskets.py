"""Baskets: those in the file, those inside a tree's record, and what is wrong with damaged ones."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
import uproot

from km3gpu.errors import FormatError
from km3gpu.io.basketplaces import Places, read_embedded
from km3gpu.io.baskets import basket_range, claimed_bytes, entry_bytes, read_basket
from km3gpu.io.cursor import Cursor
from km3gpu.io.roottree import Branch
from tests.io.trees import open_tree, write_jagged

LARGE = "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"


def embedded_record(entries: list[bytes], *, jagged: bool) -> bytes:
    """Lay out a basket as ROOT does inside a tree's record: key, offsets, key again, data."""
    names = b"\x07TBasket\x04test\x01E"
    keylen = 18 + 8 + len(names) + 19
    data = b"".join(entries)
    size = 0 if jagged else len(entries[0])
    head = struct.pack(">Hiiii", 3, 32000, size or 1000, len(entries), keylen + len(data)) + b"\x0c"
    key = struct.pack(">ihiIhhii", keylen, 4, len(data), 0, keylen, 1, 0, 0) + names + head
    starts = np.cumsum([0, *map(len, entries)])[:-1] + keylen
    offsets = struct.pack(f">i{len(entries)}i", len(entries), *starts) if jagged else b""
    return key + offsets + key + data


def embedded_branch(records: list[tuple[int, bytes]]) -> Branch:
    n = sum(c for c, _ in records)
    places = Places(struct.pack(">iqq", 0, 0, 0), (0, 4, 12), 1, ">i8", n, 1, records)
    return Branch("b", "b", "vector<double>", (), False, None, 0, 0, "tree T of x.root", places)


@pytest.mark.parametrize("jagged", [True, False])
def test_baskets_inside_the_trees_record(jagged):
    first = [b"abc", b"defgh", b"", b"i"] if jagged else [b"abcd", b"efgh"]
    second = [b"zz", b""] if jagged else [b"ijkl"]
    records = [(len(e), embedded_record(e, jagged=jagged) + b"what comes after") for e in (first, second)]
    assert [read_embedded(Cursor(b"??" + r, 2))[0] for _, r in records] == [len(first), len(second)]
    branch = embedded_branch(records)
    assert branch.entries.tolist() == [0, len(first), len(first) + len(second)]

    class Tree:
        file = None
        where = "tree T of x.root"

    for start, stop in ((0, len(first) + len(second)), (1, 2), (1, len(first) + 1)):
        data, offsets = entry_bytes(Tree, branch, start, stop)
        found = [bytes(data[a:b]) for a, b in itertools.pairwise(offsets)]
        assert found == [*first, *second][start:stop]


def test_a_cut_basket_inside_the_record_is_told():
    record = embedded_record([b"abc", b"defgh"], jagged=True)

    class Tree:
        file = None
        where = "tree T of x.root"

    for cut in range(0, len(record), 5):
        branch = embedded_branch([(2, record[:cut])])
        with pytest.raises(FormatError, match="basket 0 of branch 'b' is damaged"):
            read_basket(Tree, branch, 0)


@pytest.mark.parametrize("name", ["trks.fitinf", "hits.t", "w", "t.fSec"])
def test_bytes_and_offsets_are_those_of_uproot(data, name):
    tree = open_tree(data / LARGE, "E")
    branch = tree.branch(name)
    with uproot.open(data / LARGE) as f:
        other = next(b for b in f["E"].itervalues(recursive=True) if b.name == name)
        for i in range(branch.n_baskets):
            ours, theirs = read_basket(tree, branch, i), other.basket(i)
            assert np.array_equal(ours.data, theirs.data)
            assert ours.n_entries == theirs.num_entries
            if theirs.byte_offsets is not None:
                assert np.array_equal(ours.offsets(), theirs.byte_offsets)
            assert not ours.data.flags.writeable


def test_ranges_of_baskets(tmp_path):
    write_jagged(tmp_path / "x.root", [[float(i)] * i for i in range(10)], 3, None)
    tree = open_tree(tmp_path / "x.root", "T")
    branch = tree.branch("x")
    assert branch.entries.tolist() == [0, 3, 6, 9, 10]
    for start, stop, wanted in (
        (0, 10, range(4)),
        (3, 6, range(1, 2)),
        (2, 4, range(2)),
        (5, 5, range(0)),
        (9, 10, range(3, 4)),
    ):
        assert basket_range(branch, start, stop) == wanted
    with pytest.raises(FormatError, match="has 10 entries, not 11"):
        basket_range(branch, 0, 11)
    assert claimed_bytes(tree, branch, 0, 10) >= 45 * 8
    assert claimed_bytes(tree, branch, 3, 6) >= 12 * 8
    assert claimed_bytes(tree, branch, 0, 0) == 0


def test_a_damaged_basket_names_everything(tmp_path):
    path = tmp_path / "x.root"
    write_jagged(path, [[1.0, 2.0]] * 6, 3, uproot.ZLIB(9))
    tree = open_tree(path, "T")
    branch = tree.branch("x")
    raw = bytearray(path.read_bytes())
    raw[branch.baskets.seek[1] + branch.baskets.nbytes[1] - 5] ^= 0xFF
    path.write_bytes(raw)
    tree = open_tree(path, "T")
    with pytest.raises(FormatError) as error:
        entry_bytes(tree, tree.branch("x"), 0, 6)
    text = str(error.value)
    assert "basket 1 of branch 'x'" in text
    assert f"tree T of {path}" in text
    assert "entries 3 to 6" in text
