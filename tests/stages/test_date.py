from __future__ import annotations

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import ConfigError

START = "2021-09-14T11:16:25"
START_NS = int(np.datetime64(START, "ns").astype(np.int64))


def test_simulated_events_move_to_the_run(offline):
    events = k3.date(offline, START).events
    before, after = offline.events.flat("time_ns"), events.flat("time_ns")
    # the time stamp of the first event of this file was never set
    assert not 0 <= offline.events.flat("t_ns")[0] < 10**9
    assert after[0] == START_NS
    np.testing.assert_array_equal(after[1:], before[1:] + START_NS)


def test_real_events_keep_their_date(data):
    chunk = k3.open(data / "offline/km3net_offline.root").read(["events"])
    dated = k3.date(chunk, START)
    np.testing.assert_array_equal(dated.events.flat("time_ns"), chunk.events.flat("time_ns"))
    assert dated.counters == {"date/undated": 0, "date/unset": 0}


@pytest.mark.parametrize("start", ["yesterday", "1969-01-01", ""])
def test_a_start_that_is_no_time(offline, start):
    with pytest.raises(ConfigError, match="start"):
        k3.date(offline, start)
