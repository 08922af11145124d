"""Descriptions of trees, against uproot, for every tree of every shipped file."""

from __future__ import annotations

import numpy as np
import pytest
import uproot

from km3gpu.errors import UnknownNameError
from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import read_tree
from tests.io.trees import ROOT_FILES, open_tree, tree_names


@pytest.mark.parametrize("name", ROOT_FILES)
def test_branches_and_baskets_are_those_that_uproot_finds(data, name):
    file = RootFile(str(data / name))
    with uproot.open(data / name) as theirs:
        for tree in tree_names(file):
            ours = read_tree(file, file.find(tree))
            other = theirs[tree]
            assert ours.n_entries == other.num_entries
            branches = list(other.itervalues(recursive=True))
            assert [b.name for b in branches] == [b.name for b in ours.branches.values()]
            for a, b in zip(branches, ours.branches.values(), strict=True):
                n = a.num_baskets
                assert np.array_equal(a.entry_offsets, b.entries)
                assert np.array_equal(a.member("fBasketSeek")[:n], b.baskets.seek)
                assert np.array_equal(a.member("fBasketBytes")[:n], b.baskets.nbytes)
                assert b.unpacked_bytes == a.uncompressed_bytes
                assert b.n_children == len(a.branches)


def test_a_branch_is_found_by_the_end_of_its_path(data):
    tree = open_tree(data / "offline/km3net_offline.root", "E")
    by_path = tree.branch("Evt/hits/hits.tot")
    assert tree.branch("hits.tot") is by_path
    assert tree.branch("hits/hits.tot") is by_path
    assert by_path.counter is tree.branch("Evt/hits")
    assert tree.find("nothing") is None


def test_an_unknown_branch_names_the_closest(data):
    tree = open_tree(data / "offline/km3net_offline.root", "E")
    with pytest.raises(UnknownNameError, match=r"no branch 'hits.tto' .*km3net_offline.*hits.tot"):
        tree.branch("hits.tto")
