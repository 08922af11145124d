"""Decompression of ROOT's blocks: zlib, LZ4, LZMA, ZSTD, each by the fastest library at hand.

A record is one or more blocks of at most 16 MB.  A block starts with nine
bytes: two letters for the codec, one for the method, then the compressed and
the uncompressed size as three bytes each, little endian.
"""

from __future__ import annotations

import functools
import importlib
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from km3gpu.errors import MissingExtraError
from km3gpu.io.cursor import UnreadableError

__all__ = ["decompress", "most_unpacked", "zlib_library"]

_HEADER = 9

# No codec makes more of one byte than this; a block that claims more is damaged
# and is refused before memory is taken for it.
_MOST_PER_BYTE = {b"ZL": 1040, b"CS": 1040, b"L4": 260, b"XZ": 8000, b"ZS": 60000}


def decompress(data: Any, size: int) -> Any:
    """Decompress a record.

    Parameters
    ----------
    data : memoryview
        All blocks.
    size : int
        Bytes that come out.

    Returns
    -------
    bytes-like
        `size` bytes.

    Raises
    ------
    UnreadableError
        The blocks are damaged, or give another size.
    """
    parts = []
    made = pos = 0
    end = len(data)
    while made < size:
        if pos + _HEADER > end:
            raise UnreadableError(f"compressed blocks end after {made} of {size} bytes")
        head = bytes(data[pos : pos + _HEADER])
        codec = head[:2]
        packed = int.from_bytes(head[3:6], "little")
        unpacked = int.from_bytes(head[6:9], "little")
        begin = pos + _HEADER
        pos = begin + packed
        made += unpacked
        most = _MOST_PER_BYTE.get(codec)
        if most is None:
            raise UnreadableError(f"unknown compression {codec!r}")
        if pos > end or made > size or unpacked == 0 or unpacked > most * packed:
            raise UnreadableError("a compressed block has impossible sizes")
        try:
            part = _decoder(codec)(data[begin:pos], unpacked)
        except MissingExtraError:
            raise
        except Exception as error:  # each library has its own error class
            raise UnreadableError(f"a compressed block does not decompress ({error})") from None
        if len(part) != unpacked:
            raise UnreadableError(f"a compressed block gave {len(part)} bytes instead of {unpacked}")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def most_unpacked(head: Any, size: int) -> int:
    """Give the most bytes that a record of `size` could decompress to, by the codec of its first block."""
    return size * _MOST_PER_BYTE.get(bytes(head[:2]), 1)


@functools.cache
def zlib_library() -> str:
    """Name the library that decompresses zlib here: deflate, isal or zlib."""
    for name in ("deflate", "isal"):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return name
    return "zlib"


@functools.cache
def _decoder(codec: bytes) -> Callable[[Any, int], Any]:
    if codec == b"ZL":
        return _zlib_decoder(zlib_library())
    if codec == b"CS":
        return lambda data, size: zlib.decompress(data, -15, size)
    if codec == b"XZ":
        return lambda data, size: lzma.decompress(data)
    try:
        import cramjam
    except ImportError:
        raise MissingExtraError("LZ4 and ZSTD blocks need cramjam", remedy="pip install cramjam") from None
    if codec == b"L4":
        # eight bytes of checksum come before the data
        return lambda data, size: memoryview(cramjam.lz4.decompress_block(data[8:], output_len=size))
    return lambda data, size: memoryview(cramjam.zstd.decompress(data, output_len=size))


def _zlib_decoder(library: str) -> Callable[[Any, int], Any]:
    if library == "deflate":
        import deflate

        return deflate.zlib_decompress  # type: ignore[no-any-return]
    if library == "isal":
        from isal import isal_zlib

        return lambda data, size: isal_zlib.decompress(data, 15, size)
    return lambda data, size: zlib.decompress(data, 15, size)
