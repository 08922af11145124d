"""Records of KM3NeT's DAQ files, byte by byte.

A hit in ``KM3NET_EVENT`` is 10 bytes: module (int32, big-endian), channel
(uint8), time in ns (uint32, **little**-endian) and time over threshold (uint8).
A triggered hit is the same, then 6 bytes of ROOT's object header, then the
trigger mask (uint64, big-endian).  Each entry is a vector: a 10 byte header
whose last four are the number of hits (int32, big-endian).
"""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = ["big_4", "big_8", "little_4", "signed_4"]

VECTOR_HEADER = 10
SNAPSHOT_HIT = 10
TRIGGERED_HIT = 24
EVENT_HEADER = 76

WRONG_LENGTH = 1
WRONG_COUNT = 2
OUT_OF_RANGE = 3


@register_jitable
def big_4(b0: int, b1: int, b2: int, b3: int) -> int:
    """Give four bytes, the highest first, as a number of 0 to 2**32 - 1."""
    return (int(b0) << 24) | (int(b1) << 16) | (int(b2) << 8) | int(b3)


@register_jitable
def little_4(b0: int, b1: int, b2: int, b3: int) -> int:
    """Give four bytes, the lowest first, as a number of 0 to 2**32 - 1."""
    return int(b0) | (int(b1) << 8) | (int(b2) << 16) | (int(b3) << 24)


@register_jitable
def signed_4(value: int) -> int:
    """Read a number of 0 to 2**32 - 1 as an int32."""
    return value - ((value & 0x80000000) << 1)


@register_jitable
def big_8(high: int, low: int) -> int:
    """Join two `big_4`; as bits of a uint64, whatever int64 makes of the sign."""
    return (high << 32) | low
