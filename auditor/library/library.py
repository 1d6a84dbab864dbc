"""What the auditor needs from an adapter library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from ..schema.composition import Block, Node
from ..schema.result import Activity

Watch = Callable[[str, Any, Any, Callable[[Node, Any], Any]], None]
"""Gets the path of an adapter layer, its state before and after, and a way to run another composition."""


class Backend(Protocol):
    """One adapter library. Its own exceptions pass through: what they mean is decided by the audit."""

    package: ClassVar[str]
    """Import name; a `raise` statement in it is a refusal on purpose."""
    versions: ClassVar[str]
    """Supported releases as a PEP 440 range."""

    def load(self) -> None:
        """Import what the others will need: importing a library takes seconds."""

    def check_method(self, config: str) -> None:
        """Raise UsageError when `config` is no adapter configuration that the library knows."""

    def picks_layers(self, config: str) -> bool:
        """Whether a configuration treats some layers otherwise than others, by their numbers."""

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

    def fused_copies(self, model: Any, adapter: str, count: int) -> AbstractContextManager[Block]:
        """A Fuse of an adapter with copies of itself that hands their values on as they are."""

    def attending(self, model: Any, fuse: Block, child: int) -> AbstractContextManager[None]:
        """A Fuse of adapters attends to one of them only; LookupError where a layer has not all of them."""

    def composing(self, model: Any, watch: Watch) -> AbstractContextManager[None]:
        """Call `watch` after each adapter layer has run its composition."""

    def supported(self, model: Any) -> tuple[str, ...]:
        """Methods that the model takes as it says itself; empty where it does not say."""

    def activity(self, model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
        """Which adapter has modules where."""
