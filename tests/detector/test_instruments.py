"""Text files beside the detector, against their own lines."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.detector import Hydrophones, Mechanics, PmtFile, Transmitters, Tripods, Waveforms
from km3gpu.detector.status import ModuleStatus, PmtStatus
from km3gpu.errors import FormatError, InputNotFoundError

FOLDER = "detector_geometry/KM3NeT_00000232."


def numbers(path: Path) -> np.ndarray:
    return np.array([s.split() for s in path.read_text().splitlines() if not s.startswith("#")], float)


@pytest.mark.parametrize(
    ("kind", "name", "n"),
    [(Tripods, "tripod", 8), (Hydrophones, "hydrophone", 30), (Transmitters, "transmitter", 5),
     (Waveforms, "waveform", 20)],
)  # fmt: skip
def test_shipped_files_hold_what_their_lines_say(data: Path, kind: type, name: str, n: int) -> None:
    path = data / f"{FOLDER}{name}.txt"
    found = kind.open(path)
    ours = np.column_stack([getattr(found, c) for c in kind.columns])
    np.testing.assert_array_equal(ours, numbers(path))
    assert len(ours) == n
    assert found.comments[0].startswith(("Data from", "$30010b28"))
    twin = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(getattr(twin, kind.columns[-1]), getattr(found, kind.columns[-1]))


def test_known_values(data: Path) -> None:
    tripods = Tripods.open(data / f"{FOLDER}tripod.txt")
    assert tripods.id.tolist() == [9, 10, 13, 18, 19, 20, 21, 22]
    assert tripods.pos[0].tolist() == [587651.650, 4017113.753, -3461.311]
    waveforms = Waveforms.open(data / f"{FOLDER}waveform.txt")
    assert dict(zip(waveforms.id.tolist(), waveforms.tripod.tolist(), strict=True))[-35] == 14


def test_mechanics(tmp_path: Path) -> None:
    path = tmp_path / "mechanics.txt"
    path.write_text("# some comment\n-1 0.00094 294.291\n23 1.2 3.4\n5 5.6 7.8\n")
    mechanics = Mechanics.open(path)
    assert mechanics.of(23) == (1.2, 3.4)
    assert mechanics.of(7) == (0.00094, 294.291)
    path.write_text("23 1.2 3.4\n")
    with pytest.raises(FormatError, match="no mechanical constants of string 7"):
        Mechanics.open(path).of(7)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 2 3\n", r"'1 2 3' where the 4 values 'id x y z' should be.*t\.txt, line 1"),
     ("1 1 1 1\n# x\n\n2 a 1 1\n", r"numbers should be.*t\.txt, line 4"),
     ("1.5 1 1 1\n", r"numbers should be.*line 1")],
)  # fmt: skip
def test_malformed_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        Tripods.open(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"no file .*x\.txt"):
        Tripods.open(tmp_path / "x.txt")


def test_status_bits_of_shipped_detectors_have_names() -> None:
    assert PmtStatus(1) is PmtStatus.DISABLE
    assert ModuleStatus(2) is ModuleStatus.COMPASS_DISABLE
    assert [int(b) for b in PmtStatus] == [1, 2, 4, 8, 16, 32]
    assert [int(b) for b in ModuleStatus] == [1, 2, 4, 8, 16, 32]
    assert PmtStatus(33) == PmtStatus.DISABLE | PmtStatus.OUT_OF_SYNC


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from((Tripods, Hydrophones, Transmitters, Waveforms, Mechanics, PmtFile)),
)
def test_random_bytes_give_a_file_or_an_error_of_ours(blob: bytes, kind: type) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.txt"
        path.write_bytes(blob)
        try:
            kind.open(path)
        except FormatError as error:
            if "noise.txt" not in str(error):
                raise
