"""Plans whose stages look across the borders of slices: chunks that each read what is around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import km3gpu as k3
from km3gpu.backend import Backend
from km3gpu.errors import ConfigError
from km3gpu.pipeline import run
from km3gpu.pipeline.surroundings import read_with_surroundings
from km3gpu.stages import BuildEvents, build_events

SAMPLE = "testdata:online/events_sample.root"
DETECTOR = "testdata:detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
TREE = "KM3NET_TIMESLICE_L1"


def plan(folder: Path, chunk: int, tree: str = TREE) -> Path:
    path = folder / f"plan-{chunk}.toml"
    path.write_text(f"""
[source]
files = ["{SAMPLE}"]
tree = "{tree}"
chunk = {chunk}

[[stage]]
use = "build_events"
detector = "{DETECTOR}"

[[sink]]
format = "parquet"
tables = ["events", "hits"]
""")
    return path


def rows(path: Path) -> list[dict[str, object]]:
    found = pq.read_table(path).to_pylist()
    assert [r["entry"] for r in found] == sorted(r["entry"] for r in found)  # as the slices are in the file
    return sorted(found, key=lambda r: (r["frame_index"], r["t_first"]))


@pytest.mark.parametrize("chunk", [1, 3])
def test_every_event_comes_out_once_whatever_the_chunks(tmp_path: Path, data: Path, chunk: int) -> None:
    result = run(plan(tmp_path, chunk), out=tmp_path / "out")
    files = {p.stem: p for p in result.outputs}
    events = next(p for stem, p in files.items() if "events" in stem)
    got = rows(events)
    source = k3.open(data / "online/events_sample.root", tree=TREE)
    detector = str(data / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx")
    want = [c for c in build_events([source.read()], detector, "orca4") if c.n_events]
    assert len(want) == 1
    stream = want[0].events
    assert [r["frame_index"] for r in got] == [366, 367, 370, 372, 373]
    for name in ("trigger_mask", "overlays", "t_first", "t_last", "n_triggered", "n_hits", "time_ns"):
        assert [r[name] for r in got] == stream.flat(name).tolist(), name
    # the entry that each event's slice was read from
    frames = source.read({"events": ("frame_index",)}).events.flat("frame_index")
    assert [int(frames[r["entry"]]) for r in got] == [r["root_frame"] for r in got]
    assert sum(r.n_in for r in result.receipts) == 10


def test_what_is_read_around_a_chunk(data: Path) -> None:
    source = k3.open(data / "online/events_sample.root", tree=TREE)
    frames = source.read({"events": ("frame_index",)}).events.flat("frame_index").tolist()
    assert frames == [366, 368, 369, 370, 371, 364, 372, 373, 365, 367]
    columns = {"events": ("frame_index",), "hits": ("tdc",)}
    origin = next(iter(source.origins(1, columns=columns)))
    stages = [BuildEvents(str(data / "detx/detx_v4.detx"), "orca4")]
    chunk = read_with_surroundings(origin, stages, 10, Backend("cpu"))
    events = chunk.events
    assert events.flat("frame_index").tolist() == [366, 368, 364, 365, 367]
    assert events.flat("entry").tolist() == [0, 1, 5, 8, 9]
    assert events.flat("own").tolist() == [True, False, False, False, False]
    whole = source.read(columns).hits
    np.testing.assert_array_equal(chunk.hits.counts, whole.counts[[0, 1, 5, 8, 9]])
    assert chunk.id == read_with_surroundings(origin, [], 10, Backend("cpu")).id


def test_events_have_nothing_around(data: Path) -> None:
    source = k3.open(data / "online/events_sample.root")
    origin = next(iter(source.origins(5, columns={"events": ("frame_index",)})))
    with pytest.raises(ConfigError, match="stage 'build_events' works on timeslices"):
        read_with_surroundings(origin, [BuildEvents()], 10, Backend("cpu"))
