"""A bias for attention scores was made for the model's own tokens, but keys were put before them.

What was put before has no position in the model, so it gets no bias: zeros are put before the bias, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import Cause
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit
from ..operands import is_plain

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

PREFIXING = ".prefix_tuning("
PADDED = "torch.nn.functional.pad({bias}, ({keys} - {bias}.shape[-1], 0, {rows} - {bias}.shape[-2], 0))"
BIAS = "bias"
"""Name of a bias that gets a statement of its own, so that its size can be read."""


class BiasForPrefixedKeys:
    """See the module's docstring."""

    name = "bias-for-prefixed-keys"
    rank = 1

    def propose(self, _facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All biases in the functions of the file that put keys before the model's own."""
        file = finding.primary.file or ""
        if finding.cause is not Cause.KEYS_LONGER or not file.startswith(ADAPTERS.package):
            return
        module = sources.module(file)
        functions = [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)] if module else []
        edits = [
            e
            for f in functions
            if module and ADAPTERS.prefixing in module.code(f)
            for e in _padded(module, f)
        ]
        if module is not None and edits:
            needed = () if module.binds("torch") else (module.importing("", "torch"),)
            yield SourceEdit(module.file, (*needed, *edits), "give what is put before the keys no bias")


def _padded(module: Module, function: ast.FunctionDef) -> Iterator[Edit]:
    scores: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            yield from _in_call(node)
        if not isinstance(node, ast.Assign):
            continue
        target, value = ast.unparse(node.targets[0]), node.value
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "torch.matmul" and not scores:
            scores.add(target)
        summed = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and target in scores
        if isinstance(value, ast.BinOp) and summed and ast.unparse(value.left) == target:
            yield from _in_sum(module, node, target, value.right)


def _in_sum(module: Module, statement: ast.stmt, scores: str, bias: ast.expr) -> Iterator[Edit]:
    name = module.code(bias) if is_plain(bias) else BIAS
    if not is_plain(bias):
        yield Edit.before(statement, f"{BIAS} = {module.code(bias)}")
    yield Edit.of(bias, PADDED.format(bias=name, keys=f"{scores}.shape[-1]", rows=f"{scores}.shape[-2]"))


def _in_call(call: ast.Call) -> Iterator[Edit]:
    """`scaled_dot_product_attention(query, key, value, attn_mask=bias)`."""
    if not ast.unparse(call.func).endswith("scaled_dot_product_attention") or len(call.args) < 2:
        return
    query, key = map(ast.unparse, call.args[:2])
    for given in (k for k in call.keywords if k.arg == "attn_mask" and isinstance(k.value, ast.Name)):
        name = ast.unparse(given.value)
        padded = PADDED.format(bias=name, keys=f"{key}.shape[-2]", rows=f"{query}.shape[-2]")
        yield Edit.of(given.value, f"None if {name} is None else {padded}")


FAMILY = BiasForPrefixedKeys()
