"""Positions of the detectors, by the names of km3astro; angles are in degrees, lengths in metres."""

from __future__ import annotations

import math

from km3gpu.astro import site as _site

HEMISPHERE = "north"
DATUM = "WGS84"

_orca, _arca, _antares = _site("orca"), _site("arca"), _site("antares")

orca_northing, orca_easting, orca_height = _orca.northing, _orca.easting, _orca.z
orca_utm_zone, orca_utm_zone_number, orca_utm_zone_letter = _orca.zone, 32, "N"
orca_latitude, orca_longitude = math.degrees(_orca.latitude), math.degrees(_orca.longitude)

arca_northing, arca_easting, arca_height = _arca.northing, _arca.easting, _arca.z
arca_utm_zone, arca_utm_zone_number, arca_utm_zone_letter = _arca.zone, 33, "N"
arca_latitude, arca_longitude = math.degrees(_arca.latitude), math.degrees(_arca.longitude)

antares_northing, antares_easting, antares_height = _antares.northing, _antares.easting, _antares.z
antares_utm_zone, antares_utm_zone_number, antares_utm_zone_letter = _antares.zone, 32, "N"
antares_latitude, antares_longitude = math.degrees(_antares.latitude), math.degrees(_antares.longitude)
