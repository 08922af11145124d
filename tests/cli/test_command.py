"""How a command ends: one line on stderr, and the exit code that belongs to it."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer

from km3gpu import errors
from km3gpu.cli.command import command


@pytest.fixture
def run(capsys):
    """Run a command that raises `error`, and give exit code, stdout lines and stderr lines."""

    def call(error, *arguments):
        app = typer.Typer(pretty_exceptions_enable=False)

        @command(app, "fail")
        def fail(count: Annotated[int, typer.Argument()] = 3) -> None:
            """Say a number, then fail."""
            print("count", count)
            if error is not None:
                raise error

        @command(app, "other")
        def other() -> None:
            """Do nothing: with a second command the first keeps its name."""

        code = app(args=["fail", *arguments], standalone_mode=False) or 0
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def test_no_error(run):
    assert run(None, "5") == (0, ["count 5"], [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputNotFoundError("no file 'a'", remedy="check the path"), 1),
        (
            errors.TruncatedFileError("ends early", where="a.root"),
            1,
        ),  # an EOFError too, which click would eat
        (errors.UnknownNameError.of("tree", "F", ["E"]), 1),
        (errors.RunFailedError("2 of 5 chunks failed"), 3),
    ],
    ids=lambda v: type(v).__name__,
)
def test_known_errors_are_one_line(run, error, code):
    assert run(error) == (code, ["count 3"], [f"km3gpu: error: {error}"])


def test_unknown_errors_are_one_line_and_say_where_to_look(run):
    code, _, err = run(ZeroDivisionError("division\nby zero"))
    assert code == 1
    assert err == [
        "km3gpu: error: unexpected ZeroDivisionError: division by zero;"
        " this is a fault of km3gpu, --debug shows where"
    ]


def test_faults_of_the_system_are_no_faults_of_the_code(run):
    assert run(OSError(28, "No space left on device", "/data/x")) == (
        1,
        ["count 3"],
        ["km3gpu: error: No space left on device (in /data/x)"],
    )


def test_interrupt(run):
    assert run(KeyboardInterrupt()) == (130, ["count 3"], ["km3gpu: interrupted"])


@pytest.mark.parametrize("how", ["option", "environment"])
def test_debug_shows_the_traceback(run, how, monkeypatch):
    if how == "environment":
        monkeypatch.setenv("KM3GPU_DEBUG", "1")
    code, _, err = run(errors.FormatError("bad"), *(["--debug"] if how == "option" else []))
    assert code == 1
    assert err[0] == "Traceback (most recent call last):"
    assert err[-1] == "km3gpu: error: bad"


@pytest.mark.parametrize("value", ["", "0"])
def test_debug_can_be_off_in_the_environment(run, value, monkeypatch):
    monkeypatch.setenv("KM3GPU_DEBUG", value)
    assert run(errors.FormatError("bad"))[2] == ["km3gpu: error: bad"]


def test_an_exit_of_the_command_is_its_own(run):
    assert run(typer.Exit(7)) == (7, ["count 3"], [])
