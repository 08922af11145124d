"""zlib streams made of pieces that were compressed apart: rows are moved without compressing them again.

Deflate is a sequence of blocks.  A piece is some blocks that end on a byte and
look back at nothing before them (what zlib calls a full flush), so pieces may
be put one after another in any order, and a stream is their bytes between a
header and a checksum.  That checksum, Adler-32, follows from those of the
pieces and their lengths (RFC 1950, section 8).

A column is cut into pieces every `step` rows.  With HDF5's filter shuffle the
first bytes of all items come first, then the second, ...: a stream is made of
planes, one for each byte of an item, and each plane is cut into pieces.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import deflate
import numpy as np

__all__ = ["Packed", "Piece", "pack", "stream", "wants_shuffle"]

_HEADER = b"\x78\x01"
_LAST = b"\x03\x00"  # an empty block that says it is the last
_TAIL = len(_LAST) + 4
_BASE = 65521  # of Adler-32
_WORTH = 0.9  # of the size of plain bytes: shuffled ones take longer


@dataclass(frozen=True)
class Piece:
    """Deflate blocks that stand alone.

    Attributes
    ----------
    data : bytes
    length : int
        Bytes before compression.
    checksum : int
        Adler-32 of them.
    """

    data: Any
    length: int
    checksum: int


@dataclass(frozen=True)
class Packed:
    """Rows of a column as pieces.

    Attributes
    ----------
    n_rows : int
    width : int
        Bytes of a row in each plane.
    step : int
        Rows of a piece; the last piece of a plane may have fewer.
    data : bytes
        The pieces of the first plane, of the second, ...
    sizes, checksums : (n_planes, n_pieces) array of uint32
        Bytes of each piece in `data`, and Adler-32 before compression.
    """

    n_rows: int
    width: int
    step: int
    data: Any
    sizes: Any
    checksums: Any

    @classmethod
    def opened(cls, data: Any, index: Any, n_rows: int, width: int, step: int) -> Packed:
        """Take a stream of `pack` apart.

        Parameters
        ----------
        data : bytes
            The stream.
        index : (n_planes * n_pieces, 2) array of uint32
        n_rows, width, step : int
        """
        sizes, checksums = np.asarray(index).reshape(-1, -(-n_rows // step), 2).transpose(2, 0, 1)
        inner = memoryview(data)[len(_HEADER) : len(data) - _TAIL]
        return cls(n_rows, width, step, inner, sizes, checksums)

    @property
    def n_planes(self) -> int:
        """Planes: bytes of an item where it is shuffled, else one."""
        return len(self.sizes)

    @cached_property
    def _places(self) -> list[int]:
        """Where each piece begins in `data`."""
        places: list[int] = np.concatenate([[0], np.cumsum(self.sizes, dtype=np.int64)]).tolist()
        return places

    @cached_property
    def _cut(self) -> dict[tuple[int, int], memoryview]:
        return {}

    def _opened(self, plane: int, i: int, data: Any, length: int) -> memoryview:
        """Give the bytes of a piece, which is opened once for both sides of a cut."""
        if (plane, i) not in self._cut:
            made = deflate.deflate_decompress(bytes(data) + _LAST, length)
            self._cut[plane, i] = memoryview(made)
        return self._cut[plane, i]

    @property
    def index(self) -> Any:
        """Sizes and checksums, piece by piece: (n_planes * n_pieces, 2) array of uint32."""
        return np.stack([self.sizes, self.checksums], axis=-1).reshape(-1, 2)

    def pieces(self) -> Iterator[Piece]:
        """Give all pieces, plane by plane."""
        for plane in self.rows(0, self.n_rows, 1):
            yield from plane

    def rows(self, start: int, stop: int, level: int) -> list[list[Piece]]:
        """Give pieces that hold rows ``start <= i < stop``, by plane.

        Whole pieces are those that are there; one that is cut is compressed anew.
        """
        first, last = start // self.step, -(-stop // self.step)
        places = self._places
        found: list[list[Piece]] = []
        for plane in range(self.n_planes):
            at = plane * self.sizes.shape[1]
            row = []
            for i in range(first, last):
                begin, end = i * self.step, min((i + 1) * self.step, self.n_rows)
                data = self.data[places[at + i] : places[at + i + 1]]
                length = (end - begin) * self.width
                if start <= begin and end <= stop:
                    row.append(Piece(data, length, int(self.checksums[plane, i])))
                    continue
                whole = self._opened(plane, i, data, length)
                low, high = max(start, begin) - begin, min(stop, end) - begin
                row.append(_piece(whole[low * self.width : high * self.width], level))
            found.append(row)
        return found


def pack(values: Any, step: int, level: int, *, shuffled: bool) -> Packed:
    """Compress rows in pieces.

    Parameters
    ----------
    values : (n, ...) array
        At least one row.
    step : int
        Rows of a piece.
    level : int
        Of gzip, 1 to 9.
    shuffled : bool
        The first bytes of all items first, then the second ... (HDF5's filter).
    """
    data = np.ascontiguousarray(values)
    n_rows = len(data)
    n_planes = data.dtype.itemsize if shuffled else 1
    width = data.nbytes // n_rows // n_planes
    made = [
        [_piece(memoryview(plane), level) for plane in _planes(data[begin : begin + step], n_planes)]
        for begin in range(0, n_rows, step)
    ]
    planes = list(zip(*made, strict=True))
    sizes = np.array([[len(p.data) for p in plane] for plane in planes], np.uint32)
    checksums = np.array([[p.checksum for p in plane] for plane in planes], np.uint32)
    return Packed(n_rows, width, step, b"".join(p.data for plane in planes for p in plane), sizes, checksums)


def stream(pieces: Iterable[Piece]) -> bytes:
    """Make a zlib stream of pieces."""
    parts = list(pieces)
    low, high = 1, 0
    for piece in parts:  # of what is before and what follows: sums of bytes, and sums of those sums
        high += (piece.checksum >> 16) + piece.length * (low - 1)
        low += (piece.checksum & 0xFFFF) - 1
    checksum = (high % _BASE) << 16 | low % _BASE
    return b"".join([_HEADER, *(p.data for p in parts), _LAST, checksum.to_bytes(4, "big")])


def wants_shuffle(values: Any, level: int) -> bool:
    """Try whether values are much smaller shuffled: not where whole values come again and again.

    Parameters
    ----------
    values : (n, ...) array
        A sample.
    level : int
    """
    if values.dtype.itemsize == 1 or not values.size:
        return False
    plain, shuffled = (len(pack(values, len(values), level, shuffled=s).data) for s in (False, True))
    return shuffled < _WORTH * plain


def _planes(rows: Any, n_planes: int) -> Any:
    """Give the bytes of rows by plane, each contiguous."""
    return np.ascontiguousarray(rows.reshape(-1).view(np.uint8).reshape(-1, n_planes).T)


def _piece(data: Any, level: int) -> Piece:
    squeeze = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    made = squeeze.compress(data) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return Piece(made, len(data), deflate.adler32(data))
