"""Headers, directories and records of ROOT files, against uproot."""

from __future__ import annotations

import pytest
import uproot

from km3gpu.errors import FormatError, InputNotFoundError, NotRootError, TruncatedFileError
from km3gpu.io.rootfile import RootFile
from km3gpu.io.streamers import streamers
from tests.io.trees import ROOT_FILES


@pytest.mark.parametrize("name", ROOT_FILES)
def test_uuid_keys_and_classes_are_those_that_uproot_finds(data, name):
    ours = RootFile(str(data / name))
    with uproot.open(data / name) as theirs:
        assert ours.uuid == str(theirs.file.uuid)
        found = {f"{k.path};{k.cycle}": k.class_name for k in ours.keys}
        assert found == theirs.classnames(recursive=True)
        classes = {
            (n, v): [e.member("fName") for e in s.member("fElements")]
            for n, versions in theirs.file.streamers.items()
            for v, s in versions.items()
        }
        assert {k: [m.name for m in v] for k, v in streamers(ours).items()} == classes


def test_the_uuid_of_the_ground_truth(data):
    assert RootFile(str(data / "offline/km3net_offline.root")).uuid == "b192d888-fcc7-11e9-b430-6cf09e86beef"


def test_a_missing_file_names_the_closest(data):
    with pytest.raises(InputNotFoundError, match=r"km3net_ofline.root.*there is: km3net_offline.root"):
        RootFile(str(data / "offline/km3net_ofline.root"))
    with pytest.raises(InputNotFoundError, match="no folder"):
        RootFile(str(data / "ofline/km3net_offline.root"))
    with pytest.raises(InputNotFoundError, match="is a folder"):
        RootFile(str(data / "offline"))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\x1f\x8b\x08", "unpack"),
        (b"0123456789abcdef" * 8, "check"),
    ],
)
def test_a_file_that_is_not_root_says_what_it_may_be(tmp_path, head, words):
    path = tmp_path / "x.root"
    path.write_bytes(head)
    with pytest.raises(NotRootError, match=words):
        RootFile(str(path))


def test_an_empty_file_is_truncated(tmp_path):
    path = tmp_path / "x.root"
    path.write_bytes(b"")
    with pytest.raises(TruncatedFileError, match="empty"):
        RootFile(str(path))


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_told_at_once(tmp_path, data, share):
    whole = (data / "offline/km3net_offline.root").read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: max(4, int(share * len(whole)))])
    with pytest.raises(FormatError, match=r"cut\.root") as error:
        RootFile(str(path))
    assert "\n" not in str(error.value)
