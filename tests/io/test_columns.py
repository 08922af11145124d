"""Branches to columns: every branch of every shipped file is what uproot reads."""

from __future__ import annotations

from collections import Counter

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import FormatError
from km3gpu.io.columns import column_type, read_column, row_offsets
from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import Branch, Tree, read_tree
from km3gpu.table import Table
from tests.conftest import DATA
from tests.io.trees import ROOT_FILES, open_tree, tree_names, write_jagged

# Types of branches that have no columnar form of their own: nodes above other
# branches, pointers, and the DAQ records, which have decoders and tests of
# their own.
NOT_COLUMNS = {
    "TObject*",
    "AAny::Holder_base*",
    "vector<AAny>",
    "TGraph",
    "vector<KM3NETDAQ::JDAQKeyHit>",
    "vector<JDAQSnapshotHit>",
    "vector<KM3NETDAQ::JDAQTriggeredHit>",
    "vector<JDAQTriggeredHit>",
    "vector<KM3NETDAQ::JDAQSummaryFrame>",
    "vector<KM3NETDAQ::JDAQSuperFrame>",
    "KM3NETDAQ::JDAQHit*",
    "KM3NETDAQ::JDAQUTCExtended",
    "KM3NETDAQ::JDAQEvent",
    "KM3NETDAQ::JDAQSummaryslice",
    "KM3NETDAQ::JDAQTimeslice",
}


def as_awkward(tree: Tree, branch: Branch, start: int, stop: int) -> ak.Array:
    column = read_column(tree, branch, start, stop)
    rows = row_offsets(tree, branch.counter, start, stop) if branch.counter is not None else None
    return Table("x", {"x": column}, rows).x


@pytest.mark.parametrize("name", ROOT_FILES)
def test_every_branch_is_what_uproot_reads(data, name):
    file = RootFile(str(data / name))
    compared: Counter[str] = Counter()
    with uproot.open(data / name) as theirs:
        for tree_name in tree_names(file):
            tree = read_tree(file, file.find(tree_name))
            branches = theirs[tree_name].itervalues(recursive=True)
            for branch, other in zip(tree.branches.values(), branches, strict=True):
                kind = column_type(branch)
                if not kind:
                    assert branch.n_children or branch.type_name in NOT_COLUMNS, branch
                    continue
                if branch.counts:
                    continue  # the offsets of the members below, which are compared
                ours = as_awkward(tree, branch, 0, tree.n_entries)
                exact = not branch.name.endswith("numberOfHits")  # an int in Jpp, unsigned for uproot
                wanted = other.array(library="ak")
                assert len(ours) == len(wanted)
                if len(wanted):
                    assert ak.array_equal(ours, wanted, dtype_exact=exact, equal_nan=True), branch
                compared[kind] += 1
    assert compared.total() > 5


def test_how_many_branches_are_compared():
    """Every branch is compared, a node above others, an offset of those, or one of the types named above."""
    found: Counter[str] = Counter()
    for name in ROOT_FILES:
        file = RootFile(str(DATA / name))
        for tree_name in tree_names(file):
            for branch in read_tree(file, file.find(tree_name)).branches.values():
                if column_type(branch):
                    found["counts" if branch.counts else "compared"] += 1
                else:
                    found["nodes" if branch.n_children else branch.type_name] += 1
    assert len(ROOT_FILES) >= 38
    assert found.pop("compared") >= 4315
    assert found.pop("counts") >= 138
    assert found.pop("nodes") >= 530
    assert set(found) <= NOT_COLUMNS


@pytest.mark.parametrize(
    ("name", "branches"),
    [
        (
            "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root",
            ("trks.fitinf", "trks.rec_stages", "trks.lik", "trks.comment", "w", "usr_names", "t.fSec"),
        ),
        ("offline/usr-sample.root", ("usr", "usr_names", "trks.usr_names", "trks.usr", "hits.t")),
    ],
)
def test_any_entry_range_is_that_part_of_the_whole(data, name, branches):
    tree = open_tree(data / name, "E")
    n = tree.n_entries
    rng = np.random.default_rng(1)
    ranges = [
        (0, 0),
        (0, 1),
        (n - 1, n),
        (n, n),
        *(tuple(sorted(rng.integers(0, n + 1, 2))) for _ in range(8)),
    ]
    for branch in map(tree.branch, branches):
        whole = as_awkward(tree, branch, 0, n)
        for start, stop in ranges:
            part = as_awkward(tree, branch, int(start), int(stop))
            assert ak.array_equal(part, whole[start:stop], equal_nan=True), (branch, start, stop)


numbers = st.floats(allow_nan=False, width=32) | st.integers(-1000, 1000)


@settings(max_examples=40, deadline=None)
@given(
    lists=st.lists(st.lists(numbers, max_size=12), min_size=1, max_size=40),
    step=st.integers(1, 40),
    codec=st.sampled_from([None, uproot.ZLIB(1), uproot.LZ4(1), uproot.LZMA(1), uproot.ZSTD(1)]),
    cut=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_random_jagged_trees_come_back(tmp_path_factory, lists, step, codec, cut):
    lists = [[max(-(2**31), min(2**31 - 1, float(v))) for v in row] for row in lists]
    path = tmp_path_factory.mktemp("trees") / "t.root"
    write_jagged(path, lists, step, codec)
    tree = open_tree(path, "T")
    start, stop = sorted(min(c, len(lists)) for c in cut)
    assert as_awkward(tree, tree.branch("x"), start, stop).to_list() == lists[start:stop]
    ints = as_awkward(tree, tree.branch("k"), start, stop).to_list()
    assert ints == [[int(v) for v in row] for row in lists[start:stop]]
    assert read_column(tree, tree.branch("n"), start, stop).tolist() == [len(v) for v in lists[start:stop]]
    assert tree.branch("x").n_baskets == -(-len(lists) // step)


def test_columns_are_contiguous_and_native(data):
    tree = open_tree(data / "offline/numucc.root", "E")
    for name in ("hits.t", "hits.dom_id", "frame_index"):
        column = read_column(tree, tree.branch(name), 0, tree.n_entries)
        assert column.flags.c_contiguous
        assert column.dtype.isnative
        assert column.flags.writeable


def test_a_branch_without_columnar_form_is_refused(data):
    tree = open_tree(data / "offline/numucc.root", "E")
    with pytest.raises(FormatError, match="has no columnar form"):
        read_column(tree, tree.branch("Evt"), 0, 1)
