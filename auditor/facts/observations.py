"""What was measured and should not be so: one typed object for each thing that a check can see.

Each check (`probe/checks`) derives its own, next to the code that measures it. They hold numbers, names and
places; the words are those of the rule that reads them. No torch in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..trace.records import Key, Site


@dataclass(frozen=True)
class Departure:
    """The first op whose value is not what its twin in the reference has."""

    lane: int
    module: str
    site: Site
    op: str
    deviation: float
    """Largest absolute difference, relative to the twin's largest value."""
    key: Key | None = None
    index: int | None = None
    """Record of the composition's static trace with the same key, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Base of everything that breaks an invariant."""

    departure: Departure | None = None
    """Where it begins, as far as that was found."""


@dataclass(frozen=True, kw_only=True)
class OutputGap(Observation):
    """An output is not what it should be."""

    output: str
    deviation: float
    """Largest absolute difference, relative to the largest value; infinite for another shape or NaN."""


@dataclass(frozen=True, kw_only=True)
class ParameterGap(Observation):
    """A gradient is not what it should be."""

    parameter: str
    deviation: float
    """Largest absolute difference, relative to the largest gradient of all parameters."""


class Ending(str, Enum):
    """How a process ended that did not end by itself."""

    TIME = "time"
    SIGNAL = "signal"
    EXIT = "exit"


@dataclass(frozen=True, kw_only=True)
class ProcessDeath(Observation):
    """The process that ran the composition is gone."""

    ending: Ending
    signal: str = ""
    """Its name, such as `SIGABRT`."""
    exit_code: int = 0
    seconds: float = 0.0
    """The time limit that it was ended at."""
    site: Site | None = None
    """Where the run was, when it was run once more with every op noted."""
    module: str = ""

    def __str__(self) -> str:
        if self.ending is Ending.TIME:
            return f"it did not end within {self.seconds:g} seconds"
        if self.ending is Ending.SIGNAL:
            return f"it was ended by {self.signal}"
        return f"it ended with exit code {self.exit_code}"
