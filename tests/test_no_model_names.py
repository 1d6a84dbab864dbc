"""No code of the engine or of the rules knows a model by its name: what decides is structure, or data."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from adapter_audit import auditor
from adapter_audit.rules.base import Rule

ROOTS = (Path(inspect.getfile(auditor)).parent, Path(inspect.getfile(Rule)).parent)
FILES = [p for root in ROOTS for p in sorted(root.rglob("*.py")) if "toys" not in p.relative_to(root).parts]
PROGRAMS = frozenset({"git"})
"""Model types that are also the name of a program which the code calls."""
TYPES = {n for name in CONFIG_MAPPING_NAMES for n in (name, name.replace("-", "_"))} - PROGRAMS
CLASSES = frozenset(name.removesuffix("Config") for name in CONFIG_MAPPING_NAMES.values())
PARTS = r"(Sdpa|Flash|Self|Cross|PreTrained)*(Model|Config|Attention|Layer|Block|Encoder|Decoder|MLP|For)"
"""How the names of a model's classes go on; any word may follow."""
_CLASS = re.compile(rf"_?({'|'.join(sorted(map(re.escape, CLASSES), key=len, reverse=True))})({PARTS}\w*)?")
_WORD = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")


def code_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but docstrings and the cases of rules, which are audits of models."""
    for child in ast.iter_child_nodes(tree):
        text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        cases = isinstance(child, (ast.Assign, ast.AnnAssign)) and "cases" in map(
            ast.unparse, _targets(child)
        )
        if not text and not cases:
            yield child
            yield from code_nodes(child)


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def words_of(node: ast.AST) -> list[str]:
    """The words of a text, or an identifier."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _WORD.findall(node.value)
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ast":
        return []  # Python's syntax trees, not the model AST
    found = [getattr(node, field, None) for field in ("id", "attr", "arg", "name")]
    return [word for word in found if isinstance(word, str)]


def names_of_models(source: str) -> list[str]:
    """Words in the code that are a model's type, or one of its classes."""
    words = [word for node in code_nodes(ast.parse(source)) for word in words_of(node)]
    return [word for word in words if word.lower() in TYPES or _CLASS.fullmatch(word)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_code_knows_a_model_by_name(path: Path) -> None:
    assert names_of_models(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code",
    [
        'if config.model_type == "t5": ...',
        'if kind in ("xlm-roberta", "other"): ...',
        'PATH = "adapters/models/xlm_roberta/modeling.py"',
        "isinstance(model, BertModel)",
        'type(layer).__name__ == "T5Attention"',
        "from transformers import GPT2LMHeadModel, LlamaForCausalLM",
        "class BartSdpaAttentionFixed: ...",
        "def f(bert): ...",
    ],
)
def test_a_model_by_name_is_found(code: str) -> None:
    assert names_of_models(code)


@pytest.mark.parametrize(
    "code",
    [
        '"""Like T5Attention and BERT."""',
        "isinstance(node, ast.AST)",
        "class A:\n    cases = (Case(True, spec={'model': 'bert'}),)",
        "def f(encoder):\n    'For bert.'\n    return encoder.layers  # as in t5",
    ],
)
def test_what_only_tells_is_let_through(code: str) -> None:
    assert names_of_models(code) == []


@pytest.mark.parametrize("path", sorted(ROOTS[1].glob("aa*.py")), ids=lambda path: path.stem)
def test_no_rule_asks_for_a_models_type(path: Path) -> None:
    words = [w for node in code_nodes(ast.parse(path.read_text(encoding="utf-8"))) for w in words_of(node)]
    assert not [w for w in words if "model_type" in w or "modeling_" in w]
