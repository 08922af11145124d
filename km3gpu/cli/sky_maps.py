"""``km3gpu sky map``: the events of files on one map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu import astro
from km3gpu.astro import healpix
from km3gpu.astro.celestial import frame_matrix
from km3gpu.astro.mapfile import write_map
from km3gpu.backend import Backend
from km3gpu.cli import sky_facts
from km3gpu.errors import ConfigError, FormatError
from km3gpu.io import open as open_source
from km3gpu.io.paths import resolve
from km3gpu.kernels.healpix import n_pixels
from km3gpu.stages import best_track
from km3gpu.stages.locate import Locate

__all__ = ["draw", "positions"]


def draw(
    files: list[str],
    output: Path,
    map_file: Path | None,
    nside: int,
    frame: str,
    site: str | None,
    detector: str | None,
    time: str | None,
    names: list[str],
    sources: str | None,
) -> None:
    """Draw the events of files, and print what was written.

    Parameters
    ----------
    files : list of str
        Paths or globs.
    output : Path
        The picture.
    map_file : Path, optional
        A HEALPix map of the counts.
    nside : int
        Of both maps; 0 draws points (and takes 64 for the file).
    frame : {"icrs", "galactic"}
    site, detector : str, optional
        For events that are not located yet, and for the horizon.
    time : str, optional
        Of the horizon.
    names : list of str
        Sources to mark; with `sources` and no names, all of them.
    sources : str, optional
        Path of a list of sources.

    Raises
    ------
    ConfigError, FormatError, InputNotFoundError
    """
    from km3gpu.plot.saving import save
    from km3gpu.plot.sky import Horizon, sky_map

    frame_matrix(frame)
    if nside:
        n_pixels(nside)
    marked = sky_facts.sources_of(names, sources) if names or sources else ()
    horizon = None
    if time is not None:
        horizon = Horizon(sky_facts.time_of(time), sky_facts.site_of(site, detector))
    parts = [p for path in resolve(files) for p in positions(path, site, detector)]
    ra, dec = (np.concatenate([p[k] for p in parts] or [np.empty(0)]) for k in (0, 1))
    good = np.isfinite(ra)
    if not good.any():
        raise FormatError(
            "no event of these files has a position", remedy="do they have reconstructed tracks?"
        )
    longitude, latitude = astro.turned((ra[good], dec[good]), frame)
    counts = healpix.counts(longitude, latitude, nside or 64)
    title = f"{good.sum():,} events" + (f" of {Path(files[0]).name}" if len(files) == 1 else "")
    figure = sky_map(
        *((ra[good], dec[good]) if nside == 0 else ((), ())),
        frame=frame, counts=counts if nside else None, sources=marked, horizon=horizon, title=title,
    )  # fmt: skip
    save(figure, output)
    print(output)
    if map_file is not None:
        facts = {"files": ", ".join(Path(f).name for f in files), "events": str(int(good.sum()))}
        write_map(map_file, {"COUNTS": counts}, frame=frame, facts=facts, overwrite=True)
        print(map_file)


def positions(path: str, site: str | None, detector: str | None) -> Iterator[tuple[Any, Any]]:
    """Give right ascension and declination of the events of a file, chunk by chunk [rad].

    Raises
    ------
    ConfigError
        They are not located yet, and no site is given.
    FormatError
        They have no tracks to locate.
    """
    source = open_source(path)
    have = source.tables.get("events", ())
    if "ra" in have and "dec" in have:
        for chunk in source.chunks(columns={"events": ("ra", "dec")}, backend="cpu"):
            yield tuple(Backend.to_host(chunk.events.flat(c)) for c in ("ra", "dec"))  # type: ignore[misc]
        return
    if "tracks" not in source.tables:
        raise FormatError("the events have neither positions nor tracks", where=path)
    if site is None and detector is None:
        raise ConfigError(
            "the events are not located yet", where=path, remedy="give --site arca, or --detector FILE"
        )
    locate = Locate(site=site, detector=detector)
    for chunk in source.chunks(backend="cpu"):
        events = locate(best_track(chunk)).events
        yield tuple(Backend.to_host(events.flat(c)) for c in ("ra", "dec"))  # type: ignore[misc]
