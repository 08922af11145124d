"""Errors: one line, the built-in people catch, and a safe journey between processes."""

from __future__ import annotations

import builtins
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from km3gpu import errors
from km3gpu.errors import InterruptedRunError, Km3GpuError, RunFailedError, UnknownNameError, closest

FAMILY = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("cls", FAMILY, ids=lambda c: c.__name__)
def test_one_line_with_what_where_and_remedy(cls):
    error = cls("a\nb", where="run.root", remedy="look again")
    assert str(error) == "a b (in run.root); look again"
    assert (error.what, error.where, error.remedy) == ("a\nb", "run.root", "look again")


@pytest.mark.parametrize("cls", FAMILY, ids=lambda c: c.__name__)
def test_parts_that_are_missing_leave_no_trace(cls):
    assert str(cls("a")) == "a"
    assert str(cls("a", where="f")) == "a (in f)"
    assert str(cls("a", remedy="r")) == "a; r"


@pytest.mark.parametrize("cls", FAMILY, ids=lambda c: c.__name__)
def test_pickles_whole(cls):
    error = cls("a", where="f", remedy="r")
    error.extra = [1, 2]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == str(error)
    assert (again.what, again.where, again.remedy, again.extra) == ("a", "f", "r", [1, 2])
    assert again.args == error.args


@pytest.mark.parametrize("cls", [c for c in FAMILY if c is not Km3GpuError], ids=lambda c: c.__name__)
def test_is_also_the_builtin_for_the_same_fault(cls):
    plain = [c for c in cls.__mro__ if getattr(builtins, c.__name__, None) is c]
    assert set(plain) > {Exception, BaseException, object}, f"{cls.__name__} has no built-in parent"


@pytest.mark.parametrize("cls", FAMILY, ids=lambda c: c.__name__)
def test_exit_code(cls):
    assert cls("a").exit_code == {RunFailedError: 3, InterruptedRunError: 130}.get(cls, 1)


def test_unknown_name_puts_the_closest_first():
    error = UnknownNameError.of("column", "pos_zz", ["t", "tot", "pos_x", "pos_z"], where="table 'hits'")
    assert str(error).startswith("no column 'pos_zz' (in table 'hits'); there is: pos_z, ")
    assert isinstance(error, KeyError)
    assert isinstance(error, AttributeError)


def test_unknown_name_says_so_where_there_is_none():
    assert str(UnknownNameError.of("tree", "E", [])) == "no tree 'E': there is none at all"


def test_unknown_name_does_not_flood():
    error = UnknownNameError.of("column", "x", [f"c{i}" for i in range(20)])
    assert str(error).endswith("... (20 in all)")
    assert str(error).count("c") <= 12


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=12))
def test_closest_is_a_stable_permutation(name, known):
    ordered = closest(name, known)
    assert sorted(ordered) == sorted(set(known))
    assert ordered == closest(name, reversed(known))
    if name in known:
        assert name.lower() == ordered[0].lower()
