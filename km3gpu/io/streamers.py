"""The classes that a ROOT file describes: member names and C++ types (TStreamerInfo).

Parsing them costs more than anything else in opening a small file, and files
of one production all carry the same description, so it is kept by its digest.
"""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.rootfile import RootFile, read_key

__all__ = ["Member", "Streamers", "streamers"]

_ELEMENT = struct.Struct(">4i5i")  # type, size, array length and dimensions
_KEEP = 32
_known: OrderedDict[bytes, Streamers] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a class.

    Attributes
    ----------
    name, type_name : str
        ``rec_stages``, ``vector<int>``.
    code : int
        ROOT's number of the type.
    length : int
        Items of a fixed array, 0 where it is none.
    """

    name: str
    type_name: str
    code: int
    length: int


Streamers = dict[tuple[str, int], tuple[Member, ...]]


def streamers(file: RootFile) -> Streamers:
    """Give the classes of `file`: {(class name, version): members}."""
    seek, nbytes = file.streamer_record
    if seek == 0 or nbytes == 0:
        return {}
    raw = file.span(seek, nbytes)
    mark = hashlib.blake2b(raw, digest_size=16).digest()
    if mark not in _known:
        _known[mark] = file.parse("list of classes", lambda: _read(file, raw))
        while len(_known) > _KEEP:
            _known.popitem(last=False)
    return _known[mark]


def _read(file: RootFile, raw: memoryview) -> Streamers:
    key = read_key(Cursor(raw), "")
    c = file.cursor(key)
    c.version()
    c.object_base()
    c.string()
    n = c.get("i")
    found: Streamers = {}
    for _ in range(n):
        made = c.object_any(_make)
        option = c.get("B")
        c.raw(option)
        if made is not None:
            name, version, members = made
            found[name, version] = members
    return found


def _make(c: Cursor, class_name: str, register: Any) -> Any:
    _, stop = c.version()
    if class_name == "TStreamerInfo":
        name, _ = c.named()
        c.get("I")  # checksum
        version = c.get("i")
        members = c.object_any(_make)
        made: Any = (name, version, tuple(m for m in members if m is not None))
    elif class_name == "TObjArray":
        c.pos -= 6
        return c.object_array(_make)
    elif class_name.startswith("TStreamer"):
        made = _element(c, class_name)
    elif stop < 0:
        raise UnreadableError(f"an object of class {class_name} in the list of classes")
    else:
        made = None
    if stop >= 0:
        c.pos = stop
    return made


def _element(c: Cursor, class_name: str) -> Member:
    # a subclass such as TStreamerBasicType holds a TStreamerElement first
    if class_name == "TStreamerSTLstring":
        c.version()
    version, _ = c.version()
    name, _ = c.named()
    if version < 2:
        raise UnreadableError(f"member {name!r} is described by version {version}, km3gpu reads 2 and later")
    code, _, length, *_ = c.fields(_ELEMENT)
    return Member(name, c.string(), code, length)
