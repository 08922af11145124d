"""A detector description as DETX text or DATX bytes."""

from __future__ import annotations

import errno
import os
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from km3gpu.detector import datx, detx
from km3gpu.detector.arrays import Content, Modules, Pmts, Utm
from km3gpu.errors import ConfigError, DiskFullError, FormatError

__all__ = ["render", "render_datx", "render_detx", "write"]

_FOREVER = (0.0, 999999999999.9)  # what files that are always valid hold


def write(content: Content, path: str | Path, version: int | None = None) -> None:
    """Write a detector file: DETX or DATX by the end of its name, all or nothing.

    Parameters
    ----------
    content : Content
        A detector.
    path : str or Path
        ``*.detx`` or ``*.datx``; a file that is there is replaced.
    version : int, optional
        Version of the format, see `render_detx`.

    Raises
    ------
    ConfigError
        The name ends otherwise, or there is no such version.
    FormatError
        The detector lacks what that version must hold.
    DiskFullError
        There is no space left; the earlier file is as it was.
    """
    target = Path(path)
    data = render(content, target.suffix, version)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFullError(f"no space left for {str(target)!r}", remedy="free some space") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def render(content: Content, suffix: str, version: int | None = None) -> bytes:
    """Give the bytes of a file whose name ends with `suffix`, ``.detx`` or ``.datx``."""
    if suffix.lower() == ".detx":
        return render_detx(content, version)
    if suffix.lower() == ".datx":
        if version not in (None, 5):
            raise ConfigError(f"DATX has no version {version}", remedy="version 5 is the only one")
        return render_datx(content)
    raise ConfigError(f"no detector format for files {suffix!r}", remedy="name it *.detx or *.datx")


def render_detx(content: Content, version: int | None = None) -> bytes:
    """Give a detector as DETX text.

    Numbers have as many digits as bring back the same number.

    Parameters
    ----------
    content : Content
        A detector.
    version : int, optional
        1 to 5; the detector's own by default.  A lower one leaves out what it
        cannot hold: comments (before 3), PMT status (3), modules' positions,
        quaternions and t0 (4) and with them the modules without PMTs, modules'
        status (5), and in version 1 validity and reference point.  A higher one
        gets what is neutral: validity for all times, unit quaternions, t0 and
        status 0.

    Raises
    ------
    ConfigError
        There is no such version.
    FormatError
        A reference point is needed from version 2 on, and the detector has none.
    """
    version = content.version if version is None else version
    if version not in detx.VERSIONS:
        raise ConfigError(f"DETX has no version {version}", remedy="take 1 to 5")
    return ("\n".join(_lines(content, version)) + "\n").encode()


def _lines(content: Content, version: int) -> Iterator[str]:
    m = content.modules
    rows = np.flatnonzero(m.n_pmts) if version < 4 else np.arange(len(m))
    if version >= 3:
        for comment in content.comments:
            yield "\n".join(f"# {line}" if line else "#" for line in comment.split("\n"))
    if version == 1:
        yield f"{content.det_id} {len(rows)}"
    else:
        utm = _utm(content)
        yield f"{content.det_id} v{version}"
        yield _words(*(content.validity or _FOREVER))
        yield f"UTM {utm.ellipsoid} {utm.zone} {_words(utm.easting, utm.northing, utm.z)}"
        yield f"{len(rows)}"
    heads = _module_lines(m, version)
    pmts = _pmt_lines(content.pmts, version)
    for i in rows:
        yield heads[i]
        yield from pmts[m.first_row[i] : m.first_row[i] + m.n_pmts[i]]


def _module_lines(m: Modules, version: int) -> list[str]:
    columns = [m.dom_id, m.du, m.floor]
    if version > 3:
        quaternion = np.tile([1.0, 0, 0, 0], (len(m), 1)) if m.quaternion is None else m.quaternion
        columns += [*m.pos.T, *quaternion.T, m.t0]
    if version > 4:
        columns.append(m.status)
    return _table((*columns, m.n_pmts))


def _pmt_lines(p: Pmts, version: int) -> list[str]:
    columns = (p.pmt_id, *p.pos.T, *p.dir.T, p.t0, *((p.status,) if version > 2 else ()))
    return [f" {line}" for line in _table(columns)]


def _table(columns: tuple[np.ndarray, ...]) -> list[str]:
    # repr of a Python float is the shortest text that reads back as the same
    return [" ".join(row) for row in zip(*(map(repr, c.tolist()) for c in columns), strict=True)]


def _words(*numbers: float) -> str:
    return " ".join(repr(float(x)) for x in numbers)


def _utm(content: Content) -> Utm:
    if content.utm is None:
        raise FormatError(
            "the detector has no reference point, which this version must hold",
            remedy="set one with detector.replace(utm=Utm(...)), or write version 1",
        )
    return content.utm


def render_datx(content: Content) -> bytes:
    """Give a detector as DATX (version 5) bytes.

    What the detector lacks is filled in as for `render_detx`.

    Raises
    ------
    FormatError
        The detector has no reference point.
    """
    utm = _utm(content)
    head = b"".join(b"####" + _string(c) for c in content.comments)
    head += struct.pack("<i", content.det_id) + _string("V5")
    head += struct.pack("<dd", *(content.validity or _FOREVER))
    head += _string("UTM") + _string(utm.ellipsoid) + _string(utm.zone)
    head += struct.pack("<dddi", utm.easting, utm.northing, utm.z, len(content.modules))

    modules = _records(content.modules, datx.MODULE)
    if content.modules.quaternion is None:
        modules["quaternion"] = (1.0, 0.0, 0.0, 0.0)
    pmts = _records(content.pmts, datx.PMT)
    first, n = content.modules.first_row, content.modules.n_pmts
    parts = [head]
    for i in range(len(modules)):
        parts += (modules[i].tobytes(), pmts[first[i] : first[i] + n[i]].tobytes())
    return b"".join(parts)


def _records(table: Modules | Pmts, dtype: np.dtype[np.void]) -> np.ndarray:
    records = np.zeros(len(table), dtype)
    for name in dtype.names or ():
        column = getattr(table, name)
        if column is not None:
            records[name] = column
    return records


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<i", len(raw)) + raw
