"""Earth orientation and daily tables against astropy's own."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import astropy.units as u
import astropy_iers_data
import numpy as np
import pytest
from astropy.utils import iers

from km3gpu.astro import sky_table
from km3gpu.astro.eop import MEAN_POLE, OUTSIDE, earth_orientation, tai_minus_utc
from km3gpu.astro.tables import FIRST_NS, LAST_NS
from km3gpu.astro.times import DAY_NS
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError

DAY = 19_000  # 2022-01-08


def test_same_values_as_astropys_table():
    ours, theirs = earth_orientation(), iers.IERS_Auto.open()
    i = theirs["MJD"].value.astype(int) - ours.first_mjd
    np.testing.assert_array_equal(ours.ut1_utc[i], theirs["UT1_UTC"].to_value(u.s))
    np.testing.assert_array_equal(ours.xp[i], theirs["PM_x"].to_value(u.rad))
    np.testing.assert_array_equal(ours.yp[i], theirs["PM_y"].to_value(u.rad))
    assert ours.last_mjd == theirs["MJD"][-1].value
    first_predicted = ours.first_mjd + int(np.argmax(ours.status == 2))
    assert first_predicted == theirs.meta["predictive_mjd"]


def test_same_leap_seconds_as_astropy():
    rows = iers.LeapSeconds.from_iers_leap_seconds()
    mjd = rows["mjd"].astype(np.int64)
    np.testing.assert_array_equal(tai_minus_utc(mjd), rows["tai_utc"])
    np.testing.assert_array_equal(tai_minus_utc(mjd[1:] - 1), rows["tai_utc"][:-1])


def test_a_leap_second_is_no_jump_of_the_rotation():
    # 2016-12-31 has 86,401 s; UT1 - UTC jumps by a second at its end, UT1 does not
    days = earth_orientation().over_days(np.array([57_752, 57_753, 57_754]))
    assert days.ut1_utc[2] - days.ut1_utc[1] > 0.9
    assert np.abs(days.ut1_drift).max() < 0.003


def test_outside_of_the_tables_is_astropys_fall_back():
    last = earth_orientation().last_mjd
    days = earth_orientation().over_days(np.array([last - 1, last, last + 1000, 30_000]))
    assert days.status.tolist()[1:] == [OUTSIDE] * 3
    assert days.status[0] != OUTSIDE
    assert days.ut1_utc[1:3].tolist() == [earth_orientation().ut1_utc[-1]] * 2
    assert (days.xp[1], days.yp[1]) == MEAN_POLE


def test_table_of_one_day_and_of_a_range_agree():
    day, year = sky_table(DAY * DAY_NS, DAY * DAY_NS), sky_table((DAY - 200) * DAY_NS, (DAY + 200) * DAY_NS)
    for t in (day, year):
        assert t.start_ns <= DAY * DAY_NS < t.stop_ns
    i, j = (DAY - t.start_ns // DAY_NS for t in (day, year))
    np.testing.assert_array_equal(day.rows[i], year.rows[j])
    assert sky_table(DAY * DAY_NS + 5, DAY * DAY_NS + 7) is day


def test_neighbouring_days_meet():
    rows = sky_table((DAY - 300) * DAY_NS, (DAY + 300) * DAY_NS).rows
    for column, tolerance in ((0, 1e-12), (8, 1e-14), (12, 1e-14), (16, 1e-15), (28, 1e-11), (40, 1e-11)):
        end = rows[:-1, column : column + 4].sum(axis=1)
        jump = end - rows[1:, column]
        if column == 0:
            jump = (jump + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(jump).max() < tolerance, column


def test_thirteen_years_are_under_two_megabytes():
    table = sky_table(16_436 * DAY_NS, (16_436 + 4748) * DAY_NS)
    assert table.nbytes < 2e6
    assert pickle.loads(pickle.dumps(table)).rows.shape == table.rows.shape


def test_record_for_provenance():
    last = (earth_orientation().last_mjd - 40_587) * DAY_NS
    record = sky_table(last - 10 * DAY_NS, last + 4 * DAY_NS).record(last - 2 * DAY_NS, last + 4 * DAY_NS)
    assert record["iers"] == f"astropy-iers-data {astropy_iers_data.__version__}"
    assert record["iers_digest"].startswith("sha256:")
    assert (record["days_predicted"], record["days_outside_tables"], record["degraded"]) == (2, 5, True)
    past = sky_table(DAY * DAY_NS, DAY * DAY_NS).record(DAY * DAY_NS, DAY * DAY_NS)
    assert past["first_day"] == past["last_day"] == "2022-01-08"
    assert (past["days_predicted"], past["degraded"]) == (0, False)


def test_a_table_of_the_users_own(tmp_path: Path):
    copy = tmp_path / "finals2000A.all"
    lines = Path(astropy_iers_data.IERS_A_FILE).read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines[:-400]))
    table = sky_table(DAY * DAY_NS, DAY * DAY_NS, iers=str(copy))
    assert re.fullmatch(r"Bulletin A measured to 20\d\d-\d\d-\d\d", table.iers_version)
    np.testing.assert_array_equal(table.rows, sky_table(DAY * DAY_NS, DAY * DAY_NS).rows)


def test_what_is_no_table(tmp_path: Path):
    with pytest.raises(InputNotFoundError, match="no IERS table"):
        earth_orientation(str(tmp_path / "none"))
    (tmp_path / "text").write_text("hello\n" * 100)
    with pytest.raises(FormatError, match="this is no IERS table"):
        earth_orientation(str(tmp_path / "text"))
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(FormatError, match="this is no IERS table"):
        earth_orientation(str(tmp_path / "empty"))


@pytest.mark.parametrize(("first", "last"), [(FIRST_NS - 1, 0), (0, LAST_NS), (10, 5)])
def test_ranges_that_cannot_be(first, last):
    with pytest.raises(ConfigError, match="no sky table from"):
        sky_table(first, last)


def test_astropy_is_left_alone_and_not_even_imported():
    code = (
        "import sys; from km3gpu import astro;"
        "astro.local_to_icrs(1_600_000_000 * 10**9, 0., 0., -1., 'arca');"
        "sys.exit(any(m == 'astropy' or m.startswith('astropy.') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
