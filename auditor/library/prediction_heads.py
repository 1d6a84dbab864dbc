"""What the auditor needs from a library whose models choose between prediction heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from ..schema.heads import Heads


class LabelKind(str, Enum):
    """What a head's loss compares with."""

    ROW = "row"
    """A class for each row."""
    ROW_CLASSES = "row_classes"
    """Yes or no for each row and class."""
    TOKEN = "token"
    """A class for each token."""
    SPAN = "span"
    """The first and the last token of the answer, as two arguments."""
    TEXT = "text"
    """Token ids."""


@dataclass(frozen=True)
class HeadLabels:
    """The labels of one head: their kind, and of how many classes; zero where they are not of classes."""

    kind: LabelKind
    classes: int = 0


class PredictionHeads(Protocol):
    """Heads of one library. Its own exceptions pass through: what they mean is decided by the audit."""

    def check(self, config: str) -> None:
        """Raise LibraryRefusal for what is certainly no head, without importing the library."""

    def model(self, config: Any, **options: Any) -> Any:
        """A model that takes heads, without any. Raises BuildError where there is none of its type."""

    def add(self, model: Any, heads: Mapping[str, str]) -> None:
        """Add heads (name -> configuration) that the model does not have yet.

        Raises LibraryRefusal for a wrong configuration, UsageError for a model that takes none.
        """

    def active(self, model: Any) -> Heads | None:
        """What is active; None for a model that has no heads to choose from."""

    def use(self, model: Any, heads: Heads) -> None:
        """Make heads active, after the adapters: to activate these may activate others.

        Raises UsageError for a head that the model does not have.
        """

    def labels(self, model: Any) -> tuple[HeadLabels, ...]:
        """What the losses of the active heads need; nothing for heads without a loss of a known kind."""
