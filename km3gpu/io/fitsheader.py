"""Headers of FITS binary tables: what a column is, and how a header says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io.filebytes import FileBytes

__all__ = ["BLOCK", "FORMS", "Column", "columns_of", "header_at", "header_bytes", "rows_dtype"]

BLOCK = 2880
_DESCRIPTOR = np.dtype([("n", ">i8"), ("at", ">i8")])
# code in TFORM, and the bit that is flipped where TZERO moves an unsigned number
FORMS = {
    "b1": ("L", None),
    "u1": ("B", None),
    "i1": ("B", 1 << 7),
    "i2": ("I", None),
    "u2": ("I", 1 << 15),
    "i4": ("J", None),
    "u4": ("J", 1 << 31),
    "i8": ("K", None),
    "u8": ("K", 1 << 63),
    "f4": ("E", None),
    "f8": ("D", None),
}
_STORED = {"L": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "A": "u1"}


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Attributes
    ----------
    name : str
    kind : str
        ``"f8"``, ``"u4"`` ...; ``"text"``.
    shape : tuple of int
        Of each row's value, for fixed columns.
    listed : bool
        A list of values for each row; a text is one.
    unit, meaning : str
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    listed: bool = False
    unit: str = ""
    meaning: str = ""

    @property
    def code(self) -> str:
        """Letter of the type in ``TFORM``."""
        return "A" if self.kind == "text" else FORMS[self.kind][0]

    @property
    def stored(self) -> np.dtype[Any]:
        """One value as it lies in the file."""
        return np.dtype(_STORED[self.code])

    @property
    def bias(self) -> int | None:
        """The bit that is flipped, for integers that FITS has no type for."""
        return None if self.kind == "text" else FORMS[self.kind][1]

    def form(self) -> str:
        """Give the value of ``TFORM``."""
        if self.listed:
            return f"1Q{self.code}"
        return f"{int(np.prod(self.shape, dtype=int))}{self.code}"


def rows_dtype(columns: Sequence[Column]) -> np.dtype[Any]:
    """Give a row as it lies in the file."""
    return np.dtype(
        [(c.name, _DESCRIPTOR if c.listed else c.stored, () if c.listed else c.shape) for c in columns]
    )


def header_bytes(name: str, columns: Sequence[Column], n_rows: int, heap: int) -> bytes:
    """Give the header of a sheet, in whole blocks."""
    width = rows_dtype(columns).itemsize
    header = fits.Header()
    header["XTENSION"] = ("BINTABLE", "binary table")
    header["BITPIX"] = 8
    header["NAXIS"] = 2
    header["NAXIS1"] = (width, "bytes of a row")
    header["NAXIS2"] = (n_rows, "rows")
    header["PCOUNT"] = (heap, "bytes of the heap")
    header["GCOUNT"] = 1
    header["TFIELDS"] = len(columns)
    header["EXTNAME"] = name
    for i, c in enumerate(columns, 1):
        header[f"TTYPE{i}"] = c.name
        header[f"TFORM{i}"] = c.form()
        if len(c.shape) > 1 or c.shape == (1,):
            header[f"TDIM{i}"] = "(" + ",".join(str(n) for n in reversed(c.shape)) + ")"
        if c.bias is not None:
            header[f"TZERO{i}"] = -128 if c.kind == "i1" else c.bias
            header[f"TSCAL{i}"] = 1
        if c.unit:
            header[f"TUNIT{i}"] = c.unit
        if c.meaning:
            header[f"TCOMM{i}"] = c.meaning
    text: str = header.tostring()
    return text.encode("ascii")


def header_at(data: FileBytes, at: int, path: str) -> tuple[Any, int]:
    """Read the header that begins at a byte of the file, and say where it ends.

    Raises
    ------
    FormatError, TruncatedFileError
        There is none, or not all of it.
    """
    start = at
    blocks = []
    while True:
        if at + BLOCK > data.size:
            raise TruncatedFileError("a FITS header without an end", where=path, remedy="fetch it again")
        blocks.append(bytes(data.span(at, BLOCK)))
        at += BLOCK
        cards = (blocks[-1][i : i + 80] for i in range(0, BLOCK, 80))
        if any(card.rstrip() == b"END" for card in cards):
            break
        if blocks[0][:8].rstrip() not in (b"SIMPLE", b"XTENSION"):
            raise FormatError("no FITS header where one should be", where=f"{path}, byte {start}")
    try:
        return fits.Header.fromstring(b"".join(blocks).decode("ascii")), at
    except (UnicodeDecodeError, fits.VerifyError) as error:
        raise FormatError(f"a FITS header that does not parse: {error}", where=path) from error


def columns_of(header: Mapping[str, Any]) -> Iterator[Column]:
    """Give the columns; none where one is of a kind that km3gpu never writes."""
    kinds = {(code, bias is not None): kind for kind, (code, bias) in FORMS.items()}
    made = []
    for i in range(1, int(header["TFIELDS"]) + 1):
        form = str(header[f"TFORM{i}"]).strip()
        digits = form.rstrip("ABDEIJKLPQX")
        code = form[len(digits) :]
        biased = f"TZERO{i}" in header
        kind = "text" if code[-1:] == "A" else kinds.get((code[-1:], biased))
        listed = code[:1] == "Q" and len(code) == 2
        if kind is None or (digits and not digits.isdigit()) or (len(code) != 1 and not listed):
            return
        n = int(digits or 1)
        shape: tuple[int, ...] = (
            () if listed or (n == 1 and f"TDIM{i}" not in header and kind != "text") else (n,)
        )
        if f"TDIM{i}" in header:
            shape = tuple(reversed([int(x) for x in str(header[f"TDIM{i}"]).strip("() ").split(",")]))
            if int(np.prod(shape, dtype=object)) != n:
                raise ValueError(f"TDIM{i} does not fit TFORM{i}")
        about = [str(header.get(f"{key}{i}", "")) for key in ("TUNIT", "TCOMM")]
        made.append(Column(str(header[f"TTYPE{i}"]), kind, shape, listed, *about))
    yield from made
