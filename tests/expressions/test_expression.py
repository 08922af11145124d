from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import km3gpu as k3
from km3gpu.chunk import Chunk, Origin
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.expressions import Expression
from km3gpu.table import Ragged, Table

TOT = np.array([10, 200, 255, 3, 30], np.uint8)
T = np.array([5.0, 1.0, np.nan, 7.5, 7.5])
TRIG = np.array([0, 1, 2, 3, 2**63], np.uint64)


@pytest.fixture(scope="module")
def chunk() -> Chunk:
    """Three events, with 3, 0 and 2 hits."""
    words = b"numu", b"nu", b"nutau\xc3\xa9"
    label = Ragged(np.array([0, 4, 6, 13]), np.frombuffer(b"".join(words), np.uint8), text=True)
    overlays = np.array([5, 1, 4])
    events = Table("events", {"overlays": overlays, "w": np.arange(6.0).reshape(3, 2), "label": label})
    fit = Ragged(np.array([0, 2, 3]), np.array([0.5, 1.5, 2.5]))
    tracks = Table("tracks", {"E": np.array([100.0, 10.0]), "fitinf": fit}, np.array([0, 1, 1, 2]))
    hits = Table("hits", {"tot": TOT, "t": T, "trig": TRIG}, np.array([0, 3, 3, 5]))
    origin = Origin("a.root", "daq", "X", 0, 3)
    return Chunk(origin, {"events": events, "hits": hits, "tracks": tracks})


VALUES = {
    # rows of hits
    ("tot > 20 & trig > 0", "hits"): [False, True, True, False, True],
    ("tot > 20 and not (trig == 1 or trig == 2)", "hits"): [False, False, False, False, True],
    ("~(tot > 20) | trig == 1", "hits"): [True, True, False, True, False],
    ("5 < tot <= 30", "hits"): [True, False, False, False, True],
    ("tot in [3, 10]", "hits"): [True, False, False, True, False],
    ("tot not in (3, 10)", "hits"): [False, True, True, False, True],
    ("bits(trig, 2)", "hits"): [False, False, True, True, False],
    ("bits(trig, 9223372036854775808)", "hits"): [False, False, False, False, True],
    ("tot * 10 + 1", "hits"): [101, 2001, 2551, 31, 301],  # in a byte it would wrap around
    ("tot - 20", "hits"): [-10, 180, 235, -17, 10],
    ("t - min(t) < 1", "hits"): [False, True, False, True, True],
    ("events.overlays == 4", "hits"): [False, False, False, True, True],
    ("where(isnan(t), -1.0, t)", "hits"): [5.0, 1.0, -1.0, 7.5, 7.5],
    ("min(tot, 50)", "hits"): [10, 50, 50, 3, 30],
    ("2", "hits"): [2, 2, 2, 2, 2],
    # one per event
    ("overlays > 3", "events"): [True, False, True],
    ("any(hits.tot > 100)", "events"): [True, False, False],
    ("all(hits.tot > 2)", "events"): [True, True, True],
    ("count(hits)", "events"): [3, 0, 2],
    ("count(hits.trig > 0)", "events"): [2, 0, 2],
    ("sum(hits.tot)", "events"): [465, 0, 33],
    ("max(hits.tot) - min(hits.tot)", "events"): [245, 0, 27],
    ("first(tracks.E)", "events"): [100.0, np.nan, 10.0],
    ("first(tracks.fitinf[1])", "events"): [1.5, np.nan, np.nan],
    ("w[1] / overlays", "events"): [0.2, 3.0, 1.25],
    ("mean(hits.tot)", "events"): [155.0, np.nan, 16.5],
    ("overlays ** -1", "events"): [0.2, 1.0, 0.25],
    ("log10(max(tracks.E, 1))", "tracks"): [2.0, 1.0],
    ("fitinf[JGANDALF_BETA0_RAD]", "tracks"): [0.5, 2.5],
    ("1 / (overlays - 1)", "events"): [0.25, np.inf, 1 / 3],
    # texts
    ("label == 'numu'", "events"): [True, False, False],
    ("'nu' != label", "events"): [True, False, True],
    ("label in ['nu', 'nutau\u00e9'] & overlays > 1", "events"): [False, False, True],
    ("label not in ('nu', '')", "events"): [True, False, True],
    ("events.label == 'numu'", "hits"): [True, True, True, False, False],
}


@pytest.mark.parametrize(("text", "table"), VALUES, ids=[k[0] for k in VALUES])
def test_values(chunk: Chunk, text: str, table: str) -> None:
    found = Expression(text, table).values(chunk)
    expected = np.array(VALUES[text, table])
    assert found.dtype.kind == expected.dtype.kind
    assert np.allclose(found, expected, equal_nan=True)


FAULTS = {
    "": (ConfigError, "an empty expression"),
    "tot >": (ConfigError, "no valid expression"),
    "__import__('os').system('true')": (ConfigError, "is no function"),
    "open('/etc/passwd')": (ConfigError, "no function 'open'"),
    "tot.__class__.__mro__": (ConfigError, "is no column; write table.column"),
    "(lambda: 1)()": (ConfigError, "is no function"),
    "[x for x in tot]": (ConfigError, "ListComp is no part"),
    "tot if t else 3": (ConfigError, "write where(condition, a, b)"),
    "tot ^ 1": (ConfigError, "write a != b"),
    "f'{tot}'": (ConfigError, "is no part of an expression"),
    "tot == 'a'": (FormatError, "'a' is a text, compared with numbers"),
    "tot > 'a'": (ConfigError, "'a' is no number; texts are compared by == and !="),
    "tot in ['a', 3]": (FormatError, "'a' is a text, compared with numbers"),
    "t + 'a' == 3": (ConfigError, "'a' is no number"),
    "events.label > 3": (FormatError, "take one item"),
    "events.w == 'a'": (FormatError, "'a' is a text, compared with numbers"),
    "tracks.fitinf == 'a'": (FormatError, "'a' is a text, compared with lists"),
    "tot > 1j": (ConfigError, "1j is no number; write a number"),
    "fitinf[1:2]": (ConfigError, "does not name one item"),
    "sqrt(t, 2)": (ConfigError, "sqrt() takes 1, not 2"),
    "sqrt(x=t)": (ConfigError, "takes values only"),
    "tot > 1" + "0" * 30: (ConfigError, "too large a number"),
    "(" * 300 + "1" + ")" * 300: (ConfigError, "no valid expression"),
    "tot + " * 400 + "1": (ConfigError, "characters"),
    "tot[0] > 1": (FormatError, "the column has no lists"),
    "tot & 3": (FormatError, "joins conditions, and one is uint8"),
    "any(tot)": (FormatError, "any counts conditions"),
    "tracks.E > 3": (FormatError, "make one per event of it"),
    "tracks.fitinf > 3": (FormatError, "take one item"),
    "max(overlays)": (UnknownNameError, "there is: events.overlays"),
    "toot > 3": (UnknownNameError, "no column 'toot' (in table 'hits'); there is: tot"),
    "tot + t": (FormatError, "is no condition but float64"),
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda t: t[:30])
def test_faults(chunk: Chunk, text: str) -> None:
    kind, words = FAULTS[text]
    with pytest.raises(kind) as error:
        Expression(text, "hits").mask(chunk)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_reads() -> None:
    reads = Expression("any(hits.tot > 3) & overlays > count(tracks) + tracks.E[2] + pi").reads
    assert reads == {"hits": ("tot",), "events": ("overlays",), "tracks": ("id", "E")}


_LEAF = st.sampled_from(["tot", "t", "3", "0.5"])


def _joined(operators: list[str]) -> Callable[[st.SearchStrategy[str]], st.SearchStrategy[str]]:
    return lambda x: st.tuples(x, st.sampled_from(operators), x).map(" ".join).map("({})".format)


_NUMBER = st.recursive(_LEAF, _joined(["+", "-", "*"]), max_leaves=4)
_TEST = st.tuples(_NUMBER, st.sampled_from(["<", "<=", "==", "!=", ">"]), _NUMBER).map(" ".join)
_LOGIC = st.recursive(_TEST, _joined(["and", "or"]), max_leaves=4)


@settings(max_examples=60, deadline=None)
@given(_LOGIC)
def test_the_same_as_python_computes_row_by_row(text: str) -> None:
    tot, t = TOT[:2], np.array([1.25, -7.0])
    origin = Origin("a.root", "daq", "X", 0, 1)
    chunk = Chunk(origin, {"hits": Table("hits", {"tot": tot, "t": t}, np.array([0, 2]))})
    expected = []
    for a, b in zip(tot.tolist(), t.tolist(), strict=True):
        tree = compile(ast.parse(text, mode="eval"), "", "eval")
        expected.append(bool(eval(tree, {"tot": a, "t": b})))
    assert Expression(text, "hits").values(chunk).tolist() == expected


def test_on_real_events(data: Path) -> None:
    chunk = k3.open(data / "online/muon_cc_daqevents.root").read()
    found = Expression("count(hits.tot > 26) > 100 & overlays > 3").mask(chunk)
    offsets, tot = chunk.hits.offsets, chunk.hits.flat("tot")
    slow = [
        bool((tot[a:b] > 26).sum() > 100 and o > 3)
        for a, b, o in zip(offsets[:-1], offsets[1:], chunk.events.flat("overlays"), strict=True)
    ]
    assert found.tolist() == slow
    assert 0 < sum(slow) < 250
