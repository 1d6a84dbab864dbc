"""Fixes of findings and their proof (`find_fixes`), as a diff (`combined_diff`) or folder (`write_overlay`).

A library patch is an edit of the installed source that a family proposes (`families`), tried in a child
process that imports the patched library and audits again. The installed files are never written.
"""

from __future__ import annotations

from .find_fixes import FixOptions, find_fixes
from .patch.diffs import combined_diff, unified
from .patch.overlay import write_overlay

__all__ = ["FixOptions", "combined_diff", "find_fixes", "unified", "write_overlay"]
