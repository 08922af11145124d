"""Dumps of the datagrams of the modules' control boards (CLB): hits (TTDC) and monitoring (TMCH).

Each datagram has its length in front (little-endian, without itself), then
four letters for its kind; the rest is big-endian.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.dataset import Dataset, Wanted
from km3gpu.io.filebytes import map_file
from km3gpu.io.manydatasets import ManyDatasets
from km3gpu.table import Table, counts_to_offsets

__all__ = ["DatagramFile", "is_datagrams"]

_LENGTH = 4
_HEAD = [("tag", "S4"), ("run_id", ">u4"), ("udp_sequence", ">u4"), ("seconds", ">u4"), ("cycles", ">u4")]
_HITS_HEAD = np.dtype([*_HEAD, ("dom_id", ">i4"), ("dom_status", ">u4")])
_HIT = np.dtype([("channel_id", "u1"), ("tdc", ">u4"), ("tot", "u1")])
_MONITOR = [
    *_HEAD,
    ("dom_id", ">i4"),
    ("dom_status", ">u4", (4,)),
    ("rates", ">u4", (31,)),
    ("hrv", ">u4"),
    ("flags", ">u4"),
    ("yaw", ">f4"),
    ("pitch", ">f4"),
    ("roll", ">f4"),
    ("acceleration", ">f4", (3,)),
    ("gyroscope", ">f4", (3,)),
    ("magnetic_field", ">f4", (3,)),
    ("temperature", ">u2"),
    ("humidity", ">u2"),
    ("tdc_full", ">u4"),
    ("aes_full", ">u4"),
    ("flush_counter", ">u4"),
]
_MONITORS = (
    np.dtype(_MONITOR),
    np.dtype([*_MONITOR, ("slice_ms", ">u4")]),
    np.dtype([*_MONITOR, ("slice_ms", ">u4"), ("extra", ">u2", (2,))]),
)
_RATE_UNIT = 10.0  # Hz
_TAGS = {b"TTDC": "TTDC", b"TMCH": "TMCH"}


def is_datagrams(head: bytes) -> bool:
    """Tell from its first bytes whether a file is a dump of datagrams."""
    return head[_LENGTH : _LENGTH + 4] in _TAGS


class DatagramFile(ManyDatasets):
    """A file of datagrams of one or both kinds.

    Parameters
    ----------
    path : str
        A local file.

    Raises
    ------
    FormatError
        A datagram is of another kind, or does not end where the next begins.
    """

    def __init__(self, path: str) -> None:
        data = map_file(path)
        places: dict[str, list[tuple[int, int]]] = {}
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + _LENGTH], "little")
            tag = _TAGS.get(bytes(data[at + _LENGTH : at + _LENGTH + 4]))
            if tag is None or length < _HITS_HEAD.itemsize or at + _LENGTH + length > len(data):
                raise FormatError(
                    f"the datagram at byte {at} is damaged or of an unknown kind",
                    where=path,
                    remedy="dump it again",
                )
            at += _LENGTH
            places.setdefault(tag, []).append((at, at + length))
            at += length
        kinds: dict[str, Callable[..., Dataset]] = {"TTDC": _Hits, "TMCH": _Monitoring}
        super().__init__(path, {tag: kinds[tag](path, tag, data, where) for tag, where in places.items()})


class _Datagrams:
    """Datagrams of one kind."""

    def __init__(self, path: str, name: str, data: memoryview, places: list[tuple[int, int]]) -> None:
        self.path, self.name, self.where = path, name, f"{name} of {path}"
        self.n_entries = len(places)
        self._data, self._places = data, places

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: none."""
        return ()

    def edges(self) -> list[int]:
        """Give every datagram: each can be read alone."""
        return list(range(self.n_entries + 1))

    def nbytes(self, wanted: Wanted) -> int:
        """Give the bytes of all datagrams."""
        return sum(stop - start for start, stop in self._places)


class _Hits(_Datagrams):
    kind = "clb_hits"

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns; one row of events for each datagram."""
        return {
            "events": ("run_id", "udp_sequence", "time_ns", "dom_id", "dom_status"),
            "hits": ("dom_id", "channel_id", "tdc", "tot"),
        }

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read datagrams ``start <= i < stop``."""
        heads, hits = [np.zeros(0, _HITS_HEAD)], [np.zeros(0, _HIT)]
        for begin, end in self._places[start:stop]:
            first = begin + _HITS_HEAD.itemsize
            if (end - first) % _HIT.itemsize:
                raise FormatError(
                    f"the datagram at byte {begin - _LENGTH} is no whole number of hits", where=self.where
                )
            heads.append(np.frombuffer(self._data, _HITS_HEAD, 1, begin))
            hits.append(np.frombuffer(self._data, _HIT, (end - first) // _HIT.itemsize, first))
        events = _native(np.concatenate(heads))
        rows = _native(np.concatenate(hits))
        counts = np.array([len(h) for h in hits[1:]], np.int64)
        rows["dom_id"] = np.repeat(events["dom_id"], counts)
        made = {
            "events": Table("events", events),
            "hits": Table("hits", rows, counts_to_offsets(counts)),
        }
        return {t: made[t].keep(*names).map(where.to_device) for t, names in wanted.items()}


class _Monitoring(_Datagrams):
    kind = "monitoring"

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the only table, a row for each datagram."""
        names = [n for n in _MONITORS[0].names or () if n not in ("tag", "seconds", "cycles")]
        return {"events": ("time_ns", *names)}

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read datagrams ``start <= i < stop``; temperature in degrees C, humidity in %, rates in Hz."""
        rows = [np.zeros(0, _MONITORS[0])]
        for begin, end in self._places[start:stop]:
            layout = next((d for d in _MONITORS if d.itemsize == end - begin), None)
            if layout is None:
                raise FormatError(
                    f"the datagram at byte {begin - _LENGTH} has a length of no known version",
                    where=self.where,
                )
            rows.append(np.frombuffer(self._data, _MONITORS[0], 1, begin))
        events = _native(np.concatenate(rows))
        events["rates"] = events["rates"] * _RATE_UNIT
        events |= {n: events[n] / 100.0 for n in ("temperature", "humidity")}
        table = Table("events", events)
        return {t: table.keep(*names).map(where.to_device) for t, names in wanted.items()}


def _native(rows: np.ndarray) -> dict[str, np.ndarray]:
    names = [n for n in rows.dtype.names or () if n != "tag"]
    found = {n: np.ascontiguousarray(rows[n]).astype(rows[n].dtype.newbyteorder("=")) for n in names}
    if "seconds" in found:
        found["time_ns"] = found.pop("seconds").astype(np.int64) * 1_000_000_000
        found["time_ns"] += found.pop("cycles").astype(np.int64) * 16
    return found
