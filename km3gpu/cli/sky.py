"""``km3gpu sky``: where events come from, where sources stand, what a detector sees, maps."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from km3gpu.cli.command import command

__all__ = ["register"]

_Site = Annotated[str | None, typer.Option("--site", help="arca, orca or antares.")]
_Detector = Annotated[
    str | None, typer.Option("--detector", metavar="FILE", help="Take the site from a detector file instead.")
]
_Time = Annotated[str | None, typer.Option("--time", help="UTC, as 2022-10-25T12:00:00; now by default.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Zenith = Annotated[
    tuple[float, float], typer.Option("--zenith-range", help="Zenith angles that count as in view (deg).")
]
_Runs = Annotated[
    str | None,
    typer.Option("--runs", metavar="FILE", help="Run list with starts and stops: CSV, tabs, Parquet."),
]
_Sources = Annotated[
    str | None, typer.Option("--sources", metavar="FILE", help="Your own sources: CSV or FITS with ra, dec.")
]
_Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw a picture (PNG, PDF, SVG).")]
_Frame = Annotated[str, typer.Option("--frame", help="icrs or galactic.")]
_UPGOING = (90.0, 180.0)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    sky = typer.Typer(help="The sky: events, sources, visibility, maps.", no_args_is_help=True)
    app.add_typer(sky, name="sky")

    @command(sky, "event")
    def event(
        azimuth: Annotated[
            float | None, typer.Option(help="Where it comes from, grid East to North (deg).")
        ] = None,
        zenith: Annotated[float | None, typer.Option(help="Where it comes from, 0 above (deg).")] = None,
        phi: Annotated[float | None, typer.Option(help="Where it travels to, from x to y (deg).")] = None,
        theta: Annotated[float | None, typer.Option(help="Where it travels to, from z (deg).")] = None,
        site: _Site = None,
        detector: _Detector = None,
        time: _Time = None,
        as_json: _Json = False,
    ) -> None:
        """Say where on the sky an event comes from: --azimuth and --zenith, or --phi and --theta."""
        from km3gpu.cli import printing, sky_facts

        where = sky_facts.site_of(site, detector)
        found = sky_facts.event(sky_facts.time_of(time), _direction(azimuth, zenith, phi, theta), where)
        if as_json:
            printing.print_json(found)
        else:
            printing.show(printing.facts("event", _pairs(found)))

    @command(sky, "source")
    def source(
        names: Annotated[
            list[str] | None, typer.Argument(metavar="[NAME]...", help="None lists all there are.")
        ] = None,
        site: _Site = None,
        detector: _Detector = None,
        time: _Time = None,
        sources: _Sources = None,
        zenith_range: _Zenith = _UPGOING,
        runs: _Runs = None,
        plot: _Plot = None,
        as_json: _Json = False,
    ) -> None:
        """Say where sources stand in a detector, and how long they are in view."""
        from km3gpu.cli import printing, sky_facts

        every = sky_facts.sources_of(names or [], sources)
        if not names and site is None and detector is None:
            _list(every, as_json)
            return
        where, when, zenith = sky_facts.site_of(site, detector), sky_facts.time_of(time), _range(zenith_range)
        livetime = _livetime(runs)
        found = [sky_facts.source(s, when, where, zenith, livetime) for s in every]
        if plot is not None:
            from km3gpu.plot.sky_curves import visibility_curves

            _save(visibility_curves(list(every), where, when, zenith, livetime), plot)
        if as_json:
            printing.print_json(found)
        else:
            for i, each in enumerate(found):
                printing.show(*([""] if i else []), printing.facts(each["name"], _pairs(each)))

    @command(sky, "visibility")
    def visibility(
        names: Annotated[
            list[str] | None, typer.Argument(metavar="[SOURCE]...", help="All there are by default.")
        ] = None,
        site: _Site = None,
        detector: _Detector = None,
        sources: _Sources = None,
        zenith_range: _Zenith = _UPGOING,
        runs: _Runs = None,
        nside: Annotated[int, typer.Option(help="Resolution of the map.")] = 64,
        map_file: Annotated[
            Path | None, typer.Option("--map", metavar="FILE", help="Write a HEALPix map (FITS).")
        ] = None,
        frame: _Frame = "icrs",
        plot: _Plot = None,
        as_json: _Json = False,
    ) -> None:
        """Say what fraction of the time sources are in view; --map and --plot do so for the whole sky."""
        from km3gpu.cli import printing, sky_facts

        where, zenith, livetime = sky_facts.site_of(site, detector), _range(zenith_range), _livetime(runs)
        every = sky_facts.sources_of(names or [], sources)
        rows = [{"name": s.name, "ra": math.degrees(s.ra), "dec": math.degrees(s.dec),
                 **sky_facts.visibility_of(s, where, zenith, livetime)} for s in every]  # fmt: skip
        if map_file is not None or plot is not None:
            _visibility_map(
                where, nside, zenith, livetime, map_file, plot, frame, list(every) if names else []
            )
        if as_json:
            printing.print_json(rows)
            return
        columns = ["source", ">ra [deg]", ">dec [deg]", ">of a day"]
        columns += [">of the livetime", ">hours"] if livetime else []
        cells = [
            [r["name"], f"{r['ra']:.4f}", f"{r['dec']:+.4f}", f"{r['visible_fraction']:.3f}"]
            + ([f"{r['livetime_fraction']:.3f}", f"{r['visible_seconds'] / 3600:.1f}"] if livetime else [])
            for r in rows
        ]
        low, high = zenith_range
        printing.show(
            printing.grid(f"in view of {where.name}, zenith {low:g} to {high:g} deg", columns, cells)
        )

    @command(sky, "map")
    def sky_map(
        files: Annotated[
            list[str],
            typer.Argument(metavar="FILE...", help="Outputs of km3gpu, or offline events with tracks."),
        ],
        output: Annotated[Path, typer.Option("--output", "-o", help="The picture (PNG, PDF, SVG).")] = Path(
            "sky.png"
        ),
        map_file: Annotated[
            Path | None,
            typer.Option("--map", metavar="FILE", help="Write the counts as a HEALPix map (FITS)."),
        ] = None,
        nside: Annotated[int, typer.Option(help="Resolution of the map; 0 draws points only.")] = 0,
        frame: _Frame = "icrs",
        site: _Site = None,
        detector: _Detector = None,
        time: Annotated[str | None, typer.Option(help="Shade what is above the horizon then (UTC).")] = None,
        source: Annotated[list[str] | None, typer.Option(help="Mark a source; again for more.")] = None,
        sources: _Sources = None,
    ) -> None:
        """Draw where the events of files come from; events not located yet need --site or --detector."""
        from km3gpu.cli.sky_maps import draw

        draw(files, output, map_file, nside, frame, site, detector, time, source or [], sources)


def _direction(
    azimuth: float | None, zenith: float | None, phi: float | None, theta: float | None
) -> tuple[Any, Any, Any]:
    from km3gpu import astro

    given = tuple(v is not None for v in (azimuth, zenith, phi, theta))
    if given == (True, True, False, False):
        assert azimuth is not None
        assert zenith is not None
        return astro.local_of(_around("azimuth", azimuth), _polar("zenith", zenith))
    if given == (False, False, True, True):
        assert phi is not None
        assert theta is not None
        return astro.local_of(_around("phi", phi, 180.0), math.pi - _polar("theta", theta))
    raise typer.BadParameter("give --azimuth and --zenith, or --phi and --theta")


def _around(name: str, degrees: float, more: float = 0.0) -> float:
    if not math.isfinite(degrees):
        raise typer.BadParameter(f"--{name} {degrees:g} is no angle")
    return math.radians((degrees + more) % 360.0)


def _polar(name: str, degrees: float) -> float:
    if not 0.0 <= degrees <= 180.0:
        raise typer.BadParameter(f"--{name} {degrees:g} is not from 0 to 180 degrees")
    return math.radians(degrees)


def _range(zenith: tuple[float, float]) -> tuple[float, float]:
    low, high = (_polar("zenith-range", a) for a in zenith)
    if low >= high:
        raise typer.BadParameter(f"--zenith-range {zenith[0]:g} {zenith[1]:g} does not rise")
    return low, high


def _livetime(runs: str | None) -> Any:
    from km3gpu.astro.visibility import Livetime

    return None if runs is None else Livetime.open(runs)


def _save(figure: Any, path: Path) -> None:
    from km3gpu.plot.saving import save

    save(figure, path)
    _wrote(path)


def _wrote(path: Path) -> None:
    # stdout may be JSON
    print(f"wrote {path}", file=sys.stderr)


def _list(every: Any, as_json: bool) -> None:
    from km3gpu.cli import printing

    rows = [(s.name, math.degrees(s.ra), math.degrees(s.dec)) for s in every]
    if as_json:
        printing.print_json([{"name": n, "ra": ra, "dec": dec} for n, ra, dec in rows])
        return
    cells = [[n, f"{ra:.4f}", f"{dec:+.4f}"] for n, ra, dec in rows]
    printing.show(printing.grid("", ["source", ">ra [deg]", ">dec [deg]"], cells))


def _visibility_map(
    site: Any, nside: int, zenith: tuple[float, float], livetime: Any, path: Path | None, plot: Path | None,
    frame: str, marked: list[Any],
) -> None:  # fmt: skip
    from km3gpu.astro.mapfile import write_map
    from km3gpu.astro.visibility import visibility_map

    fraction = visibility_map(site, nside, zenith=zenith, livetime=livetime)
    low, high = (math.degrees(a) for a in zenith)
    words = f"fraction of the time at zenith {low:g} to {high:g} deg"
    if path is not None:
        write_map(path, {"VISIBILITY": fraction}, facts={"site": repr(site), "value": words}, overwrite=True)
        _wrote(path)
    if plot is not None:
        from km3gpu.plot.sky import sky_map

        title = f"In view of {site.name.upper()}"
        _save(
            sky_map(frame=frame, counts=fraction, counts_frame="icrs", counts_label=words, sources=marked,
                    title=title), plot,
        )  # fmt: skip


def _pairs(found: dict[str, Any]) -> list[tuple[str, object]]:
    site = found["site"]
    place = f"{site['name']}, {site['latitude']:.5f} N, {site['longitude']:.5f} E"
    pairs: list[tuple[str, object]] = [
        ("time", found["time"]),
        ("site", place),
        ("RA, Dec (ICRS)", f"{found['ra']:.6f}  {found['dec']:+.6f} deg"),
        ("galactic l, b", f"{found['l']:.6f}  {found['b']:+.6f} deg"),
        (
            "azimuth, zenith",
            f"{found['azimuth']:.6f}  {found['zenith']:.6f} deg (detector, where it comes from)",
        ),
        ("true azimuth, altitude", f"{found['true_azimuth']:.6f}  {found['altitude']:+.6f} deg"),
        ("from the Sun, the Moon", f"{found['sun']:.3f}  {found['moon']:.3f} deg"),
    ]
    if "nearest_source" in found:
        pairs.append(("nearest source", f"{found['nearest_source']}, {found['nearest_separation']:.3f} deg"))
    if "in_view" in found:
        share = f"{100 * found['visible_fraction']:.1f} % of a day"
        if "livetime_fraction" in found:
            share += f", {100 * found['livetime_fraction']:.1f} % of the livetime"
        pairs.append(("in view", f"{'now' if found['in_view'] else 'not now'}; {share}"))
    pairs.append(("Earth orientation", f"{found['earth_orientation']} ({found['iers']})"))
    return pairs
