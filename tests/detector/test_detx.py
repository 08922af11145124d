"""The DETX text format: quirks of real files, and errors that name the line."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.detector import Detector
from km3gpu.errors import FormatError, Km3GpuError, TruncatedFileError

DETX = (
    "D_ORCA006_t.A02181836.p.A02181837.r.A02182001",
    "KM3NeT_-00000001_20171212",
    "KM3NeT_00000133_20221025",
    "detx_v1",
    "detx_v2",
    "detx_v3",
    "detx_v3_whitespace",
    "detx_v4",
    "detx_v5",
    "km3net_jul13_90m_r1494_corrected",
    "km3net_offline",
    "orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2",
    "orca_115strings_av23min20mhorizontal_18OMs_alt9mvertical_v1",
)

V3 = """# a comment
23 v3
0.0 9999999999.0
UTM WGS84 32N 256500.0 4743000.0 -2425.0
2
1 1 1 2
 7 1.1 1.2 1.3 -1.1 0.2 0.3 10.5 0
 8 1.4 1.5 1.6 0.1 -1.2 0.3 20.5 3

2 1 2 1
 9 2.1 2.2 2.3 -1.1 0.2 0.3 40.5 0
"""
V5 = """23 v5
0.0 9999999999.0
UTM WGS84 32N 256500.0 4743000.0 -2425.0
2
1 4 0 1.0 2.0 3.0 1.0 0.0 0.0 0.0 -50.5 5 0
2 4 1 1.0 2.0 9.0 0.6 0.8 0.0 0.0 17.5 1 1
 9 2.1 2.2 2.3 -1.1 0.2 0.3 40.5 6
"""


def read(text: str) -> Detector:
    return Detector.from_bytes(text.encode(), "x.detx")


def detector_or_none(blob: bytes) -> Detector | None:
    """Read; only an error of ours that names the file may come."""
    try:
        return Detector.from_bytes(blob, "x.detx")
    except Km3GpuError as error:
        if "x.detx" not in str(error):
            raise
        return None


def naive(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read modules and PMTs the slow, obvious way."""
    lines = [s.split() for s in path.read_text().splitlines() if s.strip() and not s.startswith("#")]
    version = int(lines[0][1][1:]) if lines[0][1][0] in "vV" else 1
    i = 4 if version > 1 else 1
    modules, pmts = [], []
    while i < len(lines):
        modules.append([float(w) for w in lines[i]])
        n = int(lines[i][-1])
        pmts.extend([float(w) for w in line] for line in lines[i + 1 : i + 1 + n])
        i += n + 1
    return np.array(modules), np.array(pmts)


@pytest.mark.parametrize("name", DETX)
def test_every_number_is_as_a_slow_reader_finds_it(data: Path, name: str) -> None:
    path = data / "detx" / f"{name}.detx"
    det = Detector.open(path)
    modules, pmts = naive(path)
    m, p = det.modules, det.pmts
    np.testing.assert_array_equal(np.column_stack((m.dom_id, m.du)), modules[:, :2])
    if "orca_115" not in name:
        np.testing.assert_array_equal(m.floor, modules[:, 2])
    np.testing.assert_array_equal(m.n_pmts, modules[:, -1])
    if det.version > 3:
        assert m.quaternion is not None
        np.testing.assert_array_equal(np.column_stack((m.pos, m.quaternion, m.t0)), modules[:, 3:11])
    if det.version > 4:
        np.testing.assert_array_equal(m.status, modules[:, 11])
    np.testing.assert_array_equal(np.column_stack((p.pmt_id, p.pos, p.dir, p.t0)), pmts[:, :8])
    np.testing.assert_array_equal(p.status, pmts[:, 8] if det.version > 2 else 0)


def test_small_file_by_hand() -> None:
    det = read(V5)
    m, p = det.modules, det.pmts
    assert (det.det_id, det.version, det.validity) == (23, 5, (0.0, 9999999999.0))
    assert m.dom_id.tolist() == [1, 2]
    assert m.du.tolist() == [4, 4]
    assert m.floor.tolist() == [0, 1]
    assert m.pos.tolist() == [[1.0, 2.0, 3.0], [1.0, 2.0, 9.0]]
    assert m.quaternion is not None
    assert m.quaternion.tolist() == [[1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0]]
    assert m.t0.tolist() == [-50.5, 17.5]
    assert m.status.tolist() == [5, 1]
    assert m.first_row.tolist() == [0, 0]
    assert m.n_pmts.tolist() == [0, 1]
    assert p.pmt_id.tolist() == [9]
    assert p.pos.tolist() == [[2.1, 2.2, 2.3]]
    assert p.dir.tolist() == [[-1.1, 0.2, 0.3]]
    assert p.t0.tolist() == [40.5]
    assert p.status.tolist() == [6]


def test_blanks_case_and_line_ends_do_not_matter() -> None:
    plain = read(V3)
    text = V3.replace(" v3", "   V3 ").replace(" 1 2\n", "\t1   2 \n\n \n").replace("\n", "\r\n")
    other = read(text)
    assert other.comments == plain.comments
    for table in ("modules", "pmts"):
        for name, column in vars(getattr(plain, table)).items():
            np.testing.assert_array_equal(getattr(getattr(other, table), name), column)


def test_whitespace_file_is_the_plain_one(data: Path) -> None:
    a = Detector.open(data / "detx/detx_v3.detx")
    b = Detector.open(data / "detx/detx_v3_whitespace.detx")
    np.testing.assert_array_equal(a.pmts.pos, b.pmts.pos)
    np.testing.assert_array_equal(a.modules.n_pmts, b.modules.n_pmts)


def test_comment_of_many_lines_is_one_comment(data: Path) -> None:
    path = data / "detx/detx_v5_invalid_multiline_comments.detx"
    det = Detector.open(path)
    lines = path.read_text().splitlines()
    assert len(det.comments) == sum(s.startswith("#") for s in lines)
    (long,) = [c for c in det.comments if "\n" in c]
    begin = next(i for i, s in enumerate(lines) if s.startswith("808951460 15")) - 1
    assert long == "\n".join([lines[begin][2:], *lines[begin + 1 : 178]])
    assert long.endswith('808432835 15\\" -A -w')


def test_unbalanced_quote_of_a_comment_does_not_swallow_the_file() -> None:
    det = read(V3.replace("# a comment", '# 17\\" sphere'))
    assert det.comments == ('17\\" sphere',)
    assert det.n_pmts == 3


def test_comments_within_the_body_and_of_other_encodings() -> None:
    text = V3.replace("\n2 1 2 1", "\n   # Messina, Porto di Capo Pàssero\n2 1 2 1")
    assert read(text).comments == ("a comment", "Messina, Porto di Capo Pàssero")
    det = Detector.from_bytes(text.encode("latin-1"), "x.detx")
    assert det.comments[1] == "Messina, Porto di Capo Pàssero"


def test_floors_of_the_old_conversion_are_numbered_by_order(data: Path) -> None:
    det = Detector.open(data / "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx")
    assert det.modules.floor.tolist() == list(range(1, 19)) * 115
    assert np.array_equal(det.modules.du, np.repeat(np.arange(1, 116), 18))


def test_floors_are_numbered_within_strings_that_are_mixed() -> None:
    lines = [f"{i} {du} {floor} 1\n 1 1 1 {i} 1 0 0 0\n" for i, du, floor in
             [(1, 5, -1), (2, 3, -1), (3, 5, -1), (4, 3, 7), (5, 5, -1), (6, 3, -1)]]  # fmt: skip
    det = read("1 6\n" + "".join(lines))
    assert det.modules.floor.tolist() == [1, 1, 2, 7, 3, 3]


def test_before_version_4_modules_lie_where_the_axes_cross() -> None:
    det = read("""1 1
5 1 1 3
 1 11.0 20.0 30.0 1 0 0 0
 2 10.0 22.0 30.0 0 3 0 0
 3 10.0 20.0 29.0 0 0 -1 0
""")
    np.testing.assert_allclose(det.modules.pos, [[10.0, 20.0, 30.0]], rtol=0, atol=1e-12)
    assert det.modules.quaternion is None
    assert det.modules.t0.tolist() == [0.0]


def test_a_detector_without_modules() -> None:
    det = read("5 v5\n0 1\nUTM WGS84 32N 1 2 3\n0\n")
    assert (det.n_modules, det.n_pmts) == (0, 0)
    assert read("5 0").n_modules == 0


BROKEN = [
    ("23 v3", "23 v7", FormatError, r"version should be.*line 2"),
    ("23 v3", "23 vv", FormatError, r"version should be.*line 2"),
    ("23 v3", "Run 17 of detector 23", FormatError, r"'Run 17 of detector 23'.*begins with.*x\.detx, line 2"),
    ("23 v3", "2.5 v3", FormatError, r"line 2"),
    ("23 v3", "99999999999 v3", FormatError, r"line 2"),
    ("0.0 9999999999.0", "0.0 never", FormatError, r"valid_from.*line 3"),
    ("0.0 9999999999.0", "0.0", FormatError, r"valid_from.*line 3"),
    ("UTM WGS84", "LATLON WGS84", FormatError, r"UTM.*line 4"),
    ("4743000.0", "nan", FormatError, r"UTM.*line 4"),
    ("\n2\n1", "\n2.5\n1", FormatError, r"number of modules.*line 5"),
    ("\n2\n1", "\n-2\n1", FormatError, r"number of modules.*line 5"),
    ("\n2\n1", "\n3\n1", TruncatedFileError, r"module 3 of 3.*line 11"),
    ("\n2\n1", "\n2147483647\n1", TruncatedFileError, r"module 3 of 2147483647"),
    ("\n2\n1", "\n1\n1", FormatError, r"'2 1 2 1'.*should end, after its 1 modules.*line 10"),
    ("1 1 1 2\n", "1 1 1\n", FormatError, r"module 1 of 2 with its 4 values.*line 6"),
    ("1 1 1 2\n", "1 1 1 -2\n", FormatError, r"module 1 of 2.*line 6"),
    ("1 1 1 2\n", "1 one 1 2\n", FormatError, r"'1 one 1 2' where numbers.*line 6"),
    ("1 1 1 2\n", "1 1 1 3\n", FormatError, r"'2 1 2 1' where PMT 3 of 3 of module 1.*line 10"),
    ("2 1 2 1\n", "2 1 2 999999999\n", TruncatedFileError, r"PMT 2 of 999999999 of module 2.*line 11"),
    ("2 1 2 1\n", "1 1 2 1\n", FormatError, r"module 1 occurs twice.*x\.detx"),
    (" 8 1.4", " 8.5 1.4", FormatError, r"numbers should be.*line 8"),
    (" 8 1.4", " 8 1.4.1", FormatError, r"numbers should be.*line 8"),
    (" 8 1.4", " 8 1_1.4", FormatError, r"numbers should be.*line 8"),
    (" 8 1.4", " 8 inf", FormatError, r"numbers should be.*line 8"),
    (" 8 1.4", " 4294967296 1.4", FormatError, r"numbers should be.*line 8"),
    (" 8 1.4", " 8 8 1.4", FormatError, r"PMT 2 of 2 of module 1 with its 9 values.*line 8"),
    (" 20.5 3\n", " 20.5 0x3\n", FormatError, r"numbers should be.*line 8"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "kind", "message"), BROKEN)
def test_malformed_text_is_named_with_its_line(
    old: str, new: str, kind: type[Km3GpuError], message: str
) -> None:
    assert V3.count(old) == 1
    with pytest.raises(kind, match=message) as caught:
        read(V3.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lines", range(11))
def test_truncation_at_every_line(lines: int) -> None:
    text = "".join(V3.splitlines(keepends=True)[:lines])
    with pytest.raises(TruncatedFileError, match=rf"the file ends where.*x\.detx, line {lines}"):
        read(text)


def test_truncation_of_a_real_file_at_any_byte(data: Path) -> None:
    blob = (data / "detx/detx_v5.detx").read_bytes()
    for size in np.linspace(0, len(blob) - 20, 50).astype(int):
        assert detector_or_none(blob[:size]) is None


def test_flipped_bits_of_a_real_file(data: Path) -> None:
    blob = (data / "detx/detx_v5.detx").read_bytes()
    begin = blob.index(b"\n49 ")
    rng = np.random.default_rng(0)
    read = 0
    for at in np.concatenate((rng.integers(begin, begin + 2000, 60), rng.integers(0, len(blob), 60))):
        broken = bytearray(blob)
        broken[at] ^= 1 << (at % 8)
        read += detector_or_none(bytes(broken)) is not None
    assert 10 < read < 110


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_give_an_error_of_ours(blob: bytes) -> None:
    for text in (blob, V3.encode() + blob, V3[:80].encode() + blob):
        det = detector_or_none(text)
        assert det is None or det.n_pmts <= len(text) / 16


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(V5) - 1), st.integers(0, 7))
def test_a_flipped_bit_gives_a_detector_or_an_error_of_ours(at: int, bit: int) -> None:
    blob = bytearray(V5.encode())
    blob[at] ^= 1 << bit
    if (det := detector_or_none(bytes(blob))) is not None:
        assert np.isfinite(det.modules.pos).all()


def test_64_thousand_pmts_take_less_than_half_a_second(data: Path) -> None:
    path = data / "detx/KM3NeT_-00000001_20171212.detx"
    spent = []
    for _ in range(3):
        begin = time.process_time()
        Detector.open(path)
        spent.append(time.process_time() - begin)
    assert min(spent) < 0.5
