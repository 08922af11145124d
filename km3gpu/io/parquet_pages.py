"""Columns as the pages of a Parquet file: levels and encoded values, compressed, with a check sum.

One data page holds a column of a row group, after a page with its dictionary
where its values repeat.  Pages are of version 1, which every reader takes.
"""

from __future__ import annotations

import itertools
from typing import Any

import deflate
import numpy as np
import pyarrow as pa

from km3gpu.errors import FormatError
from km3gpu.io import thrift
from km3gpu.io.parquet_layout import TEXT, Leaf
from km3gpu.io.parquet_levels import Levels
from km3gpu.io.sink import HashingFile
from km3gpu.kernels.cpu import encodings, strings
from km3gpu.table import Ragged

__all__ = ["CODECS", "Pages"]

CODECS = {"none": 0, "snappy": 1, "gzip": 2, "zstd": 6, "lz4": 7}
"""Numbers of the compressions; ``lz4`` is the plain block format (``LZ4_RAW``)."""

_PLAIN, _RLE, _DELTA, _RLE_DICTIONARY, _BYTE_STREAMS = 0, 3, 5, 8, 9
_I32, _I64, _STRUCT = 5, 6, 12
_FEW = 64  # values that are written as they are
_SMALL = 256  # bytes that are not compressed
_MOST = 2**31 - 1  # bytes of a page
_DICTIONARY = 1 << 20  # bytes of a dictionary at most
_REPEATED = 4  # times that a value comes at least, where it has a dictionary
_WIDE = 256  # distinct integers from which their differences may be shorter
_AS_THEY_ARE = ("b1", "u4", "i8", "u8")  # integers that are not widened to int32
_LONGEST = 4096  # bytes of a string that is told as the least or the greatest


class Pages:
    """Write columns into a file, one after the other.

    Parameters
    ----------
    file : HashingFile
    compression : str
        One of `CODECS`.
    level : int or None
        Of the compression, where it has levels.
    """

    def __init__(self, file: HashingFile, compression: str, level: int | None) -> None:
        self._file = file
        self._number = CODECS[compression]
        name = "lz4_raw" if compression == "lz4" else compression
        self._codec = None if compression == "none" else pa.Codec(name, compression_level=level)
        # memory that is used again, since fresh pages of it cost more than what is done in them
        self._kept: dict[str, np.ndarray[Any, Any]] = {}

    def column(self, leaf: Leaf, values: Any, levels: Levels) -> tuple[bytes, int, int]:
        """Write one column of a row group.

        Parameters
        ----------
        leaf : Leaf
            What it is.
        values : (n,) array or Ragged
            Of which `levels` tells those to write.
        levels : Levels

        Returns
        -------
        told : bytes
            Its ``ColumnChunk`` in the footer.
        size, packed : int
            Bytes of its pages before and after compression, with their heads.

        Raises
        ------
        FormatError
            It is too large for a page.
        """
        encoding, keys, n_keys, body = self._encoded(leaf, values, levels)
        raw = [body] if keys is None else [keys, body]
        if len(body) > _MOST:
            raise FormatError(
                f"{len(body):,} bytes of column {'.'.join(leaf.path)!r} in one row group",
                remedy="make smaller chunks",
            )
        number, packed = self._compressed(raw)
        begin = self._file.tell()
        size = 0
        at = [begin]
        for page, data in zip(raw, packed, strict=True):
            is_keys = page is keys
            head = _page_head(len(page), data, n_keys if is_keys else levels.n, encoding, is_keys)
            self._file.write(head)
            self._file.write(data)
            size += len(head) + len(page)
            at.append(self._file.tell())
        z = thrift.zigzag
        encodings_used = (_PLAIN, _RLE, _RLE_DICTIONARY) if keys is not None else (encoding, _RLE)
        told = [
            b"\x26\x00\x1c\x15", z(leaf.physical),
            b"\x19", thrift.list_head(len(encodings_used), _I32), *map(z, encodings_used),
            b"\x19", leaf.told,
            b"\x15", z(number), b"\x16", z(levels.n), b"\x16", z(size), b"\x16", z(at[-1] - begin),
            b"\x26", z(at[-2]),
        ]  # fmt: skip
        if keys is not None:
            told += [b"\x26", z(begin)]
        if leaf.flat:
            told += [b"\x1c" if keys is not None else b"\x3c", _statistics(leaf, values, levels)]
        told.append(b"\0\0")
        return b"".join(told), size, at[-1] - begin

    def _compressed(self, raw: list[Any]) -> tuple[int, list[Any]]:
        size = sum(map(len, raw))
        if self._codec is None or size < _SMALL:
            return 0, raw
        packed = [self._codec.compress(pa.py_buffer(page)) for page in raw]
        packed = [p.slice(0, p.size) for p in packed]  # a view of one that was shrunk shows all of it
        # where nothing is gained it is read faster as it is
        return (self._number, packed) if sum(p.size for p in packed) < size else (0, raw)

    # -- values --------------------------------------------------------------
    def _encoded(self, leaf: Leaf, values: Any, levels: Levels) -> tuple[int, Any, int, Any]:
        """Give the encoding, the page of the dictionary (or None), its size, and the data page."""
        if leaf.kind == TEXT:
            return self._encoded_text(values, levels)
        bits = _bits(leaf.kind, values[levels.start : levels.stop])
        n, width = len(bits), bits.itemsize
        if n < _FEW or width < 4:
            return _PLAIN, None, 0, levels.data + bits.tobytes()
        body, out = self._begin(levels, n * width + n // 4 + 512)
        keys = self._memory("keys", min(n // _REPEATED, _DICTIONARY // width) * width).view(bits.dtype)
        indices = self._memory("indices", 4 * n).view(np.int32)
        found = encodings.dictionary(bits, keys, indices)
        if found < 0 and leaf.kind[0] == "f":
            encodings.byte_streams(bits, width, out)
            return _BYTE_STREAMS, None, 0, body[: len(levels.data) + n * width]
        size = _runs(indices, found, out) if found >= 0 else n * width
        if found < 0 or (found > _WIDE and leaf.kind[0] != "f"):
            other = out if found < 0 else self._memory("other", len(out))
            length = encodings.differences(bits, other)
            if found < 0 or length < size + found * width:
                out[:length] = other[:length]
                return _DELTA, None, 0, body[: len(levels.data) + length]
        return _RLE_DICTIONARY, memoryview(keys[:found]).cast("B"), found, body[: len(levels.data) + size]

    def _encoded_text(self, values: Ragged, levels: Levels) -> tuple[int, Any, int, Any]:
        offsets, data = values.offsets[levels.start : levels.stop + 1], values.content
        n, rows = len(offsets) - 1, None
        if n >= _FEW:
            firsts, indices = np.empty(n // _REPEATED, np.int64), np.empty(n, np.int32)
            found = strings.text_dictionary(offsets, data, firsts, indices)
            if found >= 0:
                rows = firsts[:found]
                keys = _plain_text(offsets, data, rows)
                if len(keys) <= _DICTIONARY:
                    body, out = self._begin(levels, 4 * n + n // 4 + 512)
                    size = _runs(indices, found, out)
                    return _RLE_DICTIONARY, keys, found, body[: len(levels.data) + size]
        return _PLAIN, None, 0, levels.data + _plain_text(offsets, data, np.arange(n))

    def _begin(self, levels: Levels, most: int) -> tuple[Any, Any]:
        """Give memory for a page that begins with the levels, and what follows them."""
        n = len(levels.data)
        page = self._memory("page", n + most)
        page[:n] = np.frombuffer(levels.data, np.uint8)
        return memoryview(page), page[n:]

    def _memory(self, name: str, size: int) -> Any:
        if len(self._kept.get(name, ())) < size:
            self._kept[name] = np.empty(size, np.uint8)
        return self._kept[name][:size]


def _bits(kind: str, values: Any) -> Any:
    """Give values as the integers that have their bits, at least as wide as Parquet stores them."""
    if kind == "b1":
        return np.packbits(values, bitorder="little")
    if kind == "f2":
        return values.view(np.uint16)
    if values.itemsize < 4:
        return values.astype(np.int32)
    return values.view(np.int32 if values.itemsize == 4 else np.int64)


def _runs(indices: Any, found: int, out: Any) -> int:
    """Encode the indices into a dictionary, after their width; give the number of bytes."""
    width = max((found - 1).bit_length(), 1)
    out[0] = width
    return 1 + int(encodings.runs(indices, width, out[1:]))


def _plain_text(offsets: Any, data: Any, rows: Any) -> bytes:
    sizes = offsets[rows + 1] - offsets[rows]
    out = np.empty(int(sizes.sum()) + 4 * len(rows), np.uint8)
    strings.texts(offsets, data, rows, out)
    return out.tobytes()


def _page_head(size: int, packed: Any, n: int, encoding: int, is_keys: bool) -> bytes:
    z = thrift.zigzag
    crc = deflate.crc32(packed)
    head = [
        b"\x15\x04\x15" if is_keys else b"\x15\x00\x15", z(size), b"\x15", z(len(packed)),
        b"\x15", z(crc - (crc >> 31 << 32)),
    ]  # fmt: skip
    if is_keys:
        head += [b"\x3c\x15", z(n), b"\x15", z(_PLAIN), b"\0\0"]
    else:
        head += [b"\x1c\x15", z(n), b"\x15", z(encoding), b"\x15\x06\x15\x06\0\0"]
    return b"".join(head)


# -- the least and the greatest value ---------------------------------------------
def _statistics(leaf: Leaf, values: Any, levels: Levels) -> bytes:
    """Write ``Statistics``: no nulls, and the bounds where there are any."""
    part = slice(levels.start, levels.stop)
    bounds = _text_bounds(values, part) if leaf.kind == TEXT else _bounds(leaf.kind, values[part])
    if bounds is None:
        return b"\x36\x00\x00"
    least, greatest = bounds
    told = [thrift.varint(len(greatest)), greatest, b"\x18", thrift.varint(len(least)), least]
    return b"".join([b"\x36\x00\x28", *told, b"\x00"])


def _bounds(kind: str, values: Any) -> tuple[bytes, bytes] | None:
    if kind[0] in "Mm":
        values = values.view(np.int64)
    if kind == "f2" or not len(values):
        return None
    if kind[0] == "f":
        least, greatest = np.fmin.reduce(values), np.fmax.reduce(values)
        if np.isnan(least):
            return None
        zero = values.dtype.type(0)
        # either zero may stand among the values
        least, greatest = (-zero if least == 0 else least), (zero if greatest == 0 else greatest)
        return least.tobytes(), greatest.tobytes()
    stored = values.dtype.str[1:] if values.dtype.str[1:] in _AS_THEY_ARE else "i4"
    return values.min().astype(stored).tobytes(), values.max().astype(stored).tobytes()


def _text_bounds(values: Ragged, part: slice) -> tuple[bytes, bytes] | None:
    edges = values.offsets[part.start : part.stop + 1].tolist()
    data = values.content[edges[0] : edges[-1]].tobytes()
    texts = {data[a - edges[0] : b - edges[0]] for a, b in itertools.pairwise(edges)}
    if not texts or max(map(len, texts)) > _LONGEST:
        return None
    return min(texts), max(texts)
