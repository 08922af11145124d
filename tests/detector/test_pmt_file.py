"""PMT files, against their own lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import PmtFile
from km3gpu.errors import FormatError, InputNotFoundError

K40 = "calib/PMTeff.txt"
ARCHIVE = "pmt/calibration_00000117_H_1.0.0_00013757_00013826_1.txt"


@pytest.mark.parametrize(("name", "n", "mu"), [(K40, 11718, 0.206), (ARCHIVE, 7254, 0.205644)])
def test_shipped_files_hold_what_their_lines_say(data: Path, name: str, n: int, mu: float) -> None:
    found = PmtFile.open(data / name)
    lines = (data / name).read_text().splitlines()
    rows = np.array([s.split()[1:] for s in lines if s.startswith("PMT=")], float)
    assert len(found) == len(rows) == n
    names = ("dom_id", "channel_id", "qe", "gain", "gain_spread", "rise_time", "tts", "threshold")
    ours = np.column_stack([getattr(found, n) for n in names])
    np.testing.assert_array_equal(ours, rows)
    assert (found.detector_qe, found.mu) == (1.0, mu)
    defaults = dict(found.defaults)
    assert len(defaults) == 13
    assert (defaults["TTS_ns"], defaults["riseTime_ns"], defaults["thresholdBand"]) == (-1.0, 7.24, 0.12)
    assert len(found.comments) == sum(s.startswith("#") for s in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [("PMT= 1 2 3\n", r"'PMT= 1 2 3' where 'PMT= dom channel' and 6 values.*p\.txt, line 1"),
     ("QE=1\nPMT= 1 2 x 1 1 1 1 1\n", r"numbers should be.*line 2"),
     ("QE=high\n", r"'QE=high' where.*line 1"),
     ("hello\n", r"'hello' where.*line 1"),
     ("xy=1\n", r"'xy=1' where.*'%\.name='.*line 1")],
)  # fmt: skip
def test_malformed_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        PmtFile.open(path)


def test_blanks_around_the_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("QE = 0.9\n mu= 0.2\n%.gain =1\nPMT=  7  3 1 1 1 1 1 1\n")
    found = PmtFile.open(path)
    assert (found.detector_qe, found.mu, found.defaults) == (0.9, 0.2, (("gain", 1.0),))
    assert (found.dom_id.tolist(), found.channel_id.tolist()) == ([7], [3])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError):
        PmtFile.open(tmp_path / "x.txt")
