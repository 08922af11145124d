"""The DATX binary format against a slow reader, and bytes that lie."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.detector import Detector
from km3gpu.errors import FormatError, Km3GpuError, TruncatedFileError

FILES = ("datx/KM3NeT_00000133_20221025.datx", "detector_geometry/KM3NeT_00000232.detector.datx")


def text(s: str) -> bytes:
    return struct.pack("<i", len(s)) + s.encode()


def module(dom_id: int, floor: int, n_pmts: int, announced: int | None = None) -> bytes:
    count = n_pmts if announced is None else announced
    head = struct.pack("<iii8dii", dom_id, 1, floor, 1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0, -5.0, 8, count)
    return head + b"".join(
        struct.pack("<i7di", 10 * dom_id + k, k, 1, 2, 0, 0, -1, 100.5, k) for k in range(n_pmts)
    )


def header(n_modules: int, version: str = "V5", utm: str = "UTM") -> bytes:
    return (
        b"####" + text("made by hand") + struct.pack("<i", 77) + text(version) + struct.pack("<dd", 1.0, 2.0)
        + text(utm) + text("WGS84") + text("33N") + struct.pack("<dddi", 5.0, 6.0, -7.0, n_modules)
    )  # fmt: skip


SMALL = header(2) + module(1, 0, 0) + module(2, 1, 3)


def read(blob: bytes) -> Detector:
    return Detector.from_bytes(blob, "x.datx")


def detector_or_none(blob: bytes) -> Detector | None:
    """Read; only an error of ours that names the file may come."""
    try:
        return read(blob)
    except Km3GpuError as error:
        if "x.datx" not in str(error):
            raise
        return None


def slow(blob: bytes) -> tuple[list[bytes], list[tuple], list[tuple]]:
    """Decode field by field."""
    at = 0

    def take(fmt: str) -> tuple:
        nonlocal at
        values = struct.unpack_from("<" + fmt, blob, at)
        at += struct.calcsize("<" + fmt)
        return values

    def string() -> bytes:
        return take(f"{take('i')[0]}s")[0]

    comments = []
    while blob[at : at + 4] == b"####":
        at += 4
        comments.append(string())
    take("i"), string(), take("dd"), string(), string(), string(), take("ddd")
    modules, pmts = [], []
    for _ in range(take("i")[0]):
        modules.append(take("iii8dii"))
        pmts.extend(take("i7di") for _ in range(modules[-1][-1]))
    assert at == len(blob)
    return comments, modules, pmts


@pytest.mark.parametrize("name", FILES)
def test_every_field_is_as_a_slow_reader_finds_it(data: Path, name: str) -> None:
    det = Detector.open(data / name)
    comments, modules, pmts = slow((data / name).read_bytes())
    assert [c.encode() for c in det.comments] == comments
    m, p = det.modules, det.pmts
    assert m.quaternion is not None
    ours = np.column_stack(
        (m.dom_id, m.du, m.floor, m.pos, m.quaternion, m.t0, m.status, m.n_pmts),
    )
    np.testing.assert_array_equal(ours, np.array(modules, dtype=np.float64))
    ours = np.column_stack((p.pmt_id, p.pos, p.dir, p.t0, p.status))
    np.testing.assert_array_equal(ours, np.array(pmts, dtype=np.float64))


def test_small_file_by_hand() -> None:
    det = read(SMALL)
    assert (det.det_id, det.version, det.comments) == (77, 5, ("made by hand",))
    assert det.validity == (1.0, 2.0)
    assert det.utm is not None
    assert (det.utm.easting, det.utm.northing, det.utm.z) == (5.0, 6.0, -7.0)
    assert (det.utm.zone, det.utm.ellipsoid) == ("33N", "WGS84")
    assert det.modules.n_pmts.tolist() == [0, 3]
    assert det.modules.first_row.tolist() == [0, 0]
    assert det.pmts.pmt_id.tolist() == [20, 21, 22]
    assert det.pmts.pos[2].tolist() == [2.0, 1.0, 2.0]
    assert det.pmts.dir[2].tolist() == [0.0, 0.0, -1.0]


def test_a_file_without_comments_is_known_too() -> None:
    blob = SMALL[len(b"####" + text("made by hand")) :]
    assert read(blob).comments == ()


def test_a_detector_without_modules() -> None:
    assert read(header(0)).n_pmts == 0


BROKEN = [
    (header(2, version="V9") + module(1, 1, 0) + module(2, 1, 0), FormatError, r"version 'V9'.*byte 24"),
    (header(1, utm="XYZ") + module(1, 1, 0), FormatError, r"'XYZ' where 'UTM'.*byte 46"),
    (header(-1), FormatError, r"-1 modules.*byte 93"),
    (header(1 << 30), TruncatedFileError, r"1073741824 modules announced, which 0 bytes.*byte 93"),
    (header(2) + module(1, 1, 0), TruncatedFileError, r"2 modules announced, which 84 bytes.*byte 93"),
    (header(1) + module(1, 1, 2, announced=3), TruncatedFileError, r"3 PMTs announced.*byte 177"),
    (header(1) + module(1, 1, 2, announced=(1 << 31) - 1), TruncatedFileError, r"2147483647 PMTs.*byte 177"),
    (header(1) + module(1, 1, 2, announced=-5), FormatError, r"-5 PMTs.*byte 177"),
    (SMALL + b"\0", FormatError, r"1 bytes after the last of 2 modules.*byte 457"),
    (header(2) + module(1, 1, 1) + module(1, 2, 1), FormatError, r"module 1 occurs twice"),
    (b"####" + struct.pack("<i", 1 << 28), TruncatedFileError, r"268435456 characters.*byte 4"),
    (b"####" + text("a") + b"####" + struct.pack("<i", -3), FormatError, r"-3 characters.*byte 13"),
]


@pytest.mark.parametrize(("blob", "kind", "message"), BROKEN)
def test_bytes_that_lie_are_named_with_their_offset(
    blob: bytes, kind: type[Km3GpuError], message: str
) -> None:
    tracemalloc.start()
    with pytest.raises(kind, match=message) as caught:
        read(blob)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "x.datx" in str(caught.value)
    assert peak < 1 << 20


@pytest.mark.parametrize(("at", "what"), [(30, "the validity"), (69, "the UTM position"), (109, "a module"),
                                          (269, "a PMT")])  # fmt: skip
def test_numbers_that_are_none(at: int, what: str) -> None:
    blob = bytearray(SMALL)
    blob[at : at + 8] = struct.pack("<d", np.nan)
    with pytest.raises(FormatError, match=rf"{what}.*no number.*byte"):
        read(bytes(blob))


def test_truncation_at_every_byte() -> None:
    for size in range(8, len(SMALL)):
        with pytest.raises(FormatError, match=r"x\.datx"):
            read(SMALL[:size])


def test_truncation_of_a_real_file(data: Path) -> None:
    blob = (data / FILES[0]).read_bytes()
    for size in np.linspace(0, len(blob) - 1, 50).astype(int):
        with pytest.raises(FormatError, match=r"x\.datx"):
            read(blob[:size])


def test_flipped_bits_of_a_real_file(data: Path) -> None:
    blob = (data / FILES[0]).read_bytes()
    # half of them among comments and header, where the structure is
    rng = np.random.default_rng(0)
    places = np.concatenate((rng.integers(0, 6000, 60), rng.integers(0, len(blob), 60)))
    tracemalloc.start()
    read = 0
    for at in places:
        broken = bytearray(blob)
        broken[at] ^= 1 << (at % 8)
        det = detector_or_none(bytes(broken))
        read += det is not None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 40 < read < 120
    assert peak < 20 * len(blob)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.integers(0, 7))
def test_a_flipped_bit_gives_a_detector_or_an_error_of_ours(at: int, bit: int) -> None:
    blob = bytearray(SMALL)
    blob[at] ^= 1 << bit
    if (det := detector_or_none(bytes(blob))) is not None:
        # a number changed; the structure did not
        assert (det.n_modules, det.n_pmts) == (2, 3)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(0, len(SMALL)))
def test_random_bytes_give_an_error_of_ours(noise: bytes, keep: int) -> None:
    det = detector_or_none(SMALL[:keep] + noise)
    assert det is None or det.n_pmts <= (keep + len(noise)) / 64
