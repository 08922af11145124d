"""What a blob holds of an event: keys, names and types as km3pipe gives them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.compat.thepipe.events import Events
from km3gpu.compat.thepipe.pump import EventPump
from km3gpu.compat.thepipe.stage import ModuleStage

MC = "testdata:offline/numucc.root"
DAQ = "testdata:online/km3net_online.root"


def types(array: Any) -> dict[str, str]:
    return {n: array.dtype[n].str for n in array.dtype.names}


def test_columns_of_km3pipe_s_tabulators() -> None:
    blob = next(iter(EventPump(filename=MC)))
    # taken from the tables that km3modules.io makes of this file
    info = types(blob["EventInfo"])
    for name in ("event_id", "run_id", "det_id", "frame_index", "mc_run_id", "timestamp", "nanoseconds"):
        assert info[name] == "<i4", name
    for name in ("weight_w1", "weight_w2", "weight_w3", "weight_w4", "mc_time"):
        assert info[name] == "<f8", name
    assert (info["trigger_mask"], info["trigger_counter"], info["overlays"]) == ("<u8", "<u8", "<u4")
    hits = {"channel_id": "<u4", "dom_id": "<i4", "tdc": "<u4", "time": "<f8", "tot": "<u4", "pos_x": "<f8"}
    assert hits.items() <= types(blob["Hits"]).items()
    mc_hits = {"a": "<f8", "origin": "<i4", "pmt_id": "<i4", "time": "<f8"}
    assert mc_hits.items() <= types(blob["McHits"]).items()
    mc_tracks = {"dir_x": "<f8", "energy": "<f8", "id": "<i4", "length": "<f8", "pdgid": "<i4", "time": "<f8"}
    assert mc_tracks.items() <= types(blob["McTracks"]).items()
    [chunk] = k3.open(MC).chunks("1 GB", tables=["events"])
    w = list(chunk.tables["events"].w[0])
    got = [blob["EventInfo"][f"weight_w{k}"][0] for k in (1, 2, 3, 4)]
    np.testing.assert_array_equal(got, w[:4] + [np.nan] * (4 - len(w)))


def test_a_table_without_rows_is_not_there() -> None:
    """As with km3pipe, so that ``only_if`` leaves such events out."""
    blobs = list(EventPump(filename="testdata:offline/km3net_offline.root"))
    assert {"Hits", "EventInfo"} <= set(blobs[0])
    assert not {"McHits", "McTracks"} & set(blobs[0])


def test_daq_events_have_times_and_triggered_hits() -> None:
    [chunk] = k3.open(DAQ).chunks("1 GB", tree="KM3NET_EVENT")
    blobs = list(EventPump(filename=DAQ, tree="KM3NET_EVENT"))
    assert [int((b["Hits"].triggered > 0).sum()) for b in blobs] == [18, 53, 9]
    assert [len(b["TriggeredHits"]) for b in blobs] == [18, 53, 9]
    for i, blob in enumerate(blobs):
        tdc = np.asarray(chunk.tables["hits"].tdc[i])
        assert (blob["Hits"].time.dtype, blob["Hits"].time.tolist()) == (np.float64, tdc.tolist())
        info = blob["EventInfo"]
        assert (int(info.timestamp[0]), int(info.frame_index[0])) == (1573257612, (127, 127, 129)[i])


def test_timeslices_have_their_own_keys() -> None:
    blob = next(iter(EventPump(filename=DAQ, tree="KM3NET_TIMESLICE_L1")))
    assert set(blob) == {"TimesliceInfo", "TSHits", "Frames"}
    assert {"channel_id", "dom_id", "time", "tot"} <= set(blob["TSHits"].dtype.names)
    assert blob["TimesliceInfo"].frame_index.tolist() == [512]


def test_a_stage_sees_lists_where_they_are_named() -> None:
    [chunk] = k3.open(MC).chunks("1 GB", tables=["tracks"])
    assert "fitinf" not in Events(chunk, lists=()).blob(0)["Tracks"].dtype.names
    assert "fitinf" in Events(chunk, lists=("tracks/fitinf",)).blob(0)["Tracks"].dtype.names


def test_hits_bring_the_triggered_hits_of_daq_files() -> None:
    stage = ModuleStage("a.B", '{"blob_keys": ["Hits"]}')
    assert set(stage.reads("daq")) == {"hits", "triggered_hits"}
    assert set(ModuleStage("a.B", '{"blob_keys": ["TSHits"]}').reads("timeslices")) >= {"hits"}


def test_tables_are_km3pipe_s_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table(np.recarray[Any, Any]):
        """Takes what km3pipe's takes, and keeps it over slices."""

        h5loc = ""

        def __new__(cls, data: Any, h5loc: str, split_h5: bool, name: str) -> Table:
            self = np.asanyarray(data).view(cls)
            self.h5loc, self.split_h5, self.name = h5loc, split_h5, name
            return self

        def __array_finalize__(self, other: Any) -> None:
            for name in ("h5loc", "split_h5", "name"):
                setattr(self, name, getattr(other, name, None))

    package = ModuleType("km3pipe.dataclasses")
    package.Table = Table  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "km3pipe.dataclasses", package)
    blob = next(iter(EventPump(filename=MC)))
    assert {type(t) for t in blob.values()} == {Table}
    hits, info = blob["Hits"], blob["EventInfo"]
    assert (hits.h5loc, hits.split_h5, hits.name) == ("/hits", True, "Hits")
    assert (info.h5loc, info.split_h5, len(info)) == ("/event_info", False, 1)
