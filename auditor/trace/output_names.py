"""Names of a model's outputs: where several heads are active, each gives a set of its own."""

from __future__ import annotations

from ..knowledge.library_names import ADAPTERS


def set_and_name(name: str) -> tuple[int | None, str]:
    """Which head's set an output is in (None: all heads share it), and what it is called there."""
    first, _, rest = name.partition(".")
    number, _, own = rest.partition(".")
    return (int(number), own) if first == ADAPTERS.head_outputs and number.isdigit() else (None, name)


def own_name(name: str) -> str:
    """What an output is called where its head is the only one."""
    return set_and_name(name)[1]
