"""Times of every kind."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from astropy.time import Time

from km3gpu.astro import utc_ns
from km3gpu.errors import FormatError

T = 1_666_700_000_123_456_789


def test_integers_and_numpy_datetimes():
    assert utc_ns(T) == T
    assert utc_ns([T, T + 1]).tolist() == [T, T + 1]
    assert utc_ns(np.array([7], "u4")).dtype == np.int64
    assert utc_ns(np.datetime64(T, "ns")) == T
    assert utc_ns(np.array(["2022-10-25"], "M8[D]")).tolist() == [1_666_656_000 * 10**9]


def test_python_datetimes():
    utc = dt.datetime(2022, 10, 25, 12, 13, 20, 123456, tzinfo=dt.UTC)
    assert utc_ns(utc) == 1_666_700_000_123_456_000
    rome = utc.astimezone(dt.timezone(dt.timedelta(hours=2)))
    assert utc_ns([utc, rome]).tolist() == [1_666_700_000_123_456_000] * 2


def test_astropy_times_of_every_scale():
    for scale in ("utc", "tai", "tt", "tdb"):
        time = getattr(Time("2022-10-25T12:13:20.123456789", scale="utc", precision=9), scale)
        assert abs(int(utc_ns(time)) - T) <= 40  # ns: tdb takes 1e-8 s
    many = Time(["2015-06-30T23:59:59.5", "2015-07-01T00:00:00.5"], scale="utc")
    assert np.diff(utc_ns(many)).tolist() == [10**9]  # POSIX time skips the leap second


def test_a_leap_second_is_the_second_after_it():
    leap = Time(["2016-12-31T23:59:60.250", "2017-01-01T00:00:00.250"], scale="utc")
    a, b = utc_ns(leap).tolist()
    assert a == b == 1_483_228_800 * 10**9 + 250_000_000


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (1.6e18, "time_ns is float64, not int64"),
        ("2022-10-25", "time_ns is <U10"),
        (True, "time_ns is bool"),
        (np.array(["2022-10-25", "NaT"], "M8[ns]"), "the time of row 1 is NaT"),
        (dt.datetime(2022, 10, 25, 12), "of row 0, 2022-10-25T12:00:00, has no time zone"),
        (
            [dt.datetime(2022, 1, 1, tzinfo=dt.UTC), dt.datetime(2022, 1, 2)],
            "of row 1, 2022-01-02T00:00:00, has",
        ),
        ([dt.datetime(2022, 1, 1, tzinfo=dt.UTC), "x"], "of row 1 is 'x', no datetime"),
    ],
)
def test_what_is_no_time(time, message):
    with pytest.raises(FormatError, match=message):
        utc_ns(time)


def test_masked_times():
    time = Time([58_000.0, 58_001.0], format="mjd")
    time[1] = np.ma.masked
    with pytest.raises(FormatError, match="the time of row 1 is masked"):
        utc_ns(time)
