from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from km3gpu import extras
from km3gpu.errors import InputNotFoundError, MissingExtraError


def test_require_gives_the_module() -> None:
    assert extras.require("json", "demo").loads("[1]") == [1]


def test_require_names_the_line_that_installs() -> None:
    with pytest.raises(MissingExtraError, match=r"no package 'km3_not_there'.*pip install 'km3gpu\[slurm\]'"):
        extras.require("km3_not_there.sub", "slurm")


def test_require_tells_a_broken_package_from_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "km3_broken.py").write_text("import km3_absent_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"'km3_broken' cannot be imported.*km3_absent_dependency"):
        extras.require("km3_broken", "ml")


def test_installed() -> None:
    assert extras.installed("json.decoder")
    assert not extras.installed("km3_not_there")


@pytest.mark.parametrize("path", ["run.root", "/data/run.root", "root://host//store/run.root", ""])
def test_other_paths_are_left_alone(path: str) -> None:
    assert extras.resolve_path(path) == path


def test_testdata(data: Path) -> None:
    name = "online/muon_cc_daqevents.root"
    assert Path(extras.resolve_path("testdata:" + name)) == data / name
    assert extras.resolve_path("testdata:offline/*.root") == str(data / "offline" / "*.root")


def test_unknown_testdata_names_the_closest() -> None:
    with pytest.raises(InputNotFoundError, match=r"online/muon_cc_daqevents\.root"):
        extras.resolve_path("testdata:online/muon_cc_daqevent.root")


def test_testdata_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    extras._testdata.cache_clear()
    monkeypatch.setitem(sys.modules, "km3net_testdata", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'km3gpu\[demo\]'"):
        extras.resolve_path("testdata:online/muon_cc_daqevents.root")
    extras._testdata.cache_clear()


def test_import_is_light() -> None:
    code = "import sys, km3gpu.extras; print({'numpy', 'km3net_testdata'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
