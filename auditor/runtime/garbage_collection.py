"""Garbage collection is put off while an audit runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """No collections in the block.

    Imports and traces make hundreds of thousands of objects that live on: looking through them again and
    again is a fifth of an audit's time, and makes the probe's process copy every page it shares.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
