"""The index of the library's source, for what it says of itself without being imported."""

from __future__ import annotations

from ...source.package_source import PackageSource

SOURCE = PackageSource("peft")
