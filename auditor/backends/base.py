"""What the auditor needs from an adapter library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from ..compose import Node
from ..result import Activity


class Backend(Protocol):
    """One adapter library. Its own exceptions pass through: what they mean is decided by the audit."""

    package: ClassVar[str]
    """Import name; a `raise` statement in it is a refusal on purpose."""
    versions: ClassVar[str]
    """Supported releases as a PEP 440 range."""

    def check_method(self, config: str) -> None:
        """Raise UsageError when `config` is no adapter configuration that the library knows."""

    def prepare(self, model: Any) -> None:
        """Make the model able to take adapters (`adapters.init`)."""

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> None:
        """Add the adapters (name -> configuration) and what the tree's blocks need beside them."""

    def activate(self, model: Any, tree: Node | None, skip_layers: tuple[int, ...] | None) -> None:
        """Make the composition active; None for no adapter."""

    def start_training(self, model: Any, tree: Node) -> None:
        """Freeze the model and free the parameters of the composition, as before training it."""

    def parameters(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        """Names and parameters that belong to one adapter alone."""

    def other_strength(self, model: Any, adapter: str) -> AbstractContextManager[tuple[str, Any]]:
        """A copy of an adapter with another strength, and one of its modules; LookupError without one."""

    def activity(self, model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
        """Which adapter has modules where."""
