"""Light in deep-sea water: refraction, group velocity, the Cherenkov angle."""

from __future__ import annotations

import math
from dataclasses import dataclass

from km3gpu.errors import ConfigError

__all__ = ["KM3NET", "C", "Water"]

C = 0.299792458
"""Speed of light in vacuum [m/ns]."""

# Phase index of sea water: a0 + a1 P + x (a2 + x (a3 + x a4)), x = 1/wavelength;
# D. J. L. Bailey, thesis, Oxford 2002, as Jpp's JDispersion and KM3io.jl take it.
_A0, _A1 = 1.3201, 1.4e-5  # -, 1/atm
_A2, _A3, _A4 = 16.2566, -4383.0, 1.1455e6  # nm, nm^2, nm^3


@dataclass(frozen=True)
class Water:
    """Water by its two indices of refraction.

    Attributes
    ----------
    n_phase : float
        Phase index, which sets the Cherenkov angle.
    n_group : float
        Group index, which sets the speed of light pulses.
    """

    n_phase: float
    n_group: float

    def __post_init__(self) -> None:
        if not (self.n_phase > 1.0 and self.n_group > 1.0):
            raise ConfigError(f"indices of refraction {self.n_phase}, {self.n_group} are not above 1")

    @classmethod
    def at(cls, wavelength: float, pressure: float = 240.0) -> Water:
        """Give sea water at one wavelength.

        Parameters
        ----------
        wavelength : float
            In vacuum [nm], 300 to 700.
        pressure : float
            Ambient pressure [atm], 1 to 500; about 240 for ORCA, 350 for ARCA.

        Returns
        -------
        Water
            Its group index is ``n - wavelength dn/dwavelength``.

        Raises
        ------
        ConfigError
            Outside the range that the parametrisation is for.
        """
        if not (300.0 <= wavelength <= 700.0 and 1.0 <= pressure <= 500.0):
            raise ConfigError(
                f"no index of refraction for {wavelength} nm at {pressure} atm",
                remedy="take 300 to 700 nm and 1 to 500 atm",
            )
        x = 1.0 / wavelength
        n = _A0 + _A1 * pressure + x * (_A2 + x * (_A3 + x * _A4))
        # d/dwavelength = -x^2 d/dx
        return cls(n, n + x * (_A2 + x * (2.0 * _A3 + x * 3.0 * _A4)))

    @property
    def cos_cherenkov(self) -> float:
        """Cosine of the Cherenkov angle of a particle at the speed of light."""
        return 1.0 / self.n_phase

    @property
    def sin_cherenkov(self) -> float:
        """Sine of the same."""
        return math.sqrt(1.0 - self.cos_cherenkov**2)

    @property
    def tan_cherenkov(self) -> float:
        """Tangent of the same."""
        return self.sin_cherenkov / self.cos_cherenkov

    @property
    def cherenkov_angle(self) -> float:
        """The Cherenkov angle [rad]."""
        return math.acos(self.cos_cherenkov)

    @property
    def speed(self) -> float:
        """Group velocity of light [m/ns]."""
        return C / self.n_group


KM3NET = Water(n_phase=1.3499, n_group=1.3797)
"""The one pair of indices that KM3NeT's analyses take (aanet, km3pipe, KM3io.jl)."""
