"""What a seeded defect is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Defect:
    """One change to the library and, by model family, a spec in which it changes what comes out."""

    name: str
    what: str
    put_in: Callable[[str], None]
    """Gets the family, as some defects sit in a model's own file."""
    specs: Mapping[str, Spec]


class Collection:
    """Defects of one kind, in the order in which they are written down."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []

    def add(
        self, what: str, specs: Mapping[str, Spec]
    ) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
        """Register the decorated function as a defect, named after it."""

        def register(put_in: Callable[[str], None]) -> Callable[[str], None]:
            name = put_in.__name__.replace("_", "-")
            self.defects.append(Defect(name, what, put_in, dict(specs)))
            return put_in

        return register
