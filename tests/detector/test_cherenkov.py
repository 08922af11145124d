"""Light of tracks and showers: KM3io.jl's golden values, and Fermat's principle."""

from __future__ import annotations

import numpy as np
import pytest

from km3gpu.detector import Water, cherenkov, water
from km3gpu.errors import ConfigError

PMTS = np.array([[19.522, -12.053, 76.662], [19.435, -12.194, 76.662]])
AXES = np.array([[-0.39, 0.735, 0.555], [-0.831, 0.03, 0.555]])
TRACK = np.array([1.7524502152598151, 39.06202405657308, 130.44049806891948])
ALONG = np.array([0.028617421257374293, -0.489704257367248, -0.8714188335794505])
T = 70311441.452294


def test_golden_values_of_km3io_jl() -> None:
    light = cherenkov.from_track(TRACK, ALONG, T, PMTS, AXES)
    expected = {
        "d_closest": [24.049593557846112, 24.085065395206847],
        "d_photon": [35.80244420413484, 35.855250854478896],
        "d_track": [45.88106599210481, 45.90850564175342],
        "t": [70311759.26448613, 70311759.59904088],
        "cos_incidence": [-0.98123942583677, -0.6166369315726149],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(light, name), values, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(
        light.dir,
        [[0.45964884122649263, -0.8001372907490844, -0.3853612055096594],
         [0.45652355929477095, -0.8025165828910586, -0.38412676812960095]],
        rtol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(light.cos_emission, 1 / 1.3499, rtol=1e-12)
    residual = light.residual(np.array([70311760.0, 70311750.0]))
    np.testing.assert_allclose(residual, [0.73551387, -9.59904088], atol=1e-6)


def test_constants_of_km3nets_water() -> None:
    sea = water.KM3NET
    assert np.degrees(sea.cherenkov_angle) == pytest.approx(42.2008, abs=5e-5)
    assert sea.sin_cherenkov == pytest.approx(0.671730, abs=5e-7)
    assert sea.tan_cherenkov == pytest.approx(0.906769, abs=5e-7)
    assert sea.speed == pytest.approx(0.217288, abs=5e-7)


def test_light_comes_first_from_where_it_is_emitted() -> None:
    # in water without dispersion the Cherenkov light is the earliest of all light
    # that a point moving at the speed of light could send (Fermat)
    n = 1.37
    plain = Water(n, n)
    light = cherenkov.from_track([0.0, 0, 0], [0, 0, 1.0], 0.0, np.array([[30.0, 40.0, 7.0]]), water=plain)
    s = np.linspace(-500, 500, 1_000_001)
    arrival = s / water.C + np.hypot(50.0, 7.0 - s) * n / water.C
    assert light.t[0] == pytest.approx(arrival.min(), abs=1e-6)
    assert light.d_track[0] == pytest.approx(s[np.argmin(arrival)], abs=1e-3)
    assert light.d_closest[0] == pytest.approx(50.0)


def test_a_track_for_every_hit_is_one_track_after_the_other() -> None:
    rng = np.random.default_rng(0)
    pos, pmts = rng.normal(scale=100, size=(2, 50, 3))
    d = rng.normal(size=(50, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    t = rng.normal(scale=1e4, size=50)
    for function in (cherenkov.from_track, cherenkov.from_shower):
        all_at_once = function(pos, d, t, pmts, d)
        for i in range(0, 50, 7):
            one = function(pos[i], d[i], t[i], pmts[i : i + 1], d[i : i + 1])
            for a, b in zip(all_at_once, one, strict=True):
                np.testing.assert_array_equal(a[i], b[0])


def test_close_to_the_track_digits_are_kept() -> None:
    d = np.array([0.6, 0.0, 0.8])
    pmt = 1e5 * d + [0.0, 1e-3, 0.0]
    light = cherenkov.from_track(np.zeros(3), d, 0.0, pmt[None])
    assert light.d_closest[0] == pytest.approx(1e-3, rel=1e-6)


def test_a_pmt_on_the_track_has_a_time_and_no_direction() -> None:
    light = cherenkov.from_track(np.zeros(3), np.array([0, 0, 1.0]), 5.0, np.array([[0, 0, 30.0]]), AXES[:1])
    assert light.t[0] == pytest.approx(5.0 + 30.0 / water.C)
    assert np.isnan(light.dir).all()
    assert np.isnan(light.cos_incidence).all()


def test_light_of_a_shower() -> None:
    pmts = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, -10.0]])
    light = cherenkov.from_shower(
        [0, 0, 0], [0, 0, 1.0], 100.0, pmts, np.array([[-0.6, -0.8, 0], [0, 0, 1.0]])
    )
    np.testing.assert_allclose(light.d_photon, [5.0, 10.0])
    np.testing.assert_allclose(light.t, 100.0 + np.array([5.0, 10.0]) * 1.3797 / water.C)
    np.testing.assert_allclose(light.cos_emission, [0.0, -1.0])
    np.testing.assert_allclose(light.cos_incidence, [-1.0, -1.0])
    np.testing.assert_array_equal(light.d_track, 0.0)
    assert cherenkov.from_shower([0, 0, 0], [0, 0, 1.0], 0.0, pmts).cos_incidence is None


@pytest.mark.parametrize("wavelength", [300.0, 400.0, 460.0, 589.3, 700.0])
def test_dispersion_is_the_derivative_of_the_phase_index(wavelength: float) -> None:
    here = Water.at(wavelength, 240.0)
    # clipped at the ends of the range
    low, high = (Water.at(min(max(wavelength + s, 300.0), 700.0), 240.0) for s in (-1e-3, 1e-3))
    step = min(wavelength + 1e-3, 700.0) - max(wavelength - 1e-3, 300.0)
    slope = (high.n_phase - low.n_phase) / step
    assert here.n_group == pytest.approx(here.n_phase - wavelength * slope, abs=1e-5)
    assert here.n_group > here.n_phase > 1.3


def test_dispersion_gives_the_indices_that_km3net_uses() -> None:
    # 1.3499 and 1.3797 belong to about 460 nm at the pressure of ORCA and ARCA
    blue = Water.at(460.0, 240.0)
    assert blue.n_phase == pytest.approx(water.KM3NET.n_phase, abs=1e-3)
    assert blue.n_group == pytest.approx(water.KM3NET.n_group, abs=1e-3)
    assert Water.at(460.0, 350.0).n_phase - blue.n_phase == pytest.approx(1.4e-5 * 110.0, abs=1e-12)


def test_what_is_no_water() -> None:
    with pytest.raises(ConfigError, match=r"no index of refraction for 200\.0 nm"):
        Water.at(200.0)
    with pytest.raises(ConfigError, match="1 to 500 atm"):
        Water.at(400.0, 0.0)
    with pytest.raises(ConfigError, match="not above 1"):
        Water(0.9, 1.3)
