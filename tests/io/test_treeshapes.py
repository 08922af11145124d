"""Records of trees by a known shape are as if each had been parsed."""

from __future__ import annotations

import pytest

from km3gpu.io import treeshapes
from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import read_tree
from km3gpu.io.treerecord import parse_tree
from tests.io.trees import ROOT_FILES, tree_names

FOLDER = "offline/mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca"
FILES = [f"{FOLDER}.909.evtsample.root", f"{FOLDER}.aanet.909.evtsample.root"]


@pytest.fixture(autouse=True)
def _no_shapes():
    treeshapes._shapes.clear()
    yield
    treeshapes._shapes.clear()


@pytest.fixture
def fills(monkeypatch):
    """Count the records that were read by their shape."""
    counted = []
    fill = treeshapes._Shape.fill
    monkeypatch.setattr(treeshapes._Shape, "fill", lambda s, c: (counted.append(c), fill(s, c))[1])
    return counted


def told(branch):
    b = branch.baskets
    counter = branch.counter and branch.counter.path
    return (
        branch.path, branch.type_name, branch.shape, branch.counts, counter, branch.unpacked_bytes,
        branch.n_children, b.edges, b.seek, b.nbytes, b.embedded,
    )  # fmt: skip


def trees(data, *, forget):
    for name in ROOT_FILES:
        file = RootFile(str(data / name))
        for tree in tree_names(file):
            if forget:
                treeshapes._shapes.clear()
            read = read_tree(file, file.find(tree))
            yield name, read.name, read.title, read.n_entries, [told(b) for b in read.branches.values()]


def test_trees_of_all_files_are_the_same_by_their_shapes(data, fills):
    by_shape = [*trees(data, forget=False)]
    assert len(fills) > 10  # real files do share shapes
    known = len(fills)
    assert by_shape == [*trees(data, forget=True)]
    assert len(fills) == known


def test_another_file_of_a_production_is_not_parsed(data, fills):
    files = [RootFile(str(data / name)) for name in FILES]
    first, second = (read_tree(f, f.find("E")) for f in files)
    assert len(fills) == 1
    assert len(second.branches) == len(first.branches) > 100


def record(data):
    file = RootFile(str(data / FILES[0]))
    key = file.find("E")
    return bytearray(file.record(key)), key.keylen


def test_a_record_that_differs_in_a_name_is_parsed(data, fills):
    raw, shift = record(data)
    treeshapes.read_record(Cursor(bytes(raw), 0, shift))
    raw[raw.index(b"hits.tot") : raw.index(b"hits.tot") + 8] = b"hits.toT"
    nodes = treeshapes.read_record(Cursor(bytes(raw), 0, shift)).nodes
    assert not fills
    assert "hits.toT" in {node.name for node in nodes}


def test_each_byte_that_is_not_free_counts(data, fills):
    raw, shift = record(data)
    known = treeshapes.read_record(Cursor(bytes(raw), 0, shift))
    free = set()
    for start, stop in known.free:
        free.update(range(start, stop))
    shape = next(iter(treeshapes._shapes.values()))
    for at in range(known.begin, known.end, 37):
        raw[at] ^= 0x10
        assert shape.fits(Cursor(bytes(raw), 0, shift)) == (at in free)
        raw[at] ^= 0x10


def test_numbers_come_from_the_record_itself(data, fills):
    raw, shift = record(data)
    known = treeshapes.read_record(Cursor(bytes(raw), 0, shift))
    raw[known.entries_at : known.entries_at + 8] = (77).to_bytes(8, "big")
    for k, node in enumerate(known.nodes):
        for at, size, number in zip(node.numbers, (4, 8, 8), (k % 3, 77, 1000 + k), strict=True):
            raw[at : at + size] = number.to_bytes(size, "big")
    by_shape = treeshapes.read_record(Cursor(bytes(raw), 0, shift))
    parsed = parse_tree(Cursor(bytes(raw), 0, shift))
    assert len(fills) == 1
    assert by_shape.n_entries == parsed.n_entries == 77
    for a, b in zip(by_shape.nodes, parsed.nodes, strict=True):
        assert (a.name, a.unpacked_bytes) == (b.name, b.unpacked_bytes)
        assert (a.places.n_entries, a.places.write_basket) == (77, b.places.write_basket)
    raw[known.entries_at] = 0xFF
    with pytest.raises(UnreadableError, match="it claims -"):
        treeshapes.read_record(Cursor(bytes(raw), 0, shift))
