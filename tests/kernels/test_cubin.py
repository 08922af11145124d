from __future__ import annotations

import collections
import dataclasses
import os
import re
import tempfile
from pathlib import Path

import pytest
from numba import cuda
from numba import types as nb
from numba.cuda import compiler, dispatcher

from km3gpu.errors import BackendError, KernelError
from km3gpu.kernels import cubin, ptxas, registry


def test_every_kernel_on_every_architecture() -> None:
    rows = cubin.report(processes=min(2, os.cpu_count() or 1), keep=cubin.kept_in())
    bad = [
        f"{r.kernel}({r.signature}) sm_{r.architecture[0]}{r.architecture[1]}: {r.registers} of {r.ceiling} "
        f"registers, {r.spill_bytes} spilled, {r.stack_bytes} on the stack"
        for r in rows
        if not r.good
    ]
    assert not bad, "\n".join(bad)
    count = collections.Counter((r.kernel, r.signature) for r in rows)
    assert set(count) == {(k.name, " ".join(s)) for k in registry.kernels() for s in k.signatures}
    assert set(count.values()) == {len(cubin.tools().architectures)}
    assert all(r.code_bytes > 500 for r in rows)


def test_what_was_compiled_is_kept_by_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wanted() -> list[cubin.Cubin]:
        return cubin.report([(8, 0), (9, 0)], [EXPAND.name], keep=tmp_path / "kept")

    compiled: list[object] = []
    compile_job = cubin._job
    monkeypatch.setattr(cubin, "_job", lambda job: compiled.append(job) or compile_job(job))
    first = wanted()
    assert len(compiled) == 1
    assert wanted() == first
    assert len(compiled) == 1
    # a ceiling is no part of the code, and is taken from the registry
    monkeypatch.setattr(cubin, "kernels", lambda: (dataclasses.replace(EXPAND, registers=1),))
    assert {r.ceiling for r in wanted()} == {1}
    assert len(compiled) == 1
    monkeypatch.undo()
    monkeypatch.setattr(cubin, "_job", lambda job: compiled.append(job) or compile_job(job))
    # another source, or half a file, is compiled again
    monkeypatch.setattr(cubin, "sources_digest", lambda path: "changed")
    assert wanted() == first
    assert len(compiled) == 2
    for path in (tmp_path / "kept").iterdir():
        path.write_text(path.read_text()[:-9])
    assert wanted() == first
    assert len(compiled) == 3
    # a folder that cannot be written costs time and nothing else
    (tmp_path / "file").touch()
    assert cubin.report([(8, 0), (9, 0)], [EXPAND.name], keep=tmp_path / "file") == first


def test_where_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cubin.kept_in() == tmp_path / "km3gpu" / "cubins"
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert cubin.kept_in() == Path(tempfile.gettempdir()) / "km3gpu" / "cubins"


def test_sources_are_all_that_a_kernel_is_made_of() -> None:
    for kernel in registry.kernels():
        if not kernel.signatures:
            continue
        path = Path(kernel.driver("cuda").py_func.__code__.co_filename)
        # whatever else is imported of the package would have to be part of the digest
        others = re.findall(r"^(?:from|import) km3gpu\S* ?.*", path.read_text(), re.MULTILINE)
        assert all(re.match(r"from km3gpu\.kernels\.(scalar|cuda)(\.\w+)? import", line) for line in others)


def test_tools_belong_together() -> None:
    tools = cubin.tools()
    major = int(tools.cuda.split(".")[0])
    assert tools.architectures == cubin.ARCHITECTURES[0 if major < 13 else 1 :]
    assert cubin.ARCHITECTURES[0] == (7, 0)
    assert cubin.ARCHITECTURES[-1] == (12, 0)


def test_the_device_is_assumed_only_while_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    # a private name of numba-cuda: when it goes, this says so before a user does
    before = dispatcher.get_current_device
    with ptxas.assumed((9, 0)):
        assert dispatcher.get_current_device().compute_capability == (9, 0)
    assert dispatcher.get_current_device is before
    monkeypatch.delattr(dispatcher, "get_current_device")
    with pytest.raises(BackendError, match="cannot compile without a driver"), ptxas.assumed((9, 0)):
        pass


EXPAND = next(k for k in registry.kernels() if k.name == "segments.expand")


@pytest.mark.parametrize("quick", [True, False])
def test_the_architecture_reaches_the_code(monkeypatch: pytest.MonkeyPatch, quick: bool) -> None:
    if not quick:  # a numba-cuda without the private function
        monkeypatch.delattr(compiler, "_compile_pyfunc_with_fixup")
        monkeypatch.setattr(cuda, "compile", fake_compile)
    for text, name in zip(
        ptxas.ptx(EXPAND, EXPAND.signatures[0], [(7, 5), (9, 0)]), ("sm_75", "sm_90"), strict=True
    ):
        assert f".target {name}" in text


def fake_compile(
    function: object, signature: object, cc: tuple[int, int], **options: object
) -> tuple[str, None]:
    assert options == {"output": "ptx", "abi": "numba", "device": False}
    return f".target sm_{cc[0]}{cc[1]}", None


def test_lowering_once_gives_the_same_code_as_compiling_for_each() -> None:
    kernel = next(k for k in registry.kernels() if k.name == "coincidence.mark")
    signature = kernel.signatures[0]
    wanted = [(7, 0), (9, 0)] if int(cubin.tools().cuda.split(".")[0]) < 13 else [(7, 5), (9, 0)]
    once = ptxas.ptx(kernel, signature, wanted)
    types = nb.void(*(ptxas._type(t) for t in ("i8", *signature, "i8[]")))
    for architecture, text in zip(wanted, once, strict=True):
        with ptxas.assumed(architecture):
            alone, _ = cuda.compile(
                kernel.driver("cuda").py_func, types, cc=architecture, output="ptx", abi="numba", device=False
            )
        assert body(alone) == body(text)


def body(text: str) -> str:
    """PTX without the running numbers in mangled names."""
    return re.sub(r"B2v\d+|\$\d+|_param_\d+|_ZN\w+", "", text)


def test_a_kernel_that_spills_is_not_good() -> None:
    row = cubin.Cubin("k", "", (8, 0), 30, 32, 0, 0, 0, 1000, 0)
    assert row.good
    for change in ({"spill_bytes": 8}, {"stack_bytes": 8}, {"registers": 33}):
        assert not cubin.Cubin(**{**vars(row), **change}).good


def test_ptxas_speaks_for_itself() -> None:
    text = ".version 8.0\n.target sm_80\nnonsense\n"
    with pytest.raises(KernelError, match=r"ptxas refuses segments\.expand for sm_80: .*nonsense"):
        ptxas.assemble(EXPAND, EXPAND.signatures[0], (8, 0), text)
