"""Which columns are read, and where chunks are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from km3gpu.errors import ConfigError, UnknownNameError
from km3gpu.io.dataset import choose, parse_size, plan_edges

TABLES = {"events": ("id", "time_ns"), "hits": ("t", "tot", "dom_id")}


class Fake:
    """A dataset without a file."""

    kind = "fake"
    name = "T"
    where = "tree T of x.root"

    def __init__(self, n_entries=100, edges=(0, 100), nbytes=1000):
        self.n_entries = n_entries
        self._edges = list(edges)
        self._nbytes = nbytes

    def tables(self):
        return dict(TABLES)

    def hidden(self, table):
        return ("fBits",) if table == "hits" else ()

    def edges(self):
        return self._edges

    def nbytes(self, wanted):
        return self._nbytes


@pytest.mark.parametrize(
    ("tables", "columns", "wanted"),
    [
        (None, None, TABLES),
        ("hits", None, {"hits": TABLES["hits"]}),
        (["events", "hits"], None, TABLES),
        (None, {"hits": ("tot", "t")}, {"hits": ("tot", "t")}),
        (None, {"hits": "t", "events": ["id"]}, {"hits": ("t",), "events": ("id",)}),
        (None, ["hits/t", "events/id", "hits/tot", "hits/t"], {"hits": ("t", "tot"), "events": ("id",)}),
        ("events", {"hits": ("t",)}, {"events": TABLES["events"], "hits": ("t",)}),
        (("hits",), ["hits/t"], {"hits": ("t",)}),
        (None, "hits/fBits", {"hits": ("fBits",)}),
        (None, {"hits": ()}, {}),
        ((), None, {}),
    ],
)
def test_columns_are_chosen(tables, columns, wanted):
    assert choose(Fake(), tables, columns) == wanted


@pytest.mark.parametrize(
    ("tables", "columns", "words"),
    [
        ("hitz", None, r"no table 'hitz' \(in tree T of x.root\); there is: hits"),
        (
            None,
            {"hits": ("tott",)},
            r"no column 'tott' \(in table 'hits' of tree T of x.root\); there is: tot",
        ),
        (None, ["hits.t"], r"no column 'hits.t' .*hits/t"),
        (None, {"tracks": ("t",)}, "no table 'tracks'"),
    ],
)
def test_unknown_names_are_told_with_the_closest(tables, columns, words):
    with pytest.raises(UnknownNameError, match=words):
        choose(Fake(), tables, columns)


@given(
    n=st.integers(0, 300),
    cuts=st.lists(st.integers(1, 299), max_size=12),
    step=st.one_of(st.none(), st.integers(1, 400), st.sampled_from(["1 B", "100 kB", "1 GiB", "7 kB"])),
)
def test_edges_cover_every_entry_once(n, cuts, step):
    natural = sorted({0, n, *(c for c in cuts if c < n)})
    edges = plan_edges(Fake(n, natural, 1_000_000), step, TABLES)
    if n == 0:
        assert edges == []
        return
    assert edges[0] == 0
    assert edges[-1] == n
    sizes = [b - a for a, b in itertools.pairwise(edges)]
    assert min(sizes) > 0
    if isinstance(step, int):
        assert max(sizes) <= step
        for start, stop in itertools.pairwise(edges):
            inside = [e for e in natural if start < e <= start + step]
            # an edge inside a basket only where no boundary was in reach
            assert stop in natural or not inside


@pytest.mark.parametrize(
    ("step", "edges"),
    [
        (10, [0, 8, 16, 24, 30]),
        (8, [0, 8, 16, 24, 30]),
        (16, [0, 16, 30]),
        (5, [0, 5, 8, 13, 16, 21, 24, 29, 30]),
        (1000, [0, 30]),
        (None, [0, 30]),
        ("10 B", [0, 8, 16, 24, 30]),
    ],
)
def test_edges_snap_to_baskets(step, edges):
    assert plan_edges(Fake(30, [0, 8, 16, 24, 30], 30), step, TABLES) == edges


@pytest.mark.parametrize(
    ("text", "size"),
    [("64 MB", 64_000_000), ("1GiB", 2**30), ("10", 10), ("1.5 kB", 1500), (" 3 b ", 3), ("2K", 2000)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("step", ["", "MB", "12 parsec", "0 MB", "-1 MB", "nan", "1e30 GB", 0, -5])
def test_nonsense_for_a_step_is_refused(step):
    with pytest.raises(ConfigError):
        plan_edges(Fake(), step, TABLES)
