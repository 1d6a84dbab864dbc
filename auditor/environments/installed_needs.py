"""What an installed package needs, as its own metadata says."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement


def installed_needs(name: str) -> list[Requirement]:
    """Its requirements on this system, without those of extras; none where it is not installed."""
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    found = [Requirement(text) for text in texts]
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]
