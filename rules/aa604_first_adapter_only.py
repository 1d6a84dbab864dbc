"""AA604 first-adapter-only

## What it does
Finds code that takes one adapter out of the active set-up (`.first()`, `.last()`, `[0]`, `.children[0]`)
without having asked what kind of set-up it is.

## Why is this bad
For a single adapter this is right, so it looks right. With `Parallel`, `BatchSplit` or `Average` the one
adapter is used for all rows, and the others silently do nothing there.

## Example
```python
setup = self.get_active_setup()
if setup is not None:
    name = setup.first()  # AA604
    hidden_states = self.layers[name](hidden_states)
```

## Fix
Handle each kind of block (`self.compose(setup, state)` of `ComposableAdapterLayerBase` does), or refuse what
is not supported by name:
```python
if isinstance(setup, Stack) and len(setup) == 1:
    name = setup.first()
else:
    raise ValueError(f"{type(setup).__name__} is not supported here, use Stack with one adapter")
```
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapter_audit.auditor.knowledge.library_names import ADAPTERS

from .base import Case
from .source_rule import Confidence, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.source_file import SourceFile

_LAYER = """
from adapters.composition import Stack
class ToyLayer(AdapterLayerBase):
    def forward(self, hidden_states):
        setup = self.get_active_setup()
        {body}
"""


class FirstAdapterOnly(SourceRule):
    """One adapter of a set-up stands for all of them."""

    id = "AA604"
    name = "first-adapter-only"
    severity = Severity.WARNING
    confidence = Confidence.LIKELY
    verdict = Verdict.NO_EFFECT
    cases = (
        Case(
            bad=True,
            code="self.layers[setup.first()]",
            says="`setup.first()` stands for all adapters",
            severity=Severity.WARNING,
            source=_LAYER.format(body="return self.layers[setup.first()](hidden_states)"),
        ),
        Case(
            bad=True,
            code="self.layers[setup.first()]",
            says="`setup.first()` stands for all adapters",
            severity=Severity.WARNING,
            source=_LAYER.format(
                body="if len(setup) > 0:\n            return self.layers[setup.first()](hidden_states)"
            ),
        ),
        Case(
            bad=True,
            code="self.layers[setup[0]]",
            says="`setup[0]` stands for all adapters",
            severity=Severity.WARNING,
            source=_LAYER.format(body="return self.layers[setup[0]](hidden_states)"),
        ),
        Case(
            bad=True,
            code="self.layers[setup.children[0]]",
            says="`setup.children[0]` stands for all adapters",
            severity=Severity.WARNING,
            source=_LAYER.format(body="return self.layers[setup.children[0]](hidden_states)"),
        ),
        Case(bad=False, source=_LAYER.format(body="return self.compose(setup, hidden_states)")),
        Case(
            bad=False,
            source=_LAYER.format(
                body="if isinstance(setup, Stack):\n            return self.layers[setup.first()]"
            ),
        ),
        Case(bad=False, source="def f(rows):\n    rows = sorted(rows)\n    return rows[0]\n"),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield every pick from a set-up whose kind the function never asks for."""
        if not any(getter in source.text for getter in ADAPTERS.set_up_getters):
            return
        for function in ast.walk(source.tree):
            if isinstance(function, ast.FunctionDef):
                setups = _setups(function) - _asked(function)
                for node in _own_nodes(function):
                    picked = _picked(node)
                    if picked is not None and _is_setup(picked, setups):
                        yield self.flaw(source, (node.lineno, node.col_offset), _message(node, picked))


def _own_nodes(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Expressions of the function, without those of functions inside it (they have their own turn)."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        if isinstance(node, ast.expr):
            yield node
        pending.extend(ast.iter_child_nodes(node))


def _setups(function: ast.FunctionDef) -> set[str]:
    """Names that hold a set-up."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _gets_setup(node.value):
            found.update(t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.NamedExpr) and _gets_setup(node.value):
            found.add(node.target.id)
    return found


def _gets_setup(node: ast.expr) -> bool:
    inner = node.func if isinstance(node, ast.Call) else node
    name = inner.attr if isinstance(inner, ast.Attribute) else inner.id if isinstance(inner, ast.Name) else ""
    return name in ADAPTERS.set_up_getters


def _asked(function: ast.FunctionDef) -> set[str]:
    """Names whose kind or size the function asks for."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            found.update(_argument_of(node, ("isinstance", "type")))
        elif isinstance(node, ast.Compare) and not _compares_with_zero(node):
            found.update(_argument_of(node.left, ("len",)))
        elif (
            isinstance(node, ast.Attribute)
            and node.attr == "parallel_channels"
            and isinstance(node.value, ast.Name)
        ):
            found.add(node.value.id)
    return found


def _argument_of(node: ast.expr, functions: tuple[str, ...]) -> set[str]:
    """The name that one of these functions is called with."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in functions
        and node.args
    ):
        first = node.args[0]
        return {first.id} if isinstance(first, ast.Name) else set()
    return set()


def _compares_with_zero(node: ast.Compare) -> bool:
    return all(isinstance(c, ast.Constant) and c.value == 0 for c in node.comparators)


def _picked(node: ast.expr) -> ast.expr | None:
    """What one adapter is taken from by this expression, or None."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ADAPTERS.set_up_pickers
    ):
        return node.func.value if not node.args else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 0:
        inner = node.value
        return inner.value if isinstance(inner, ast.Attribute) and inner.attr == "children" else inner
    return None


def _is_setup(node: ast.expr, setups: set[str]) -> bool:
    return node.id in setups if isinstance(node, ast.Name) else _gets_setup(node)


def _message(node: ast.expr, setup: ast.expr) -> str:
    return (
        f"`{ast.unparse(node)}` stands for all adapters of `{ast.unparse(setup)}`; with Parallel, BatchSplit "
        "or Average the others do nothing here"
    )
