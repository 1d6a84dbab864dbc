"""What the auditor needs from an adapter library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import CodeType
from typing import Any, ClassVar, Protocol, runtime_checkable

from ..schema.composition import Block, Node
from ..schema.history import Step
from ..schema.references import Reference
from ..schema.result import Activity
from ..source.package_source import PackageSource
from .prediction_heads import PredictionHeads

Watch = Callable[[str, Any, Any, Callable[[Node, Any], Any]], None]
"""Gets the path of an adapter layer, its state before and after, and a way to run another composition."""


class SupportTables(Protocol):
    """What the library says of itself in its source, without being imported. Kinds are those of blocks."""

    def blocks_of(self, config: str) -> frozenset[str] | None:
        """Kinds that all layers of a configuration support; None where that is not said."""

    def methods_with(self, kinds: frozenset[str]) -> tuple[str, ...]:
        """Methods whose layers support all these kinds."""

    def allows(self, kind: str, model_type: str) -> bool:
        """Whether models of this type may use a kind of block."""

    def nests(self, kind: str, inner: str) -> bool:
        """Whether a block of one kind may be inside another one."""

    def kinds(self) -> tuple[str, ...]:
        """All kinds of which the library says what may be inside."""


class SilentTables:
    """Of a library whose source says nothing of all that: everything may be."""

    def blocks_of(self, config: str) -> frozenset[str] | None:
        """Not said."""
        return None

    def methods_with(self, kinds: frozenset[str]) -> tuple[str, ...]:
        """None that is known."""
        return ()

    def allows(self, kind: str, model_type: str) -> bool:
        """Nothing is barred."""
        return True

    def nests(self, kind: str, inner: str) -> bool:
        """Nothing is barred."""
        return True

    def kinds(self) -> tuple[str, ...]:
        """None."""
        return ()


class Library(Protocol):
    """One adapter library, as every audit needs it. What only some libraries can do is a protocol of its own.

    Its own exceptions pass through: what they mean is decided by the audit."""

    package: ClassVar[str]
    """Import name; a `raise` statement in it is a refusal on purpose."""
    releases: ClassVar[Mapping[str, str]]
    """Package -> supported releases as a PEP 440 range: the library and what it stands on."""
    extra: ClassVar[str]
    """The extra of this project that installs it."""
    blocks: ClassVar[Mapping[str, str]]
    """Kind of block -> its name in the library; other kinds are not the library's."""
    alone: ClassVar[str]
    """The kind of block that is its adapter where it has one only."""
    skips_layers: ClassVar[bool]
    """Whether layers can be skipped when a composition is made active."""
    changes_classes: ClassVar[bool]
    """Whether to prepare a model replaces its own classes: it may be another one for every composition."""
    single_precision: ClassVar[bool]
    """Whether values are compared in float32: some methods do not run in float64, or not all through."""
    default_config: ClassVar[str]
    """The configuration of adapters of which nothing is said."""
    adds_in_parts: ClassVar[bool]
    """Whether `add` may be called first for the adapters, and then without any for what a tree's blocks need:
    so one model serves several compositions of its adapters."""
    generates_with_cache: ClassVar[bool]
    """Whether `generate` is called as most people do, with a cache."""
    source: ClassVar[PackageSource]
    """The index of its source."""
    tables: ClassVar[SupportTables]
    heads: ClassVar[PredictionHeads | None]
    """Heads that its models choose from; None for a library that knows none."""

    def load(self) -> None:
        """Import what the others will need: importing a library takes seconds."""

    def quiet(self) -> None:
        """Silence the library's own advice: references run without active adapters on purpose."""

    def owns(self, model: Any) -> bool:
        """Whether the model has adapters of this library."""

    # -- the language --------------------------------------------------------------------------------

    def check_config(self, config: str) -> None:
        """Raise LibraryRefusal for a configuration that is certainly wrong, without importing the library."""

    def check_method(self, config: str) -> None:
        """Raise LibraryRefusal when `config` is no adapter configuration that the library knows."""

    def configuration(self, config: str) -> Any:
        """The library's object for a configuration."""

    def picks_layers(self, config: str) -> bool:
        """Whether a configuration treats some layers otherwise than others, by their numbers."""

    def tree(self, active: Any) -> Node:
        """What `active` gives, as our tree."""

    def python(self, tree: Node) -> str:
        """The Python that a user pastes to make the composition active, or to call it."""

    def one_after_the_other(self, parts: Sequence[Reference], *, whole: bool) -> str:
        """Python that runs each part alone: on the whole batch, or on its own rows only."""

    # -- setting up ----------------------------------------------------------------------------------

    def prepare(self, model: Any) -> Any:
        """Make the model able to take adapters; returns it, or what takes its place."""

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> Any:
        """Add adapters (name -> configuration) and what the tree's blocks need beside them.

        Returns the model, or what takes its place.
        """

    def base(self, model: Any) -> Any:
        """The transformers model in what `add` gave."""

    def has_adapter(self, model: Any, name: str) -> bool:
        """Whether an adapter was added."""

    def activate(self, model: Any, tree: Node | None, skip_layers: tuple[int, ...] | None) -> None:
        """Make the composition active; None for no adapter."""

    def active(self, model: Any) -> Any:
        """What is active, as the library's object; None for nothing. A context's set-up wins."""

    def description(self, model: Any, adapter: str) -> str:
        """The text that `configuration` makes an adapter's of. Raises LookupError without one."""

    def outside_contexts(self) -> AbstractContextManager[None]:
        """Set-ups that hold for a block of the caller's code (`with ...`) do not hold in this one."""

    def skipped_layers(self, model: Any) -> tuple[int, ...]:
        """Layers that are skipped in what is active."""

    def call_arguments(self, tree: Node | None) -> Mapping[str, Any]:
        """What a call is given besides its inputs, to run the composition."""

    def told_in(self, inputs: Mapping[str, Any]) -> Node | None:
        """The composition that the arguments of a call tell (inverse of `call_arguments`); None for none."""

    def start_training(self, model: Any, tree: Node) -> None:
        """Freeze the model and free the parameters of the composition, as before training it."""

    # -- asking and experimenting --------------------------------------------------------------------

    def parameters(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        """Names and parameters that belong to one adapter alone."""

    def deviation(self, model: Any, adapter: str) -> float | None:
        """Standard deviation of random values that show an adapter's effect; None for one by their fan-in."""

    def supported(self, model: Any) -> tuple[str, ...]:
        """Methods that the model takes as it says itself; empty where it does not say."""

    def activity(self, model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
        """Which adapter has modules where."""


@runtime_checkable
class TriesBlocks(Protocol):
    """A library on whose blocks can be experimented."""

    def other_strength(self, model: Any, adapter: str) -> AbstractContextManager[tuple[str, Any]]:
        """A copy of an adapter with another strength, and one of its modules; LookupError without one."""

    def fused_copies(self, model: Any, adapter: str, count: int) -> AbstractContextManager[Block]:
        """A Fuse of an adapter with copies of itself that hands their values on as they are."""

    def attending(self, model: Any, fuse: Block, child: int) -> AbstractContextManager[None]:
        """A Fuse of adapters attends to one of them only; LookupError where a layer has not all of them."""

    def composing(self, model: Any, watch: Watch) -> AbstractContextManager[None]:
        """Call `watch` after each adapter layer has run its composition."""


@runtime_checkable
class HasHistories(Protocol):
    """A library whose adapters can be merged, switched, saved, and taken out again."""

    def step(self, model: Any, step: Step, fresh: Callable[[], Any]) -> Any:
        """Do one step; returns the model to go on with. `fresh` makes the model without adapters.

        Not for the step `error`, which is a call.
        """

    def code_of(self, model: Any, step: Step, module: str) -> CodeType | None:
        """The function that does a step's work for a module, or makes an adapter of a block (a kind).

        None where there is no such function.
        """
