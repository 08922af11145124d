"""Compressed blocks."""

from __future__ import annotations

import lzma
import sys
import zlib

import cramjam
import pytest

from km3gpu.io import codecs
from km3gpu.io.cursor import UnreadableError

TEXT = b"the same words again and again, " * 500


def block(tag: bytes, packed: bytes, size: int) -> bytes:
    return tag + b"\x08" + len(packed).to_bytes(3, "little") + size.to_bytes(3, "little") + packed


BLOCKS = {
    "zlib": block(b"ZL", zlib.compress(TEXT), len(TEXT)),
    "lzma": block(b"XZ", lzma.compress(TEXT), len(TEXT)),
    "zstd": block(b"ZS", bytes(cramjam.zstd.compress(TEXT)), len(TEXT)),
    "lz4": block(b"L4", bytes(8) + bytes(cramjam.lz4.compress_block(TEXT, store_size=False)), len(TEXT)),
    "old": block(b"CS", zlib.compress(TEXT)[2:-4], len(TEXT)),
}


@pytest.mark.parametrize("codec", BLOCKS)
def test_every_codec_gives_back_what_went_in(codec):
    assert bytes(codecs.decompress(memoryview(BLOCKS[codec]), len(TEXT))) == TEXT


def test_blocks_are_joined_whatever_their_codec():
    data = BLOCKS["zlib"] + BLOCKS["zstd"] + BLOCKS["lz4"]
    assert bytes(codecs.decompress(memoryview(data), 3 * len(TEXT))) == 3 * TEXT


@pytest.mark.parametrize("library", ["deflate", "isal", "zlib"])
def test_every_zlib_library_serves(library):
    assert bytes(codecs._zlib_decoder(library)(memoryview(zlib.compress(TEXT)), len(TEXT))) == TEXT


@pytest.mark.parametrize(
    ("missing", "taken"), [((), "deflate"), (("deflate",), "isal"), (("deflate", "isal"), "zlib")]
)
def test_the_fastest_library_at_hand_is_taken(monkeypatch, missing, taken):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    codecs.zlib_library.cache_clear()
    try:
        assert codecs.zlib_library() == taken
    finally:
        codecs.zlib_library.cache_clear()


@pytest.mark.parametrize(
    ("data", "size", "words"),
    [
        (BLOCKS["zlib"][:-20], len(TEXT), "impossible sizes"),
        (BLOCKS["zlib"], len(TEXT) + 1, "end after"),
        (BLOCKS["zlib"], len(TEXT) - 1, "impossible sizes"),
        (block(b"??", b"abc", 3), 3, "unknown compression"),
        (block(b"ZL", b"not zlib at all", 40), 40, "does not decompress"),
        (block(b"ZL", zlib.compress(TEXT), len(TEXT) - 1), len(TEXT) - 1, "decompress"),
        (block(b"ZL", zlib.compress(b"abc"), 0xFFFFFF), 0xFFFFFF, "impossible sizes"),
        (block(b"ZS", bytes(cramjam.zstd.compress(TEXT)), 100), 100, "gave|decompress"),
    ],
)
def test_damaged_blocks_are_refused(data, size, words):
    with pytest.raises(UnreadableError, match=words):
        codecs.decompress(memoryview(data), size)
