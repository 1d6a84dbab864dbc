"""What a check is: it asks a bench for runs and comparisons, and yields what breaks one value invariant.

A check's file is all there is to it; it is found by existing in `checks`, or by the entry points
`adapter_audit.checks`. It imports no torch, so that a rule may import the file for its evidence: everything
that is measured is asked of the bench.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from ..facts.observations import Observation

if TYPE_CHECKING:
    from .measuring_bench import MeasuringBench

ENTRY_POINT_GROUP = "adapter_audit.checks"


class NotApplicable(Exception):
    """A check is not asked: it has nothing to say about this composition."""


class Unanswered(Exception):
    """A check is asked and cannot find out: the text says why, and the question stays open."""


class ValueCheck(ABC):
    """Base of every check. Instances have no state.

    A check compares outputs of plain runs; only where something differs is the run recorded, to find the
    first op that departs.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    """Checks of a lower number run first: a later one may rely on what they found, or kill the process."""
    yields: ClassVar[tuple[type[Observation], ...]]
    """All types of what it may see; some rule reads each of them."""

    @abstractmethod
    def observe(self, bench: MeasuringBench) -> Iterator[Observation]:
        """Yield what is wrong.

        Raises NotApplicable where there is nothing to hold the composition to, Unanswered where there is and
        it cannot be had. What cannot be had for a part only is left open at the bench (`leave_open`).
        """


@cache
def all_checks() -> tuple[ValueCheck, ...]:
    """One instance of every check, in their order. Raises ValueError when two checks share a name."""
    found: dict[str, ValueCheck] = {}
    for module in (*_package_modules(), *_plugin_modules()):
        for check in _checks_in(module):
            if type(found.setdefault(check.name, check)) is not type(check):
                raise ValueError(f"check {check.name} is in {module.__name__} and somewhere else")
    return tuple(sorted(found.values(), key=lambda check: (check.order, check.name)))


def _package_modules() -> list[ModuleType]:
    from . import checks as package

    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def _plugin_modules() -> list[ModuleType]:
    return [importlib.import_module(point.value) for point in entry_points(group=ENTRY_POINT_GROUP)]


def _checks_in(module: ModuleType) -> list[ValueCheck]:
    return [
        value()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ValueCheck) and value.__module__ == module.__name__
    ]
