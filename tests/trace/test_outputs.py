"""What an output holds, whatever it is packed in."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy
import torch
from transformers import DynamicCache

from adapter_audit.auditor.trace.outputs import parts_of


@dataclass
class Pair:
    left: Any
    right: Any = None


def names(output: Any) -> tuple[list[str], dict[str, str]]:
    parts = parts_of(output)
    return list(parts.tensors), parts.unread


def test_containers_and_objects_are_looked_into() -> None:
    t = torch.zeros(2)
    assert names(t) == (["output"], {})
    assert names(numpy.zeros(3)) == (["output"], {})
    assert names([t, (t, {"x": t})]) == (["0", "1.0", "1.1.x"], {})
    assert names(namedtuple("Row", "a b")(t, 1)) == (["0"], {})
    assert names(Pair(Pair(t), SimpleNamespace(deep=[t], _hidden=t))) == (["left.left", "right.deep.0"], {})
    assert names({"past_key_values": t, "cache": DynamicCache(), "n": 1, "s": "x", "none": None}) == ([], {})


def test_what_cannot_be_read_is_named() -> None:
    assert names({"rows": (t for t in ())}) == ([], {"rows": "generator"})
    assert names({"set": {1}, "array": numpy.array(["a"])}) == (
        [],
        {"set": "set", "array": "an array of <U1"},
    )
    own = SimpleNamespace()
    own.itself, own.value = own, torch.zeros(1)
    assert names(own) == (["value"], {})
    deep: Any = torch.zeros(1)
    for _ in range(12):
        deep = Pair(deep)
    assert names(deep)[0] == []
    assert list(names(deep)[1].values()) == ["Pair at depth 8"]
