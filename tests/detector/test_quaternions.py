"""Quaternions against rotation matrices and known values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.detector import quaternions as qn

number = st.floats(-1.0, 1.0)
units = st.tuples(number, number, number, number).filter(lambda q: np.linalg.norm(q) > 0.1)


def unit(q: tuple[float, ...]) -> np.ndarray:
    return qn.normalised(np.array(q))


def matrix(q: np.ndarray) -> np.ndarray:
    """Give the rotation matrix, by the formula of any textbook."""
    w, x, y, z = q
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(units, units, st.tuples(number, number, number))
def test_rotations_are_those_of_matrices(a: tuple, b: tuple, v: tuple) -> None:
    p, q, v = unit(a), unit(b), np.array(v)
    np.testing.assert_allclose(qn.rotate(q, v), matrix(q) @ v, atol=1e-14)
    np.testing.assert_allclose(matrix(qn.product(p, q)), matrix(p) @ matrix(q), atol=1e-14)
    np.testing.assert_allclose(matrix(qn.conjugate(q)), matrix(q).T, atol=1e-15)
    np.testing.assert_allclose(np.cos(qn.angle(q)), (np.trace(matrix(q)) - 1) / 2, atol=1e-14)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    q = qn.about_axis([0, 0, 2], np.pi / 2)
    np.testing.assert_allclose(qn.rotate(q, np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-15)
    many = qn.about_axis(np.eye(3), np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(qn.angle(many), [0.1, 0.2, 0.3], atol=1e-15)


@settings(max_examples=50, deadline=None)
@given(units, units, st.floats(0.0, 1.0))
def test_slerp_divides_the_angle(a: tuple, b: tuple, f: float) -> None:
    p, q = unit(a)[None], unit(b)[None]
    made = qn.slerp(p, q, np.array([f]))
    whole = qn.angle(qn.product(q, qn.conjugate(p)))[0]
    part = qn.angle(qn.product(made, qn.conjugate(p)))[0]
    assert np.linalg.norm(made) == pytest.approx(1.0, abs=1e-14)
    # the chord that stands for short arcs (under 3.7 degrees) is off by less than 1e-5
    assert part == pytest.approx(f * whole, abs=1e-5)
    np.testing.assert_allclose(
        matrix(made[0]), matrix(qn.slerp(p, -q, np.array([f]))[0]), atol=1e-12, rtol=0
    )  # a sign is no rotation


def test_slerp_of_half_a_turn_and_of_nothing() -> None:
    one, opposite = np.array([[1.0, 0, 0, 0]]), np.array([[0.0, 0, 0, 1.0]])
    np.testing.assert_allclose(qn.slerp(one, opposite, np.array([0.5])), [[0.5**0.5, 0, 0, 0.5**0.5]])
    np.testing.assert_array_equal(qn.slerp(one, one, np.array([0.3])), one)


@settings(max_examples=30, deadline=None)
@given(units)
def test_a_rotation_is_found_again_from_vectors(a: tuple) -> None:
    q = unit(a)
    v = qn.normalised(np.random.default_rng(3).normal(size=(2, 9, 3)))
    found, residual = qn.from_vectors(v, qn.rotate(q, v))
    np.testing.assert_allclose(matrix(found[0]), matrix(q), atol=1e-12)
    np.testing.assert_allclose(matrix(found[1]), matrix(q), atol=1e-12)
    assert residual.max() < 1e-7
    assert (found[:, 0] >= 0).all()


def test_residual_is_the_worst_angle() -> None:
    v = qn.normalised(np.random.default_rng(4).normal(size=(200, 3)))
    turned = v.copy()
    turned[7] = qn.rotate(qn.about_axis(np.cross(v[7], v[8]), 0.5), v[7])
    _, residual = qn.from_vectors(v, turned)
    assert residual == pytest.approx(0.5, abs=0.02)


def test_compass_angles_have_the_signs_of_km3io_jl() -> None:
    # first orientation of module 817589211 in the shipped file of detector 133
    q = np.array([0.8260205110995139, 0.003912907129683348, -0.004395551387888641, -0.5636093359133512])
    expected = (1.1975374212207646, -0.0028509330922497, -0.011419325278029469)
    np.testing.assert_allclose(qn.compass(q), expected, rtol=0, atol=1e-14)
    yaw, pitch, roll = qn.compass(qn.about_axis(np.eye(3), 0.2))
    np.testing.assert_allclose((yaw[2], pitch[1], roll[0]), (-0.2, 0.2, -0.2), atol=1e-15)
