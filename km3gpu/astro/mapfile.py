"""HEALPix maps in FITS files, as healpy, astropy-healpix and Aladin read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from km3gpu._version import __version__
from km3gpu.astro.celestial import frame_matrix
from km3gpu.backend import Backend
from km3gpu.errors import FormatError, InputNotFoundError, OutputExistsError
from km3gpu.kernels.healpix import n_pixels

__all__ = ["SkyMap", "read_map", "write_map"]

_COORDSYS = {"icrs": "C", "galactic": "G"}


class SkyMap:
    """A HEALPix map that was read.

    Attributes
    ----------
    columns : dict of str to (12 nside^2,) array
    nside : int
    nested : bool
    frame : str
        ``"icrs"`` or ``"galactic"``.
    """

    def __init__(self, columns: dict[str, Any], nside: int, nested: bool, frame: str) -> None:
        self.columns, self.nside, self.nested, self.frame = columns, nside, nested, frame


def write_map(
    path: str | Path,
    columns: Mapping[str, Any],
    *,
    nested: bool = False,
    frame: str = "icrs",
    facts: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write maps of one resolution to a FITS file.

    Parameters
    ----------
    path : str or Path
    columns : mapping of str to (12 nside^2,) array
        Maps by name.
    nested : bool
        They are in nested order, else in ring order.
    frame : {"icrs", "galactic"}
    facts : mapping of str to str, optional
        Written as HISTORY, one line each.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    FormatError
        The columns are no maps of one resolution.
    OutputExistsError
        The file is there.
    InputNotFoundError
        There is no such directory.
    """
    path = Path(path)
    frame_matrix(frame)
    arrays = {name: np.asarray(Backend.to_host(c)) for name, c in columns.items()}
    lengths = {len(a) for a in arrays.values()}
    nside = round((max(lengths, default=0) / 12) ** 0.5)
    if len(lengths) != 1 or nside == 0 or n_pixels(nside, nested) != next(iter(lengths)):
        sizes = ", ".join(f"{n}: {len(a)}" for n, a in arrays.items()) or "none"
        raise FormatError(f"no HEALPix maps of one resolution ({sizes})", remedy="each has 12 nside^2 pixels")
    if not path.absolute().parent.is_dir():
        raise InputNotFoundError(f"no directory for {str(path)!r}", remedy="make it first")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{str(path)!r} exists", remedy="name another file, or allow to overwrite it")
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name=n, format="K" if a.dtype.kind in "iu" else "D", array=a) for n, a in arrays.items()]
    )
    header = table.header
    header["PIXTYPE"] = ("HEALPIX", "pixels of the sphere")
    header["ORDERING"] = ("NESTED" if nested else "RING", "order of the pixels")
    header["NSIDE"] = (nside, "resolution")
    header["FIRSTPIX"], header["LASTPIX"] = 0, 12 * nside * nside - 1
    header["INDXSCHM"] = ("IMPLICIT", "every pixel is there")
    header["OBJECT"] = ("FULLSKY", "the whole sky")
    header["COORDSYS"] = (_COORDSYS[frame], "C: ICRS, G: galactic")
    if frame == "icrs":
        header["RADESYS"] = "ICRS"
    header["CREATOR"] = f"km3gpu {__version__}"
    for key, value in (facts or {}).items():
        header["HISTORY"] = f"{key}: {value}".encode("ascii", "replace").decode()
    part = path.with_name(path.name + ".part")
    try:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(part, overwrite=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_map(path: str | Path) -> SkyMap:
    """Read a HEALPix map, km3gpu's or another's (full sky, implicit pixels).

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputNotFoundError
        There is no such file.
    FormatError
        It holds no such map.
    """
    path = Path(path)
    if not path.is_file():
        raise InputNotFoundError(f"no file {str(path)!r}", remedy="check the path")
    try:
        with fits.open(path) as hdus:
            table = next((h for h in hdus if h.header.get("PIXTYPE") == "HEALPIX"), None)
            if table is None:
                raise FormatError("no HEALPix map in the file", where=str(path))
            header = table.header
            # healpy writes rows of 1024 pixels
            columns = {
                c.name: np.ravel(table.data[c.name]).astype(table.data[c.name].dtype.newbyteorder("="))
                for c in table.columns
            }
    except OSError as error:
        raise FormatError(f"this is no FITS file: {error}", where=str(path)) from None
    nside, nested = int(header["NSIDE"]), str(header["ORDERING"]).upper().startswith("NEST")
    if any(len(c) != n_pixels(nside, nested) for c in columns.values()):
        raise FormatError("the map does not cover the whole sky", where=str(path))
    code = str(header.get("COORDSYS", "C")).strip().upper()[:1]
    frame = next((f for f, c in _COORDSYS.items() if c == code), None)
    if frame is None:
        raise FormatError(f"coordinates {header['COORDSYS']!r} of the map are not known", where=str(path))
    return SkyMap(columns, nside, nested, frame)
