"""``km3gpu detector``: what a detector description holds, how two differ, and other formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from km3gpu.detector import Detector

__all__ = ["convert", "opened", "register"]

_DIFFERENT = 3  # exit code of `diff`: done, and they differ
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Picture = Annotated[
    str | None, typer.Option("--plot", metavar="FILE", help="A picture too: .png, .pdf, .svg.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(help="Detector descriptions: show, compare, convert.", no_args_is_help=True)
    app.add_typer(group, name="detector")

    @group.callback()
    def detector() -> None:
        """Detector descriptions: show, compare, convert."""

    @command(group, "info")
    def info(
        file: Annotated[str, typer.Argument(metavar="FILE", help="A DETX or DATX file.")],
        picture: _Picture = None,
        as_json: _Json = False,
    ) -> None:
        """Say what a detector is: place, strings, modules, PMTs, sizes, time offsets, status."""
        from km3gpu.cli.detector_facts import described, pairs
        from km3gpu.cli.printing import facts, print_json, show

        found = opened(file)
        if picture is not None:
            from km3gpu import plot
            from km3gpu.plot.saving import save

            save(plot.detector_map(found), picture)
        said = described(found)
        if as_json:
            print_json({**said, "plot": picture})
        else:
            show(facts(said["path"], [*pairs(said), ("picture", picture)]))

    @command(group, "diff")
    def diff(
        a: Annotated[str, typer.Argument(metavar="A", help="A DETX or DATX file.")],
        b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
        length: Annotated[float, typer.Option(min=0, help="Positions may differ by this (m).")] = 1e-9,
        angle: Annotated[float, typer.Option(min=0, help="Axes may differ by this (rad).")] = 1e-9,
        time: Annotated[float, typer.Option(min=0, help="Time offsets may differ by this (ns).")] = 1e-9,
        picture: _Picture = None,
        as_json: _Json = False,
    ) -> None:
        """Compare two descriptions of a detector; exits with 0 where they are the same, 3 where they differ.

        Modules are matched by identifier, PMTs by module and channel. The picture is of their time offsets.
        """
        from km3gpu.cli import detector_difference as difference
        from km3gpu.cli.printing import facts, print_json, show

        both = opened(a), opened(b)
        found = difference.compared(*both, length=length, angle=angle, time=time)
        if picture is not None:
            from km3gpu import plot
            from km3gpu.plot.saving import save

            save(plot.t0_differences(*both), picture)
        if as_json:
            print_json({**found, "plot": picture})
        else:
            show(facts("", [*difference.pairs(found), ("picture", picture)]))
        if not found["same"]:
            raise typer.Exit(_DIFFERENT)

    @command(group, "convert")
    def convert_file(
        file: Annotated[str, typer.Argument(metavar="IN", help="A DETX or DATX file.")],
        out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, .detx or .datx.")],
        version: Annotated[
            int | None, typer.Option(help="Version of the format: 1 to 5 for .detx; by default that of IN.")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
        as_json: _Json = False,
    ) -> None:
        """Write a detector in another format or version, and say what that cannot hold."""
        from km3gpu.cli.printing import bytes_text, print_json, show

        written, lost = convert(opened(file), out, version=version, replace=force)
        size = out.stat().st_size
        if as_json:
            print_json({"out": str(out), "version": written.version, "bytes": size, "lost": lost})
            return
        show(f"wrote {out} (version {written.version}, {bytes_text(size)}): read back, " + _and_lost(lost))


def opened(path: str) -> Detector:
    """Open a detector file that a user named.

    Raises
    ------
    InputNotFoundError
        It does not exist or cannot be read.
    FormatError
        It is no detector file, or a broken one.
    """
    from km3gpu.detector import Detector
    from km3gpu.errors import InputNotFoundError, Km3GpuError

    try:
        return Detector.open(Path(path).expanduser())
    except Km3GpuError:
        raise
    except OSError as error:
        raise InputNotFoundError(f"cannot read {path!r}: {error.strerror}") from None


def convert(
    detector: Detector, out: Path, *, version: int | None = None, replace: bool = False
) -> tuple[Detector, list[str]]:
    """Write a detector file, read it back and compare.

    Parameters
    ----------
    detector : Detector
        What to write.
    out : Path
        ``*.detx`` or ``*.datx``.
    version : int, optional
        Of the format; by default the detector's own, 5 for DATX.
    replace : bool
        Replace `out` where it exists; else that is an error.

    Returns
    -------
    written : Detector
        As it was read back.
    lost : list of str
        What `out` does not hold, in words.

    Raises
    ------
    ConfigError
        The name ends otherwise, there is no such version, or `out` cannot be written.
    FormatError
        The detector lacks what that version must hold.
    OutputExistsError
        `out` exists.
    """
    from km3gpu.cli import detector_difference as difference
    from km3gpu.errors import ConfigError, Km3GpuError, OutputExistsError

    if out.exists() and not replace:
        raise OutputExistsError(f"{str(out)!r} exists", remedy="choose another name, or --force")
    try:
        detector.write(out, version)
    except Km3GpuError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot write {str(out)!r}: {error.strerror}", remedy="choose another") from None
    written = opened(str(out))
    return written, difference.lost(detector, written)


def _and_lost(lost: list[str]) -> str:
    return "the same" if not lost else "it does not hold " + ", ".join(lost)
