"""zlib streams made of pieces that were compressed apart: rows are moved without compressing them again.

Deflate is a sequence of blocks.  A piece is some blocks that end on a byte and
look back at nothing before them (what zlib calls a full flush; libdeflate has
none, so the ends of its streams are opened), so pieces may be put one after
another in any order, and a stream is their bytes between a header and a
checksum.  That checksum, Adler-32, follows from those of the pieces and their
lengths (RFC 1950, section 8).

A column is cut into pieces every `step` rows.  With HDF5's filter shuffle the
first bytes of all items come first, then the second, ...: a stream is made of
planes, one for each byte of an item, and each plane is cut into pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import deflate
import numpy as np

from km3gpu.errors import FormatError
from km3gpu.kernels.cpu.deflate import MORE, SPARE, left_open

__all__ = ["Packed", "Piece", "pack", "stream", "wants_shuffle"]

_HEADER = b"\x78\x01"
_LAST = b"\x03\x00"  # an empty block that says it is the last
_TAIL = len(_LAST) + 4
_BASE = 65521  # of Adler-32
_WORTH = 0.95  # of the size of plain bytes: shuffled ones take longer


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

    def stream(self) -> bytes:
        """Make the zlib stream of all rows."""
        lengths = np.full(self.sizes.shape[1], self.step * self.width)
        lengths[-1] += (self.n_rows - len(lengths) * self.step) * self.width
        sums = zip(self.checksums.ravel().tolist(), lengths.tolist() * self.n_planes, strict=True)
        return b"".join([_HEADER, self.data, _LAST, _joined(sums)])

    def rows(self, start: int, stop: int, level: int) -> list[list[Piece]]:
        """Give pieces that hold rows ``start <= i < stop``, by plane.

        Whole pieces are those that are there; one that is cut is compressed anew.
        """
        first, last = start // self.step, -(-stop // self.step)
        places = self._places
        found: list[list[Piece]] = []
        cuts = []  # where a piece is missing, and its bytes
        for plane in range(self.n_planes):
            at = plane * self.sizes.shape[1]
            row = []
            for i in range(first, last):
                begin, end = i * self.step, min((i + 1) * self.step, self.n_rows)
                data = self.data[places[at + i] : places[at + i + 1]]
                length = (end - begin) * self.width
                row.append(Piece(data, length, int(self.checksums[plane, i])))
                if begin < start or end > stop:
                    whole = self._opened(plane, i, data, length)
                    low, high = max(start, begin) - begin, min(stop, end) - begin
                    cuts.append((row, len(row) - 1, whole[low * self.width : high * self.width]))
            found.append(row)
        made = _compressed([data for _, _, data in cuts], level)
        for (row, i, _), piece in zip(cuts, made, strict=True):
            row[i] = piece
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
    steps = [_planes(data[begin : begin + step], n_planes) for begin in range(0, n_rows, step)]
    # plane by plane
    made = _compressed([memoryview(planes[k]) for k in range(n_planes) for planes in steps], level)
    sizes = np.array([len(p.data) for p in made], np.uint32).reshape(n_planes, -1)
    checksums = np.array([p.checksum for p in made], np.uint32).reshape(n_planes, -1)
    return Packed(n_rows, width, step, b"".join(p.data for p in made), sizes, checksums)


def stream(pieces: Iterable[Piece]) -> bytes:
    """Make a zlib stream of pieces."""
    parts = list(pieces)
    return b"".join(
        [_HEADER, *(p.data for p in parts), _LAST, _joined((p.checksum, p.length) for p in parts)]
    )


def _joined(sums: Iterable[tuple[int, int]]) -> bytes:
    """Give the Adler-32 of everything, from those of its pieces and their lengths."""
    low, high = 1, 0  # sums of the bytes before, and sums of these sums
    for checksum, length in sums:
        high += (checksum >> 16) + length * (low - 1)
        low += (checksum & 0xFFFF) - 1
    return ((high % _BASE) << 16 | low % _BASE).to_bytes(4, "big")


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
    data = np.ascontiguousarray(values)
    plain, shuffled = (
        len(deflate.deflate_compress(_planes(data, n).data.cast("B"), level))
        for n in (1, data.dtype.itemsize)
    )
    return shuffled < _WORTH * plain


def _planes(rows: Any, n_planes: int) -> Any:
    """Give the bytes of rows by plane, each contiguous."""
    return np.ascontiguousarray(rows.reshape(-1).view(np.uint8).reshape(-1, n_planes).T)


def _compressed(datas: Sequence[Any], level: int) -> list[Piece]:
    """Make a piece of each."""
    streams = [deflate.deflate_compress(data, level) for data in datas]
    starts = np.cumsum([0, *map(len, streams)], dtype=np.int64)
    together = np.frombuffer(b"".join([*streams, bytes(SPARE)]), np.uint8)
    out, sizes = np.empty(len(together) + MORE * len(streams), np.uint8), np.empty(len(streams), np.int64)
    if left_open(together, starts, out, sizes) < 0:
        raise FormatError("libdeflate made a stream that does not end", remedy="install another `deflate`")
    ends, view = np.cumsum(sizes).tolist(), out.data
    return [
        Piece(view[end - size : end], len(data), deflate.adler32(data))
        for data, size, end in zip(datas, sizes.tolist(), ends, strict=True)
    ]
