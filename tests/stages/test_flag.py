from __future__ import annotations

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import FormatError


def test_triggered_hits_are_found_among_the_snapshot_hits(daq: k3.Chunk) -> None:
    made = k3.flag(daq)
    trig = made.hits.flat("trig")
    assert (trig != 0).sum() == len(daq.triggered_hits) == 141_244
    assert made.counters["flag/missed"] == 0
    for event in (0, 7, 249):
        a, b = (slice(t.offsets[event], t.offsets[event + 1]) for t in (daq.hits, daq.triggered_hits))
        key = [
            tuple(r)
            for r in np.column_stack([daq.hits.flat(c)[a] for c in ("dom_id", "tdc", "tot", "channel_id")])
        ]
        bits = dict(zip(key, trig[a].tolist(), strict=True))
        columns = [daq.triggered_hits.flat(c)[b] for c in ("dom_id", "tdc", "tot", "channel_id")]
        wanted = daq.triggered_hits.flat("trig")[b].tolist()
        assert [bits[tuple(r)] for r in np.column_stack(columns)] == wanted


def test_offline_hits_have_their_bits(offline: k3.Chunk) -> None:
    assert k3.flag(offline).hits.flat("trig") is offline.hits.flat("trig")


def test_nothing_says_what_was_triggered(daq: k3.Chunk) -> None:
    with pytest.raises(FormatError, match="nothing says which hits were triggered"):
        k3.flag(k3.Chunk(daq.source, {"events": daq.events, "hits": daq.hits}))
