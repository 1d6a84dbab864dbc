"""A process that does nothing but audits keeps what each of them would set up and take down again."""

from __future__ import annotations

import gc
from threading import Event

_dedicated = Event()


def dedicate_process() -> None:
    """Use this process for audits only from now on: what one leaves behind is mostly what the next needs."""
    gc.set_threshold(500_000, 10, 10)
    _dedicated.set()


def is_dedicated() -> bool:
    """Whether nobody but audits will use this process."""
    return _dedicated.is_set()
