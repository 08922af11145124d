"""EVT files in all dialects, against Python's own `float` on every line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import km3gpu
from km3gpu.errors import FormatError
from km3gpu.kernels.cpu import text as kernel

FILES = {
    "evt/KM3Sim.evt": 10,
    "evt/corant_5.1.9.evt": 3,
    "evt/example_corant_propa.evt": 1,
    "evt/example_numuCC.evt": 109,
    "evt/example_numuNC.evt": 1,
    "gseagen/gseagen_v7.0.0_numuCC_diffuse.evt": 82,
    "mupage/mcv5.0.mupage_1G.5.evt": 20,
}
TAGS = {
    "mc_hits": "hit",
    "raw_hits": "hit_raw",
    "mc_tracks": "track_in",
    "neutrinos": "neutrino",
    "primary_leptons": "primarylepton",
    "bundles": "track_bundle",
}


def slow(path):
    """Read all lines of all events: a list of {tag: [values]} per event."""
    events = []
    for line in path.read_text(errors="replace").splitlines():
        tag, colon, values = line.partition(":")
        tag = tag.strip()
        if tag == "start_event":
            events.append({})
        if colon and events:
            events[-1].setdefault(tag, []).append(values.split())
    return events


def number(word):
    try:
        return float(word)
    except ValueError:
        return math.nan


@pytest.mark.parametrize("name", FILES)
def test_every_number_of_every_line(data, name):
    source = km3gpu.open(data / name)
    assert (source.kind, source.n_events) == ("evt", FILES[name])
    chunk = source.read(backend="cpu")
    events = slow(data / name)
    n_lines = 0
    for table, made in chunk.tables.items():
        if table == "events":
            continue
        rows = [e.get(TAGS.get(table, table), []) for e in events]
        assert made.counts.tolist() == [len(r) for r in rows]
        flat = [r for event in rows for r in event]
        n_lines += len(flat)
        for k, column in enumerate(made.columns):
            wanted = [number(r[k]) if k < len(r) else math.nan for r in flat]
            assert np.array_equal(made.flat(column).astype(float), wanted, equal_nan=True), (table, column)
    lists = {"w": "weights", "w2list": "w2list", "w3list": "w3list"}
    for column in set(lists) & set(chunk.events.columns):
        wanted = [[float(v) for r in e.get(lists[column], []) for v in r] for e in events]
        assert getattr(chunk.events, column).to_list() == wanted
        n_lines += sum(lists[column] in e for e in events)
    if "target" in chunk.events:
        wanted = [" ".join(" ".join(r) for r in e["target"]) for e in events]
        assert [" ".join(t.split()) for t in chunk.events.target.to_list()] == wanted
        n_lines += len(events)
    # every line of every event is somewhere
    assert n_lines == sum(
        len(r) for e in events for t, r in e.items() if t not in ("start_event", "end_event")
    )
    assert chunk.events.flat("id").tolist() == [int(e["start_event"][0][0]) for e in events]


def test_names_of_the_values(data):
    chunk = km3gpu.open(data / "evt/KM3Sim.evt").read(backend="cpu")
    assert chunk.mc_hits.to_awkward()[0, 0].to_list() == {
        "id": 1, "pmt_id": 195749, "a": 1.0, "t": 146.2, "type": 3, "n_photons": 1, "origin": 1,
        "c_time": 146.2, "material": 5,
    }  # fmt: skip
    neutrino = chunk.neutrinos.to_awkward()[0, 0].to_list()
    assert (neutrino["E"], neutrino["by"], neutrino["type"], neutrino["cc"]) == (0.10066, 0.316002, 12, 2)
    # air shower programs write neutrinos as they do tracks
    shower = km3gpu.open(data / "evt/example_corant_propa.evt").read(backend="cpu")
    assert shower.neutrinos.code[0, 0] == -14


def test_the_header(data):
    header = km3gpu.open(data / "evt/example_numuCC.evt").header
    assert header.physics.program == "GENHEN"
    assert header.can.zmax == 508.68
    assert header.seed_1 is not None
    assert km3gpu.open(data / "evt/KM3Sim.evt").header.start_run.run_id == 1


def test_any_range_is_that_part(data):
    source = km3gpu.open(data / "evt/example_numuCC.evt")
    whole = source.read(["raw_hits", "events"], backend="cpu")
    for start, stop in ((0, 1), (30, 60), (108, 109), (7, 7)):
        part = source.read(["raw_hits", "events"], entries=(start, stop), backend="cpu")
        assert part.raw_hits.t.to_list() == whole.raw_hits.t[start:stop].to_list()
        assert part.events.w.to_list() == whole.events.w[start:stop].to_list()
    assert [c.n_events for c in source.chunks(50, "events", backend="cpu")] == [50, 50, 9]


def test_tags_that_are_called_as_tables_are(tmp_path):
    path = tmp_path / "x.evt"
    lines = "events: 1 2\nmc_hits: 5\nhit: 1 2 3 4\n"
    path.write_text(f"start_run: 1\nend_event:\nstart_event: 7 1\n{lines}end_event:\n")
    chunk = km3gpu.open(path).read(backend="cpu")
    assert chunk.events.flat("id").tolist() == [7]
    assert chunk.tag_events.value_0.to_list() == [[1.0]]
    assert {len(t.columns) for n, t in chunk.tables.items() if n.endswith("mc_hits")} == {1, 4}


@pytest.mark.parametrize(
    "text",
    [
        "start_run: 1\nend_event:\nstart_event: 1 1\nhit: 1 2 3 4\n",
        "start_run: 1\nend_event:\nstart_event: 1 1\nstart_event: 2 1\nend_event:\nend_event:\n",
    ],
)
def test_events_that_do_not_end(tmp_path, text):
    path = tmp_path / "x.evt"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"events begin.*x\.evt"):
        km3gpu.open(path)


def test_a_file_of_a_header_only(tmp_path):
    path = tmp_path / "x.evt"
    path.write_text("start_run: 7\nend_event:\n")
    source = km3gpu.open(path)
    assert source.n_events == 0
    assert source.read(backend="cpu").events.columns == ("id",)
    assert source.header.start_run.run_id == 7


def parse(text: bytes):
    data = np.frombuffer(text, np.uint8)
    starts, stops = np.array([0]), np.array([len(data)])
    counts = np.zeros(1, np.int64)
    kernel.count_tokens(data, starts, stops, counts)
    values = np.full(int(counts[0]), -1.0)
    hard = np.zeros((99, 3), np.int64)
    n = kernel.parse_rows(data, starts, stops, np.array([0, counts[0]]), values, hard, 99)
    for k, a, b in hard[:n]:
        values[k] = float(text[a:b].lower().replace(b"d", b"e"))
    return values.tolist()


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18), max_size=6)
)
def test_numbers_are_those_that_float_reads(numbers):
    for form in ("{!r}", "{:.6e}", "{:.3f}", "{:+.12g}"):
        words = [form.format(float(v)) for v in numbers]
        assert parse(" ".join(words).encode()) == [float(w) for w in words]


@given(st.text("0123456789.+-eEdD *ax\t", max_size=30))
@example("1e")
@example("-")
@example("+.e5")
@example("1e99999999999999999999")
@example("0." + "0" * 400 + "1")
def test_any_text_ends_and_every_number_is_right(text):
    values = parse(text.encode())
    for word in text.split():
        try:
            value = float(word)
        except ValueError:
            continue
        if math.isfinite(value) and set(word) <= set("0123456789.+-eE"):
            assert value in values


def test_numbers_that_fortran_runs_together():
    assert parse(b"0.100E+03-0.100E+01 1D2") == [100.0, -1.0, 100.0]
    assert [v != v for v in parse(b"0.000   922.000 *********")] == [False, False, True]
