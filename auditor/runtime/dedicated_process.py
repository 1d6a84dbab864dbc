"""A process that does nothing but audits keeps what each of them would set up and take down again."""

from __future__ import annotations

import gc
from threading import Event

_settled = Event()


def settle() -> None:
    """Be such a process from now on. What an audit leaves behind is mostly what the next one needs."""
    gc.set_threshold(500_000, 10, 10)
    _settled.set()


def is_settled() -> bool:
    """Whether nobody but audits will use this process."""
    return _settled.is_set()
