"""Tables: offset algebra against plain Python lists, and views that share memory."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.table import Ragged, Table, counts_to_offsets

COUNTS = st.lists(st.integers(0, 5), max_size=12)
WORDS = st.lists(st.text(max_size=4), max_size=4)


def table_of(counts):
    """Build a table whose row values tell their own row number."""
    offsets = counts_to_offsets(np.array(counts, dtype=np.int64))
    n = int(offsets[-1])
    columns = {
        "row": np.arange(n),
        "pos": np.arange(3 * n, dtype=np.float64).reshape(n, 3),
        "usr": Ragged(counts_to_offsets(np.arange(n) % 3), np.arange(int((np.arange(n) % 3).sum()))),
    }
    return Table("hits", columns, offsets)


def lists_of(table, column="row"):
    return ak.to_list(getattr(table, column))


def slow(counts, values=None):
    """Cut a list of rows into events the obvious way."""
    rows = iter(range(sum(counts)) if values is None else values)
    return [[next(rows) for _ in range(c)] for c in counts]


@given(COUNTS)
def test_counts_and_offsets_are_inverse(counts):
    offsets = counts_to_offsets(np.array(counts, dtype=np.int32))
    assert offsets.dtype == np.int64
    assert offsets[0] == 0
    assert np.diff(offsets).tolist() == counts


def test_offsets_of_a_mask_count_the_true():
    assert counts_to_offsets(np.array([True, False, True])).tolist() == [0, 1, 1, 2]


@given(COUNTS)
def test_awkward_view_has_the_events(counts):
    table = table_of(counts)
    assert lists_of(table) == slow(counts)
    assert table.n_events == len(counts)
    assert len(table) == sum(counts)
    assert table.counts.tolist() == counts


@settings(max_examples=60)
@given(COUNTS, st.data())
def test_filter_is_a_list_comprehension(counts, data):
    table = table_of(counts)
    mask = data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table)))
    kept = table.filter(np.array(mask, dtype=bool))
    assert lists_of(kept) == [[r for r in event if mask[r]] for event in slow(counts)]
    assert lists_of(kept, "usr") == [
        [usr for r, usr in zip(rows, lists, strict=True) if mask[r]]
        for rows, lists in zip(slow(counts), lists_of(table, "usr"), strict=True)
    ]
    assert np.array_equal(kept.flat("pos"), table.flat("pos")[kept.flat("row")])


@settings(max_examples=60)
@given(COUNTS.filter(bool), st.data())
def test_take_events_is_list_indexing(counts, data):
    table = table_of(counts)
    index = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=8))
    taken = table.take_events(np.array(index, dtype=np.int64))
    assert lists_of(taken) == [slow(counts)[i] for i in index]
    assert lists_of(taken, "usr") == [lists_of(table, "usr")[i] for i in index]


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=6), st.data())
def test_ragged_of_ragged_takes_like_lists(rows, data):
    column = ragged_text(rows)
    index = data.draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=6 if rows else 0))
    taken = Table("tracks", {"names": column.take(np.array(index, dtype=np.int64))})
    assert ak.to_list(taken.names) == [rows[i] for i in index]
    assert len(column) == len(rows)


def ragged_text(rows):
    words = [w.encode() for row in rows for w in row]
    letters = np.frombuffer(b"".join(words), dtype=np.uint8)
    inner = Ragged(counts_to_offsets(np.array([len(w) for w in words], dtype=np.int64)), letters, text=True)
    return Ragged(counts_to_offsets(np.array([len(r) for r in rows], dtype=np.int64)), inner)


def test_text_is_text_in_awkward():
    column = ragged_text([["a", "µs"], [], [""]])
    assert ak.to_list(Table("tracks", {"usr_names": column}).usr_names) == [["a", "µs"], [], [""]]


def test_views_share_the_memory():
    table = table_of([2, 0, 3])
    view = table.row
    table.flat("row")[4] = 99
    assert ak.to_list(view) == [[0, 1], [], [2, 3, 99]]
    record = table.to_awkward(["row", "pos"])
    assert np.shares_memory(ak.to_numpy(ak.flatten(record["row"])), table.flat("row"))


def test_record_has_the_columns_asked_for():
    record = table_of([1, 2]).to_awkward(["pos", "row"])
    assert ak.fields(record) == ["pos", "row"]
    assert ak.to_list(record[1, 0]) == {"pos": [3.0, 4.0, 5.0], "row": 1}


def test_one_row_per_event_without_offsets():
    table = Table("events", {"run_id": np.array([7, 8, 9])})
    assert table.n_events == len(table) == 3
    assert ak.to_list(table.run_id) == [7, 8, 9]
    assert table.filter(np.array([True, False, True])).offsets is None
    assert table.take_events(np.array([2, 0])).flat("run_id").tolist() == [9, 7]
    with pytest.raises(FormatError, match="no offsets"):
        _ = table.counts


def test_no_columns_at_all():
    assert len(Table("hits", {}, np.array([0, 0, 0]))) == 0
    assert Table("hits", {}, np.array([0, 0, 0])).n_events == 2
    assert len(Table("events", {})) == 0


def test_columns_that_differ_in_length_are_refused():
    with pytest.raises(FormatError, match=r"'hits' differ in length \(t: 2, tot: 3\)"):
        Table("hits", {"t": np.zeros(2), "tot": np.zeros(3)})


def test_offsets_that_miss_the_end_are_refused():
    with pytest.raises(FormatError, match="offsets of table 'hits' end at 3, its columns at 2"):
        Table("hits", {"t": np.zeros(2)}, np.array([0, 3]))


def test_a_mask_of_the_wrong_length_is_refused():
    with pytest.raises(FormatError, match="a mask of 2 for the 3 rows"):
        table_of([3]).filter(np.array([True, False]))


@pytest.mark.parametrize("get", [lambda t: t.flat("poss"), lambda t: t.poss, lambda t: t.keep("poss")])
def test_unknown_column_lists_the_closest(get):
    with pytest.raises(UnknownNameError, match=r"no column 'poss' \(in table 'hits'\); there is: pos"):
        get(table_of([1]))


def test_with_columns_and_keep_share_the_rest():
    table = table_of([1, 1])
    new = table.with_columns({"calibration": "abc"}, t=np.zeros(2))
    assert new.columns == ("row", "pos", "usr", "t")
    assert new.flat("row") is table.flat("row")
    assert (new.attrs, table.attrs) == ({"calibration": "abc"}, {})
    assert new.keep("t").columns == ("t",)
    assert "t" in new
    assert "t" not in table


def test_map_reaches_every_array():
    seen = []
    table = table_of([2, 1]).map(lambda a: seen.append(a) or a + 0)
    assert len(seen) == 5  # row, pos, offsets and content of usr, offsets
    assert lists_of(table) == [[0, 1], [2]]


def test_nbytes_counts_offsets_and_content():
    table = table_of([2, 1])
    usr = table.flat("usr")
    assert table.nbytes == table.flat("row").nbytes + table.flat("pos").nbytes + usr.nbytes + 3 * 8
    assert usr.nbytes == 4 * 8 + 3 * 8
    assert usr.dtype == np.int64


def test_pickles_whole():
    table = table_of([2, 0, 1]).with_columns({"calibration": "abc"})
    again = pickle.loads(pickle.dumps(table))
    assert ak.to_list(again.to_awkward()) == ak.to_list(table.to_awkward())
    assert again.attrs == table.attrs


def test_dir_and_repr_name_what_is_there():
    table = table_of([2, 0, 1])
    assert {"row", "pos", "flat"} <= set(dir(table))
    assert repr(table) == "<Table hits: 3 rows in 3 events, 3 columns>"


ON_A_GPU = """
import sys, types
import numpy as np
from tests import fake_cupy

fake = fake_cupy.make()

class ndarray(fake_cupy.DeviceArray):  # awkward knows arrays of cupy by the name of their module
    strides = property(lambda self: self.host.strides)

ndarray.__module__ = "cupy"

def asarray(a, dtype=None, **_):
    assert isinstance(a, ndarray), "a copy to the device that nobody asked for"
    assert dtype is None or a.dtype == dtype
    return a

module = types.ModuleType("cupy")
module.__dict__.update(ndarray=ndarray, asarray=asarray, ascontiguousarray=lambda a: a)
module.__getattr__ = lambda name: getattr(fake, name)
sys.modules["cupy"] = module

import awkward as ak
from km3gpu.table import Ragged, Table

def on_device(values, dtype):
    return ndarray(np.array(values, dtype))

columns = {"t": on_device([1, 2, 3], "f8"), "tot": on_device([4, 5, 6], "u1")}
hits = Table("hits", columns, on_device([0, 2, 2, 3], "i8"))
view = hits.to_awkward()
assert ak.backend(view) == ak.backend(hits.t) == "cuda"
assert str(view.type) == "3 * var * {t: float64, tot: uint8}"
assert view.layout.offsets.data is hits.offsets
assert view.layout.content.contents[0].data is hits.flat("t")
lists = Table("x", {"l": Ragged(on_device([0, 1, 3], "i8"), on_device([1, 2, 3], "f4"))})
assert ak.backend(lists.l) == "cuda"
assert lists.l.layout.content.data is lists.flat("l").content
"""


def test_awkward_views_of_device_columns_are_the_columns():
    """Through the protocol: a class that says it is cupy's, as no GPU is at hand."""
    code = "import sys; sys.path.insert(0, '.')" + ON_A_GPU
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
