"""Reading positions."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from km3gpu.io.cursor import Cursor, UnreadableError


def test_numbers_and_strings_are_read_in_order():
    data = struct.pack(">iHd", -5, 7, 2.5) + b"\x03abc" + b"\xff" + struct.pack(">i", 300) + b"x" * 300
    c = Cursor(data)
    assert [c.get("i"), c.get("H"), c.get("d")] == [-5, 7, 2.5]
    assert c.string() == "abc"
    assert c.string() == "x" * 300
    assert c.pos == len(data)


def test_arrays_become_native():
    c = Cursor(struct.pack(">3i", 1, -2, 3))
    values = c.array(">i4", 3)
    assert values.tolist() == [1, -2, 3]
    assert values.dtype == np.dtype("i4")
    assert values.dtype.isnative


@pytest.mark.parametrize("n", [-1, 4, 2**40])
def test_an_array_past_the_end_is_refused(n):
    with pytest.raises(UnreadableError, match="past the end"):
        Cursor(bytes(12)).array(">i4", n)


def test_raw_bytes_past_the_end_are_refused():
    with pytest.raises(UnreadableError):
        Cursor(b"abc").raw(4)


def test_a_version_with_and_without_byte_count():
    assert Cursor(struct.pack(">IH", 0x40000002, 3)).version() == (3, 6)
    assert Cursor(struct.pack(">H", 3)).version() == (3, -1)


def test_an_object_that_claims_more_than_there_is_is_refused():
    with pytest.raises(UnreadableError, match="past the end"):
        Cursor(struct.pack(">IH", 0x40000100, 3)).version()


def test_an_object_of_an_unnamed_class_is_refused():
    data = struct.pack(">II", 0x40000008, 0x80000055) + bytes(8)
    with pytest.raises(UnreadableError, match="never named"):
        Cursor(data).object_any(lambda *_: None)


def test_pointers_to_nothing_and_to_an_object_read_before():
    name = b"TThing\0"
    first = struct.pack(">II", 0x40000000 + 4 + len(name) + 4, 0xFFFFFFFF) + name + struct.pack(">i", 42)
    again = struct.pack(">I", 2)
    c = Cursor(first + again + struct.pack(">I", 0))
    made = [c.object_any(lambda c, n, register: (n, c.get("i"))) for _ in range(3)]
    assert made == [("TThing", 42), ("TThing", 42), None]
