"""Follows the batch size through the functions of a file: statements and branches.

Every path through a function is taken (both branches, loop bodies twice), calls into functions of the
same file are followed. Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .calls import combine
from .events import FlowEvents
from .expressions import evaluate
from .flow_values import Batch, Either, Function, Group, Member, Shape, Tensor, Value, either, merged
from .frame import MAX_DEPTH, FileContext, Frame, TooLarge, arguments_of, parameters
from .observe import meet
from .scope import is_model_class
from .source_file import SourceFile


def follow(source: SourceFile) -> FlowEvents:
    """What the data flow through all functions of a file shows."""
    events = FlowEvents()
    functions = {n.name: n for n in source.tree.body if isinstance(n, ast.FunctionDef)}
    context = FileContext(source.imports, functions, events, evaluate, call_function)
    for node in source.classes:
        if is_model_class(node, source.imports):
            methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            for method in methods.values():
                _follow_function(context, method, methods, f"{node.name}.{method.name}")
    return events


def _follow_function(
    context: FileContext, node: ast.FunctionDef, methods: dict[str, ast.FunctionDef], name: str
) -> None:
    entry = Batch()
    context.steps = 0
    frame = Frame(context, name, methods, entry, arguments_of(node, entry))
    try:
        execute(frame, node.body)
    except (TooLarge, RecursionError):
        context.events.given_up.append(name)


def execute(frame: Frame, body: list[ast.stmt]) -> None:
    """Run statements until the branch ends."""
    for node in body:
        if frame.ended:
            return
        frame.file.step()
        frame.statement = node
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(frame, node)


def bind(frame: Frame, target: ast.expr, value: Value) -> None:
    """Assign a value to a name or, item by item, to a tuple of names."""
    if isinstance(target, ast.Name):
        frame.env[target.id] = value
    elif isinstance(target, (ast.Tuple, ast.List)):
        for index, item in enumerate(target.elts):
            inner = item.value if isinstance(item, ast.Starred) else item
            bind(frame, inner, None if isinstance(item, ast.Starred) else item_of(value, index))


def item_of(value: Value, index: int) -> Value:
    """Item number `index` of what is being unpacked."""
    if isinstance(value, Either):
        return either(item_of(v, index) for v in value.values)
    if isinstance(value, Group):
        return value.items[index] if index < len(value.items) else None
    if isinstance(value, Shape):
        return value.first if index == 0 else None
    if isinstance(value, Tensor):
        return Tensor(value.batch, parameter=value.parameter, plain=value.plain)
    return value if isinstance(value, Member) else None


def _assign(frame: Frame, node: ast.Assign) -> None:
    value = evaluate(frame, node.value)
    for target in node.targets:
        bind(frame, target, value)


def _annotated(frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        bind(frame, node.target, evaluate(frame, node.value))


def _augmented(frame: Frame, node: ast.AugAssign) -> None:
    left, right = evaluate(frame, node.target), evaluate(frame, node.value)
    meet(frame, node, [(node.target, left), (node.value, right)])
    operands = [t for t in (merged(left), merged(right)) if t is not None]
    bind(frame, node.target, combine(operands, node) if operands else None)


def _if(frame: Frame, node: ast.If) -> None:
    evaluate(frame, node.test)
    then, other = frame.branch(), frame.branch()
    execute(then, node.body)
    execute(other, node.orelse)
    frame.join(then, other)


def _loop(frame: Frame, node: ast.For | ast.While) -> None:
    if isinstance(node, ast.For):
        bind(frame, node.target, _element(evaluate(frame, node.iter)))
    else:
        evaluate(frame, node.test)
    for _ in range(2):
        skipped, body = frame.branch(), frame.branch()
        execute(body, node.body)
        body.ended = False
        frame.join(skipped, body)
    execute(frame, node.orelse)


def _element(value: Value) -> Value:
    """What a loop variable holds: a submodule of a list of submodules, a piece of a split tensor."""
    if isinstance(value, Tensor):
        return Tensor(value.batch) if value.is_tuple else None
    if isinstance(value, Group):
        return either(value.items)
    return value if isinstance(value, Member) else None


def _try(frame: Frame, node: ast.Try) -> None:
    before, tried = frame.branch(), frame.branch()
    execute(tried, node.body)
    execute(tried, node.orelse)
    handled = []
    for handler in node.handlers:
        branch = before.branch()
        execute(branch, handler.body)
        handled.append(branch)
    frame.join(tried, *handled)
    execute(frame, node.finalbody)


def _with(frame: Frame, node: ast.With) -> None:
    for item in node.items:
        value = evaluate(frame, item.context_expr)
        if item.optional_vars is not None:
            bind(frame, item.optional_vars, value)
    execute(frame, node.body)


def _match(frame: Frame, node: ast.Match) -> None:
    subject = evaluate(frame, node.subject)
    branches = [frame.branch()]
    for case in node.cases:
        branch = frame.branch()
        for pattern in ast.walk(case.pattern):
            name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
            if name:
                branch.env[name] = subject if isinstance(pattern, ast.MatchAs) else None
        execute(branch, case.body)
        branches.append(branch)
    frame.join(*branches)


def _return(frame: Frame, node: ast.Return) -> None:
    frame.returned.append(evaluate(frame, node.value) if node.value is not None else None)
    frame.ended = True


def _end(frame: Frame, _node: ast.stmt) -> None:
    frame.ended = True


def _expression(frame: Frame, node: ast.Expr) -> None:
    evaluate(frame, node.value)


def _function(frame: Frame, node: ast.FunctionDef) -> None:
    frame.env[node.name] = Function(node, "nested")


def _delete(frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        bind(frame, target, None)


_STATEMENTS: dict[type[ast.stmt], Callable[[Frame, Any], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.For: _loop,
    ast.While: _loop,
    ast.Try: _try,
    ast.With: _with,
    ast.Match: _match,
    ast.Return: _return,
    ast.Raise: _end,
    ast.Continue: _end,
    ast.Break: _end,
    ast.Expr: _expression,
    ast.FunctionDef: _function,
    ast.Delete: _delete,
}


def call_function(
    frame: Frame, function: Function, positional: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    """The value that a function of this file returns for these arguments; None beyond the depth limit."""
    if frame.depth >= MAX_DEPTH:
        return None
    node = function.node
    env = dict(frame.env) if function.kind == "nested" else {}
    names = [p.arg for p in parameters(node)]
    if function.kind == "method" and names[:1] == ["self"]:
        env["self"] = Member("self")
        names = names[1:]
    env.update(dict.fromkeys(names))
    env.update(zip(names, positional, strict=False))
    env.update({k: v for k, v in keywords.items() if k in names})
    inner = replace(frame, env=env, depth=frame.depth + 1, returned=[], ended=False)
    execute(inner, node.body)
    return either(inner.returned)
