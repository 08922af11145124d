"""Objects that modules share by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from km3gpu.errors import UnknownNameError

__all__ = ["ServiceManager"]


class ServiceManager:
    """The services of a pipeline: ``services["calibrate"]`` or ``services.calibrate``."""

    def __init__(self) -> None:
        self._services: dict[str, Any] = {}

    def register(self, name: str, service: Any) -> None:
        """Offer a service under a name; a later one of the same name takes its place."""
        self._services[name] = service

    def get_missing_services(self, services: Iterable[str]) -> list[str]:
        """Give those of the names that nobody offers, sorted."""
        return sorted(set(services) - set(self._services))

    def __getitem__(self, name: str) -> Any:
        try:
            return self._services[name]
        except KeyError:
            raise UnknownNameError.of("service", name, self._services) from None

    def __getattr__(self, name: str) -> Any:
        # a copy is asked for its state before it has any
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._services

    def __repr__(self) -> str:
        return f"<ServiceManager {', '.join(sorted(self._services)) or 'empty'}>"
