"""What the data flow saw, as plain records that the source rules read."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal

from .flow_values import Size, Tensor


@dataclass(frozen=True)
class StaleSize:
    """A row count used on a tensor that may have more rows by then."""

    call: ast.Call
    tensor_node: ast.expr
    size_node: ast.expr
    tensor: Tensor
    size: Size
    use: Literal["reshape", "expand", "argument"]
    statement: ast.stmt
    plain: bool
    """Dim 0 of the tensor and the row count are the batch alone: `shape[0]` can stand for it."""
    sequence: bool
    """`size_node` is a whole shape whose first item is the row count."""


@dataclass(frozen=True)
class Meeting:
    """An operation that combines a tensor with replicated rows and an argument that was not replicated."""

    node: ast.AST
    grown: Tensor
    other_node: ast.expr
    other: Tensor
    replicates: bool
    """The function replicates other tensors: it is written for lanes."""
    function: str
    """`Class.method`."""


@dataclass(frozen=True)
class Interleaving:
    """A replication that puts the copies of a row side by side, or that only works for one row."""

    call: ast.Call
    method: Literal["repeat_interleave", "expand"]
    tensor_node: ast.expr


@dataclass
class FlowEvents:
    """All events of one file; the same place is kept once."""

    stale: dict[tuple[int, int], StaleSize] = field(default_factory=dict)
    meetings: dict[tuple[int, int, str], Meeting] = field(default_factory=dict)
    interleavings: dict[tuple[int, int], Interleaving] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    """Functions too large to follow."""
