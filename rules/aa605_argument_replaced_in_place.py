"""AA605 argument-replaced-in-place

## What it does
Finds `Tensor.set_` on an argument of a function, also through a loop over `*tensors` or another name for it.

## Why is this bad
The caller's tensor gets another storage and shape. The caller sees a mask of N * B rows after the call, so a
second call with the same inputs replicates it again; and on a tensor that is an expanded view of another
`set_` has corrupted memory (the process dies with "double free or corruption").

## Example
```python
def adjust_(hidden_states, *tensors):
    for tensor in tensors:
        tensor.set_(tensor.repeat(2, 1))  # AA605
```

## Fix
Return a new tensor and let the caller bind it:
```python
(mask,) = adjust_tensors_for_parallel(hidden_states, mask)
```
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .base import Case
from .source_rule import Confidence, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.source_file import SourceFile


class ArgumentReplacedInPlace(SourceRule):
    """The storage of an argument is replaced."""

    id = "AA605"
    name = "argument-replaced-in-place"
    severity = Severity.WARNING
    confidence = Confidence.CERTAIN
    verdict = Verdict.WRONG
    cases = (
        Case(
            bad=True,
            code="t.set_(t.repeat(2, 1))",
            says="`t.set_(...)` replaces the storage",
            severity=Severity.WARNING,
            source="import adapters\ndef f(*ts):\n    for t in ts:\n        t.set_(t.repeat(2, 1))\n",
        ),
        Case(
            bad=True,
            code="m.set_(h)",
            says="`m.set_(...)` replaces the storage",
            severity=Severity.WARNING,
            source="import adapters\ndef f(h, mask):\n    m = mask\n    m.set_(h)\n",
        ),
        Case(bad=False, source="import adapters\ndef f(h, mask):\n    m = mask.clone()\n    m.set_(h)\n"),
        Case(bad=False, source="import adapters\ndef f(h, mask):\n    return mask.repeat(2, 1)\n"),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield every `set_` on an argument, in files that have to do with adapters."""
        if ".set_(" not in source.text or "adapter" not in source.text.lower():
            return
        for function in ast.walk(source.tree):
            if isinstance(function, ast.FunctionDef):
                yield from self._check_function(source, function)

    def _check_function(self, source: SourceFile, function: ast.FunctionDef) -> Iterator[Flaw]:
        names = _argument_names(function)
        for node in ast.walk(function):
            name = _set_on(node)
            if name in names and isinstance(node, ast.Call):
                message = f"`{name}.set_(...)` replaces the storage of the caller's tensor; return a new one"
                yield self.flaw(source, (node.lineno, node.col_offset), message)


def _set_on(node: ast.AST) -> str:
    """`x` for `x.set_(...)`, else an empty text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "set_":
        return node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    return ""


def _argument_names(function: ast.FunctionDef) -> set[str]:
    """Parameters, other names for them, and loop variables over them."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg]
    names = {a.arg for a in every if a is not None and a.arg != "self"}
    rebound: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and _is_one_of(node.iter, names):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            targets = {t.id for t in node.targets if isinstance(t, ast.Name)}
            if _is_one_of(node.value, names):
                names |= targets
            else:
                rebound |= targets
    return names - rebound


def _is_one_of(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
