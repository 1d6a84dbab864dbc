"""AA606 dropped-forward-keyword

## What it does
Compares the `forward` of a class that is written for adapters with the `forward` of the `transformers` class
it derives from, as installed (its source is read, nothing is imported), and finds parameters of the parent
that the override no longer takes, that the parent's module passes by keyword, that fall into the override's
`**kwargs`, and that nothing there reads.

## Why is this bad
The model still passes the keyword, no error is raised, and the feature behind it is off: a key-value cache
that is never used, position ids that are ignored. It happens when the library renames or adds a parameter
and the copy of its `forward` is not updated.

## Example
```python
class LlamaAttentionWithAdapters(LlamaAttentionMixin, LlamaAttention):
    def forward(self, hidden_states, past_key_value=None, **kwargs):  # AA606: past_key_values
        ...
```

## Fix
Take the parameter under the parent's name and use it as the parent does. Without `transformers` in the
environment of the linter nothing is reported, and the class is counted as not checked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .base import Case
from .source_rule import Confidence, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.source_file import SourceFile


_PARENT = """
class ToyAttention:
    def forward(self, x, cache=None):
        return x, cache

class ToyLayer:
    def forward(self, x, cache=None):
        return self.attention(x, cache=cache)

"""


class DroppedForwardKeyword(SourceRule):
    """A keyword of the parent's forward that the override swallows."""

    id = "AA606"
    name = "dropped-forward-keyword"
    severity = Severity.WARNING
    confidence = Confidence.LIKELY
    verdict = Verdict.WRONG
    cases = (
        Case(
            bad=False,
            source=(
                _PARENT + "class ToyAttentionWithAdapters(ToyAttention):\n"
                "    def forward(self, x, cache=None, **kwargs):\n        return x, cache\n"
            ),
        ),
        Case(
            bad=True,
            code="def forward(self, x, past=None",
            says="no longer takes `cache`",
            severity=Severity.WARNING,
            source=(
                _PARENT + "class ToyAttentionWithAdapters(ToyAttention):\n"
                "    def forward(self, x, past=None, **kwargs):\n        return x, past\n"
            ),
        ),
        Case(
            bad=False,
            source=(
                _PARENT + "class ToyAttentionWithAdapters(ToyAttention):\n"
                "    def forward(self, x, **kwargs):\n        return super().forward(x, **kwargs)\n"
            ),
        ),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield one flaw for each override that swallows keywords."""
        from adapter_audit.auditor.lint.parents import parent_class, passed_keywords

        if not source.is_model_code:
            return
        for node in source.classes:
            override = _forward(node)
            if override is None or override.args.kwarg is None:
                continue
            parent = parent_class(source, node)
            forward = _forward(parent.node) if parent is not None else None
            if parent is None or forward is None:
                continue
            candidates = _used_keywords(forward) - _names(override)
            dropped = (
                sorted(candidates & passed_keywords(source, parent, _names(forward))) if candidates else []
            )
            if dropped and not _is_consumed(source, node, override, forward, dropped):
                yield self.flaw(source, (override.lineno, override.col_offset), _message(node, dropped))


def _forward(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "forward"), None)


def _names(function: ast.FunctionDef) -> set[str]:
    return {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}


def _used_keywords(parent: ast.FunctionDef) -> set[str]:
    """Parameters that the parent's own body reads: dropping another one changes nothing."""
    read = {n.id for n in ast.walk(parent) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return (_names(parent) - {"self"}) & read


def _is_consumed(
    source: SourceFile,
    node: ast.ClassDef,
    override: ast.FunctionDef,
    parent: ast.FunctionDef,
    dropped: list[str],
) -> bool:
    """The keywords have an effect all the same: the caller is in this file and uses the override's names for
    them, the override looks into its `**kwargs`, or hands them on to something that takes them."""
    assert override.args.kwarg is not None
    kwargs = override.args.kwarg.arg
    renamed = _names(override) - _names(parent)
    others = [c for c in source.classes if c is not node]
    if any(k.arg in renamed for c in others for call in _calls_on_self(c) for k in call.keywords):
        return True
    if any(isinstance(n, ast.Constant) and n.value in dropped for n in ast.walk(override)):
        return True
    forwards = [f for f in map(_forward, others) if f is not None]
    handed_on = [
        c
        for c in _calls_on_self(override)
        if any(k.arg is None and _is_name(k.value, kwargs) for k in c.keywords)
    ]
    return any(_takes(call, forwards, dropped) for call in handed_on)


def _calls_on_self(node: ast.AST) -> Iterator[ast.Call]:
    """Calls of submodules and of the parent (`self.attn(...)`, `super().forward(...)`)."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            root: ast.expr = call.func
            while isinstance(root, ast.Attribute):
                root = root.value
            if _is_name(root, "self") or (isinstance(root, ast.Call) and _is_name(root.func, "super")):
                yield call


def _takes(call: ast.Call, forwards: list[ast.FunctionDef], dropped: list[str]) -> bool:
    """The receiver of the call takes a dropped keyword.

    That is the class of this file that the keywords fit best; a class from elsewhere is taken to do so.
    """
    keywords = {k.arg for k in call.keywords if k.arg}
    fitting = max(forwards, key=lambda f: len(keywords & _names(f)), default=None)
    if fitting is None or 2 * len(keywords & _names(fitting)) < len(keywords) or not keywords:
        return True
    return bool(_names(fitting) & set(dropped))


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _message(node: ast.ClassDef, dropped: list[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in dropped)
    return (
        f"{node.name}.forward no longer takes {listed}, which the parent's forward reads; passed by keyword, "
        "it falls into `**kwargs` and is ignored"
    )
