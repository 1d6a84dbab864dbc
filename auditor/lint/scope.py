"""Which code is written for adapters: seen by what it uses, not by where it lies."""

from __future__ import annotations

import ast
import re

from .names import Imports, dotted

REPLICATE = "adjust_tensors_for_parallel"
REPLICATE_IN_PLACE = "adjust_tensors_for_parallel_"
MATCH = "match_attn_matrices_for_parallel"
LANE_HELPERS = frozenset({REPLICATE, REPLICATE_IN_PLACE, MATCH})
"""Functions of `adapters.composition` that make the rows of tensors agree."""

_LAYERS = frozenset({"prefix_tuning", "bottleneck_layer_forward", "invertible_adapters_forward"})
_LAYER_ATTRIBUTE = re.compile(r"^(attention|output|cross_attention|invertible)_adapters$")
_LAYER_MODULE = re.compile(r"^(adapters|\.+)\.?methods\.(lora|bottleneck|prefix_tuning|reft)$")
_BASE = re.compile(r"Adapters?(Layer)?Mixin$|WithAdapters$")


def calls_adapters(name: str) -> bool:
    """A call of a method or submodule with this name runs adapters."""
    return name in _LAYERS or bool(_LAYER_ATTRIBUTE.match(name))


def is_model_class(node: ast.ClassDef, imports: Imports) -> bool:
    """The class derives from an adapters mixin, is named as the library names them, or uses its helpers."""
    if node.name.endswith("WithAdapters"):
        return True
    bases = [dotted(b).rpartition(".")[2] for b in node.bases]
    if any(_BASE.search(b) or _is_library(imports.module_of(b)) for b in bases):
        return True
    return any(_uses_helpers(f, imports) for f in node.body if isinstance(f, ast.FunctionDef))


def _is_library(module: str) -> bool:
    return module == "adapters" or module.startswith("adapters.")


def _uses_helpers(function: ast.FunctionDef, imports: Imports) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and calls_adapters(node.attr):
            return True
        if isinstance(node, ast.Name):
            module, _, name = imports.resolve(node.id).rpartition(".")
            if name in LANE_HELPERS or _LAYER_MODULE.match(module):
                return True
    return False
