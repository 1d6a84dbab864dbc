"""What `adapters` calls the blocks."""

from __future__ import annotations

from collections.abc import Mapping

BLOCKS: Mapping[str, str] = {
    "parallel": "Parallel",
    "batchsplit": "BatchSplit",
    "average": "Average",
    "stack": "Stack",
    "split": "Split",
    "fuse": "Fuse",
    "multitask": "MultiTask",
}
"""Our kind -> class name in `adapters.composition`."""
