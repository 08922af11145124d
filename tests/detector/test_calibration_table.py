"""Tables that say which calibration holds for which run or time."""

from __future__ import annotations

from pathlib import Path

import pytest

from km3gpu.detector.calibration_table import CalibrationTable, is_table
from km3gpu.errors import CalibrationError, ConfigError, FormatError, InputNotFoundError, UnknownNameError

NS = 10**9


@pytest.fixture
def table(tmp_path):
    def make(text, name="t.csv"):
        (tmp_path / name).write_text(text)
        return CalibrationTable.open(tmp_path / name)

    return make


def test_runs_are_inclusive_and_open_ends_do_not_limit(table, tmp_path):
    t = table("first_run,last_run,detector\n1,10,a.datx\n11,,/abs/b.datx\n")
    files = [t.file("detector", run) for run in (1, 10, 11, 10**6)]
    assert files == [str(tmp_path / "a.datx")] * 2 + ["/abs/b.datx"] * 2
    assert t.files() == (str(tmp_path / "a.datx"), "/abs/b.datx")
    with pytest.raises(CalibrationError, match=r"no line for run 0.*runs 1-10, 11-"):
        t.file("detector", 0)
    with pytest.raises(CalibrationError, match="no line for data without a run"):
        t.file("detector")


def test_times_end_before_the_last_and_are_utc(table):
    t = table("first_time,last_time,detector\n2022-01-01,2023-01-01T00:00:00Z,a\n2023-01-01T01:00+01:00,,b\n")
    at = 1_672_531_200 * NS  # 2023-01-01
    names = [Path(t.file("detector", time_ns=time)).name for time in (at - 365 * 86400 * NS, at - 1, at)]
    assert names == ["a", "a", "b"]


def test_toml_says_the_same_as_csv(table):
    csv = table("first_run,det_id,detector,orientations,comment\n5,133,a.datx,o.root,x\n")
    toml = table(
        '[[calibration]]\nfirst_run = 5\ndet_id = 133\ndetector = "a.datx"\norientations = "o.root"\n',
        "t.toml",
    )
    assert csv.parameters == toml.parameters == ("detector", "orientations")
    assert csv.files() == toml.files()
    assert toml.file("orientations", 7, None, 133).endswith("o.root")
    with pytest.raises(UnknownNameError, match="shapes"):
        toml.file("shapes", 7, None, 133)
    with pytest.raises(CalibrationError, match="run 7 of detector 44"):
        toml.file("detector", 7, None, 44)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", FormatError, "empty"),
        ("first_run,detector\n", FormatError, "empty"),
        ("first_run,last_run\n1,2\n", FormatError, "no column names files"),
        ("first_run,detektor\n1,a\n", ConfigError, r"unknown column 'detektor'.*line 2.*detector"),
        ("first_run,detector\nx,a\n", ConfigError, r"first_run = 'x' is no whole number.*line 2"),
        ("first_run,last_run,detector\n5,4,a\n", ConfigError, "first_run is after last_run"),
        ("first_time,detector\nsoon,a\n", ConfigError, "is no time"),
        ("first_run,first_run,detector\n5,4,a\n", FormatError, "must differ"),
        ("first_run,detector\n5,a,b\n", FormatError, "3 values for 2 columns"),
    ],
)
def test_mistakes(table, text, error, words):
    with pytest.raises(error, match=words):
        table(text)


def test_mistakes_in_toml(table):
    for text, words in [("x = 1", "no .*calibration"), ("[[calibration]]\ndetector = 5", "is no path")]:
        with pytest.raises((FormatError, ConfigError), match=words):
            table(text, "t.toml")


def test_no_table(tmp_path):
    with pytest.raises(InputNotFoundError):
        CalibrationTable.open(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="no text"):
        CalibrationTable.open(tmp_path / "binary.csv")
    assert is_table("a.csv")
    assert not is_table("a.datx")
    assert not is_table(None)
