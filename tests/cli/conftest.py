"""The command line as a user meets it: arguments in, exit code and text out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from km3gpu.cli.main import call


@dataclass
class Said:
    """What a command line answered."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """Give the one line of an error, and check that it is one."""
        assert self.code != 0
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("km3gpu: error: ")
        return self.err.removeprefix("km3gpu: error: ").rstrip("\n")


@pytest.fixture
def km3gpu(capsys):
    """Call the command line in this process."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = call([str(a) for a in arguments])
        return Said(code, *capsys.readouterr())

    return run
