"""One activation of a function while its data flow is followed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..knowledge.library_names import TRANSFORMERS
from .flow_values import Batch, Function, Global, Member, Tensor, Value, either

if TYPE_CHECKING:
    from .events import FlowEvents
    from .names import Imports

_SCALARS = re.compile(rf"\b(bool|int|float|str|{'|'.join(TRANSFORMERS.cache_classes)})\b")
MAX_DEPTH = 3
MAX_STEPS = 60_000


class TooLarge(Exception):
    """The function needs more steps than the analysis allows."""


@dataclass
class FileContext:
    """What all functions of a file share."""

    imports: Imports
    functions: dict[str, ast.FunctionDef]
    events: FlowEvents
    evaluate: Callable[[Frame, ast.expr], Value]
    enter: Callable[[Frame, Function, Sequence[Value], Mapping[str, Value]], Value]
    """Follows a call into a function of this file."""
    steps: int = 0

    def step(self) -> None:
        """Count one evaluation; raises TooLarge at the limit."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooLarge


@dataclass
class Frame:
    """Names and their values, and where in the program this is."""

    file: FileContext
    function: str
    """`Class.method`, for messages."""
    methods: dict[str, ast.FunctionDef]
    entry: Batch
    env: dict[str, Value] = field(default_factory=dict)
    depth: int = 0
    statement: ast.stmt | None = None
    replicates: bool = False
    """A tensor of this function was replicated for the lanes already."""
    returned: list[Value] = field(default_factory=list)
    ended: bool = False

    def lookup(self, name: str) -> Value:
        """The value of a name; names from outside are `Global`, or a function of the file."""
        if name in self.env:
            return self.env[name]
        if name in self.file.functions:
            return Function(self.file.functions[name], "module")
        return Global(self.file.imports.resolve(name))

    def branch(self) -> Frame:
        """A copy that one branch may change."""
        return replace(self, env=dict(self.env))

    def join(self, *branches: Frame) -> None:
        """Go on after these branches: a name may have the value of any that did not return."""
        going_on = [b for b in branches if not b.ended]
        self.replicates = any(b.replicates for b in branches)
        self.ended = not going_on
        if len(going_on) == 1:
            self.env = going_on[0].env
        elif going_on:
            self.env = _joined([b.env for b in going_on])


def _joined(envs: list[dict[str, Value]]) -> dict[str, Value]:
    names = dict.fromkeys(name for env in envs for name in env)
    result: dict[str, Value] = {}
    for name in names:
        values = [env.get(name) for env in envs]
        same = all(v is values[0] for v in values)
        result[name] = values[0] if same else either(values)
    return result


def parameters(node: ast.FunctionDef) -> list[ast.arg]:
    """Positional and keyword parameters, in order, without `*args` and `**kwargs`."""
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def arguments_of(node: ast.FunctionDef, entry: Batch) -> dict[str, Value]:
    """Values of a method's or function's parameters when nothing is known about the caller."""
    defaults = _defaults(node)
    env: dict[str, Value] = {}
    for index, parameter in enumerate(parameters(node)):
        if index == 0 and parameter.arg == "self":
            env["self"] = Member("self")
        elif _has_rows(parameter, defaults.get(parameter.arg)):
            env[parameter.arg] = Tensor(entry, parameter=parameter.arg)
        else:
            env[parameter.arg] = None
    return env


def _defaults(node: ast.FunctionDef) -> dict[str, ast.expr]:
    positional = [*node.args.posonlyargs, *node.args.args]
    found = {a.arg: d for a, d in zip(reversed(positional), reversed(node.args.defaults), strict=False)}
    keyword = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return found | {a.arg: d for a, d in keyword if d is not None}


def _has_rows(parameter: ast.arg, default: ast.expr | None) -> bool:
    if parameter.arg in TRANSFORMERS.unbatched_arguments:
        return False
    if parameter.annotation is not None and _SCALARS.search(ast.unparse(parameter.annotation)):
        return False
    return not (isinstance(default, ast.Constant) and default.value is not None)
