"""Run lists: text and Parquet, those of the run database and one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, Km3GpuError, UnknownNameError
from km3gpu.run_list import RunList

# the first two runs that km3pipe's manual shows, with the columns of a job (UNIX ms)
STREAM = """RUN\tUNIXSTARTTIME\tSTARTTIME_DEFINED\tRUNSETUPID\tT0\tUNIXJOBSTART\tUNIXJOBEND\tJOBTARGET
3611\t1465506000553\tY\tA01466427\t\t1465506000000\t1465506060000\tRun
3612\t1465506060554\tY\tA01466427\t\t1465506060000\t\tOn
"""
SUMMARY = """RUN PARAMETER_NAME SOURCE_NAME DATA_VALUE
8000 livetime_s 14.4.1 10798.5
8000 UTCMin_s 14.4.1 1588636800.1
8000 UTCMax_s 14.4.1 1588647600.1
8000 pmt_0_mean_rate 806451572 7.1
8000 pmt_0_mean_rate 808476701 7.9
8001 livetime_s 14.4.1 21.5
8001 UTCMin_s 14.4.1 1588647600.1
8001 UTCMax_s 14.4.1 1588647621.7
"""


def written(folder: Path, text: str, name: str = "runs.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_runs_of_the_database(tmp_path: Path) -> None:
    found = RunList.open(written(tmp_path, STREAM))
    assert found.run.tolist() == [3611, 3612]
    assert found.det_id is None
    assert found.start is not None
    assert found.start.tolist() == [1465506000_000_000_000, 1465506060_000_000_000]
    assert found.stop is not None
    assert found.stop.tolist() == [1465506060_000_000_000, 0]
    assert found.livetime is not None
    assert np.array_equal(found.livetime, [60.0, np.nan], equal_nan=True)
    assert found.columns["JOBTARGET"].tolist() == ["Run", "On"]
    assert found.columns["T0"].tolist() == ["", ""]


def test_the_numbers_of_the_database(tmp_path: Path) -> None:
    found = RunList.open(written(tmp_path, SUMMARY, "numbers.txt"))
    assert found.run.tolist() == [8000, 8001]
    assert found.livetime is not None
    assert found.livetime.tolist() == [10798.5, 21.5]
    assert found.start is not None
    assert found.start.tolist() == [1588636800_100_000_000, 1588647600_100_000_000]
    assert "pmt_0_mean_rate" not in found.columns
    with pytest.raises(FormatError, match=r"two values of livetime_s for RUN 8000 \(in .*, line 10\)"):
        RunList.open(written(tmp_path, SUMMARY + "8000 livetime_s 17.0.0 10798.6\n"))


def test_ones_own(tmp_path: Path) -> None:
    text = "# from the elog\n,Run_ID,x\n0,7,a\n1,8,b\n"  # pandas numbers the rows under no name
    assert RunList.open(written(tmp_path, text)).run.tolist() == [7, 8]
    text = "nr; from; T_eff; det_id; good\n7; 2023-10-04T10:46:51; 12.5; 133; true\n"
    names = {"run": "nr", "start": "from", "livetime": "T_eff"}
    found = RunList.open(written(tmp_path, text), names)
    assert found.by_run() == {(133, 7): [0]}
    assert found.columns["good"].dtype == bool
    assert found.start is not None
    assert found.start.tolist() == [1696416411_000_000_000]
    for times in ([1696416411, 1696416411_500, 1696416411_500_000, 1696416411_500_000_001], [1696416411.5]):
        rows = "".join(f"{i} {t}\n" for i, t in enumerate(times))
        found = RunList.open(written(tmp_path, "run start\n" + rows))
        assert found.start is not None
        late = (found.start - 1696416411 * 10**9).tolist()
        assert late == [0, 5 * 10**8, 5 * 10**8, 5 * 10**8 + 1] or late == [5 * 10**8]


def test_good_times_of_a_run(tmp_path: Path) -> None:
    text = "run,start,stop\n7,1700000010,1700000020\n7,1700000000,1700000005\n"
    found = RunList.open(written(tmp_path, text))
    assert found.by_run() == {(None, 7): [1, 0]}
    assert found.livetime is not None
    assert found.livetime.tolist() == [10.0, 5.0]
    with pytest.raises(FormatError, match=r"run 7 is there twice, at one time .*line 3 and line 2"):
        RunList.open(written(tmp_path, text.replace("0005", "0011")))


def test_parquet(tmp_path: Path) -> None:
    start = np.array(["2023-10-04T10:46:51", "2023-10-05"], "datetime64[us]")
    quality = pa.array([True, None])
    kind = pa.array(["PHYS", "TEST"]).dictionary_encode()
    table = pa.table(
        {"RUN": [7, 8], "start": start, "quality": quality, "kind": kind, "livetime_s": [1.5, 2]}
    )
    pq.write_table(table, tmp_path / "runs.parquet")
    found = RunList.open(tmp_path / "runs.parquet")
    assert found.run.tolist() == [7, 8]
    assert found.start is not None
    assert found.start.tolist() == [1696416411_000_000_000, 1696464000_000_000_000]
    assert found.columns["quality"].tolist() == [True, False]
    assert found.columns["kind"].tolist() == ["PHYS", "TEST"]


BAD: dict[str, tuple[type[Km3GpuError], str]] = {
    "": (FormatError, "without runs"),
    "run\n": (FormatError, "without runs"),
    "nr,x\n1,2\n": (FormatError, "no column of runs (in PATH); call it 'run', or say which: names = {run ="),
    "run,start\n1,yesterday\n": (FormatError, "start = 'yesterday' is no time (in PATH, line 2)"),
    "run,start\n1,2022-01-01\n2,20220102\n": (
        FormatError,
        "start = 20220102 is no time since 1970 (in PATH, line 3)",
    ),
    "run,start\n1,12\n": (FormatError, "start = 12 is no time since 1970"),
    "run\n1.5\n": (FormatError, "run = 1.5 is no whole number (in PATH, line 2)"),
    "run\n# one\nx\n": (FormatError, "run = x is no whole number (in PATH, line 3)"),
    "run,livetime\n1,-3\n": (FormatError, "livetime = -3 are no seconds"),
    "run,livetime\n1,2,3\n": (FormatError, "3 values for 2 columns (in PATH, line 2)"),
    "run,run\n1,2\n": (FormatError, "column names must differ"),
    "run,start,stop\n1,1700000000,1600000000\n": (FormatError, "run 1 stops before it starts"),
    "run\n5\n5\n": (FormatError, "run 5 is there twice (in PATH, line 2 and line 3)"),
}


@pytest.mark.parametrize("text", BAD)
def test_faults(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    kind, words = BAD[text]
    with pytest.raises(kind) as error:
        RunList.open(path)
    assert words in str(error.value).replace(str(path), "PATH")


def test_other_faults(tmp_path: Path) -> None:
    path = written(tmp_path, "run,T_eff\n1,2\n")
    with pytest.raises(UnknownNameError, match=r"no column 'T_ef'.*there is: T_eff"):
        RunList.open(path, {"livetime": "T_ef"})
    with pytest.raises(ConfigError, match=r"no quantity 'live'.*there is: livetime"):
        RunList.open(path, {"live": "T_eff"})
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(InputNotFoundError, match="no run list"):
            RunList.open(tmp_path / name)
    with pytest.raises(FormatError, match="no Parquet"):
        RunList.open(written(tmp_path, "run\n1\n", "runs.parquet"))
