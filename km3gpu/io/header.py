"""The header of an offline file: what the simulation was told and what it made.

A header is a map of names to blank-separated values.  The field names of the
known entries are those of the KM3NeT data format (``mc_header`` of
km3net-dataformat).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from km3gpu.errors import UnknownNameError
from km3gpu.io.cursor import Cursor, UnreadableError
from km3gpu.io.rootfile import RootFile

__all__ = ["FIELDS", "Header", "read_header"]

_CUT = ("Emin", "Emax", "cosTmin", "cosTmax")
_PROGRAM = ("program", "version", "date", "time")

FIELDS: dict[str, tuple[str, ...]] = {
    "DAQ": ("livetime",),
    "seed": ("program", "level", "iseed"),
    "PM1_type_area": ("type", "area", "TTS"),
    "PDF": ("i1", "i2"),
    "model": ("interaction", "muon", "scattering", "numberOfEnergyBins"),
    "can": ("zmin", "zmax", "r"),
    "genvol": ("zmin", "zmax", "r", "volume", "numberOfEvents"),
    "merge": ("time", "gain"),
    "coord_origin": ("x", "y", "z"),
    "translate": ("x", "y", "z"),
    "genhencut": ("gDir", "Emin"),
    "k40": ("rate", "time"),
    "norma": ("primaryFlux", "numberOfPrimaries"),
    "livetime": ("numberOfSeconds", "errorOfSeconds"),
    "flux": ("type", "key", "file_1", "file_2"),
    "spectrum": ("alpha",),
    "fixedcan": ("xcenter", "ycenter", "zmin", "zmax", "radius"),
    "start_run": ("run_id",),
    **dict.fromkeys(("cut_primary", "cut_seamuon", "cut_in", "cut_nu"), _CUT),
    **dict.fromkeys(("generator", "physics", "simul"), _PROGRAM),
}


class Entry(SimpleNamespace):
    """The values of one header entry, by name; a known field without value is None."""

    def __iter__(self) -> Iterator[Any]:
        return iter(vars(self).values())

    def __len__(self) -> int:
        return len(vars(self))


class Header(Mapping[str, Any]):
    """A header, as a mapping and with its entries as attributes.

    An entry of a single value and no known field names is that value; any
    other is an `Entry` with named fields, surplus values as ``field_i``.
    Numbers are int or float where they read as such.

    Parameters
    ----------
    raw : mapping of str to str
        Names and blank-separated values, kept as `raw`.
    """

    def __init__(self, raw: Mapping[str, str]) -> None:
        self.raw = dict(raw)
        self._entries = {name: _entry(name, text) for name, text in self.raw.items()}

    def __getitem__(self, name: str) -> Any:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError.of("header entry", name, self._entries) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "raw":
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __repr__(self) -> str:
        return f"<Header of {len(self)} entries: {', '.join(self)}>"

    def __str__(self) -> str:
        return "\n".join(f"{name}: {text.strip()}" for name, text in self.raw.items())


def _entry(name: str, text: str) -> Any:
    values: list[int | float | str | None] = [_number(v) for v in text.split()]
    names = list(FIELDS.get(name, ()))
    if not names and len(values) == 1:
        return values[0]
    names += [f"field_{i}" for i in range(len(names), len(values))]
    values += [None] * (len(names) - len(values))
    return Entry(**dict(zip(names, values, strict=True)))


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def read_header(file: RootFile) -> Header | None:
    """Read the header of a file.

    Returns
    -------
    Header or None
        None for a file without one.

    Raises
    ------
    FormatError
        It does not parse.
    """
    found = (file.find(name) for name in ("Head", "Header"))
    key = next((k for k in found if k is not None and k.class_name == "Head"), None)
    if key is None:
        return None
    return Header(file.parse("header object", lambda: _read(file.cursor(key))))


def _read(c: Cursor) -> dict[str, str]:
    c.version()
    c.object_base()
    _, _ = c.version()
    memberwise = c.data[c.pos - 2] & 0x40
    if not memberwise:
        n = _count(c)
        return {c.string(): c.string() for _ in range(n)}
    version = c.get("H")
    if version == 0:
        c.pos += 4  # a checksum stands for the version
    n = _count(c)
    if n == 0:
        return {}
    c.version()
    names = [c.string() for _ in range(n)]
    c.version()
    return dict(zip(names, [c.string() for _ in range(n)], strict=True))


def _count(c: Cursor) -> int:
    n = int(c.get("i"))
    if n < 0 or n > len(c.data):
        raise UnreadableError(f"a header of {n} entries")
    return n
