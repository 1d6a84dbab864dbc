"""What rules about saved adapters read: what lies in a directory, and what its base model would take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Target:
    """A place in the base model that the configuration names, and the modules found there."""

    name: str
    modules: tuple[str, ...]
    where: str = "target_modules"
    """The key of the configuration."""


@dataclass(frozen=True)
class SavedFacts:
    """A directory with an adapter. All names of tensors are as in its file."""

    file: str
    """Name of the file with the tensors."""
    tensors: Mapping[str, Shape] = field(default_factory=dict)
    expected: Mapping[str, Shape] | None = None
    """What the base model with this configuration takes; None where that is not known."""
    optional: frozenset[str] = frozenset()
    """Of those expected, what need not be there."""
    modules: Mapping[str, str] = field(default_factory=dict)
    """Tensor -> module of the base model that it is for, where there is one."""
    targets: tuple[Target, ...] = ()
    ends: frozenset[str] = frozenset()
    """Tensors that a module's effect is multiplied by: where one is zero, the module does nothing."""
    zero: frozenset[str] = frozenset()
    not_finite: frozenset[str] = frozenset()
    tied: tuple[tuple[str, ...], ...] = ()
    """Modules of the base model that share one weight."""
    base_weights: tuple[str, ...] = ()
    """Weights of the base model that lie in the directory, too."""
    wrapped: tuple[str, ...] = ()
    """Weights of a whole model under names that only a model with adapters has."""
    unknowns: tuple[str, ...] = ()
    """What could not be found out, and why."""

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Tensors that nothing takes."""
        if self.expected is None:
            return tuple(sorted(name for name in self.tensors if name not in self.modules))
        return tuple(sorted(self.tensors.keys() - self.expected.keys()))

    @property
    def missing(self) -> tuple[str, ...]:
        """Tensors that are expected and not there."""
        return tuple(sorted((self.expected or {}).keys() - self.tensors.keys() - self.optional))
