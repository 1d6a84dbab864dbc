"""Audits in a project's own tests: `assert_compatible`, and the plugin that pytest loads by its entry point.

Importing this package imports neither torch nor pytest.
"""

from __future__ import annotations

from .assertion import Incompatible, assert_compatible

__all__ = ["Incompatible", "assert_compatible"]
