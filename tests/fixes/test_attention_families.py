"""Families about attention, and replicating in hooks, on small sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor.fixes.patch.general import not_in_place
from adapter_audit.auditor.fixes.patch.general.bias_for_prefixed_keys import FAMILY as BIAS
from adapter_audit.auditor.fixes.patch.general.fall_back_with_adapters import FAMILY as FALL_BACK
from adapter_audit.auditor.fixes.patch.general.replicate_what_enters import FAMILY as ENTERS
from adapter_audit.auditor.schema.result import Cause, Invariant
from adapter_audit.auditor.trace.records import Site

from .test_state_families import FILE, STATE, facts, finding, patched

PARENTS = """\
class Plain:
    def forward(self, x):
        return "plain"

class Fast(Plain):
    def forward(self, x):
        return super().forward(x)
"""
OVERRIDES = """\
from transformers.toy import Fast, Plain

class PlainWithAdapters(Plain):
    def forward(self, x):
        return "adapters"

class FastWithAdapters(Fast):
    def forward(self, x):
        return super().forward(x)
"""


def test_a_fall_back_takes_the_override_of_the_parents_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = finding(Cause.ATTENTION_DEPARTS, invariant=Invariant.ATTENTION_PARITY)
    (new,) = patched(FALL_BACK, OVERRIDES, found, transformers__toy=PARENTS)
    (tmp_path / "toy_parents.py").write_text(PARENTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    space: dict[str, Any] = {}
    exec(new.replace("transformers.toy", "toy_parents"), space)
    assert space["FastWithAdapters"]().forward(1) == "adapters"
    alone = OVERRIDES.replace("PlainWithAdapters(Plain)", "Other")
    assert patched(FALL_BACK, alone, found, transformers__toy=PARENTS) == []


HOOK = """\
def set_up(layer):
    def hook(module, given):
        adjust_tensors_for_parallel_(given[0], given[2])
        return given
    return hook
"""


def test_a_hook_hands_on_what_it_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from adapters.composition import adjust_tensors_for_parallel

    monkeypatch.setattr(not_in_place, "_in_folder", lambda folder: [FILE])
    about_training = finding(Cause.WRITTEN_IN_PLACE, 9)
    (new,) = patched(not_in_place.FAMILY, HOOK, about_training)
    space: dict[str, Any] = {"adjust_tensors_for_parallel": adjust_tensors_for_parallel}
    exec(new.split("\n", 1)[1] if new.startswith("from") else new, space)
    mask = torch.ones(2, 3)
    given = space["set_up"](None)(None, (torch.ones(4, 1), None, mask, "more"))
    assert mask.shape == (2, 3)
    assert (given[2].shape, given[1], given[3]) == ((4, 3), None, "more")


def test_what_divides_by_no_rows_is_repaired_where_the_state_was_made() -> None:
    known = facts(frames=(Site("adapters/composition.py", 1, "f"), Site(FILE, 9, "g")))
    found = finding(Cause.NOTHING_LEFT).model_copy(
        update={"primary": finding().primary.model_copy(update={"file": "adapters/composition.py"})}
    )
    (new,) = patched(ENTERS, STATE, found, known)
    assert "x, y = adjust_tensors_for_parallel(" in new
    assert patched(ENTERS, new, found, known) == []


SCORES = """\
import torch

def forward(self, query, key, value, given=None):
    key, value, _ = self.prefix_tuning(key, value)
    scores = torch.matmul(query, key.transpose(-1, -2))
    scores = scores + self.own_bias(3)
    if given is not None:
        scores = scores + given
    return scores

def fast(self, query, key, value, given=None):
    key, value, _ = self.prefix_tuning(key, value)
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=given)

def other(scores, given):
    scores = scores + given
    return scores
"""


def test_what_is_put_before_the_keys_has_no_bias() -> None:
    import torch

    found = finding(Cause.KEYS_LONGER, 7)
    found = found.model_copy(update={"primary": found.primary.model_copy(update={"file": FILE})})
    (new,) = patched(BIAS, SCORES, found)
    assert new.endswith(SCORES[SCORES.index("def other") :])
    space: dict[str, Any] = {}
    exec(new, space)

    class Attention:
        def prefix_tuning(self, key: Any, value: Any) -> tuple[Any, Any, None]:
            before = torch.zeros(1, 1, 2, 4)
            return torch.cat([before, key], 2), torch.cat([before, value], 2), None

        def own_bias(self, size: int) -> Any:
            return torch.ones(1, size, size)

    tensors = [torch.zeros(1, 1, 3, 4) for _ in range(3)]
    scores = space["forward"](Attention(), *tensors, torch.ones(1, 1, 3, 3))
    assert scores[0, 0].tolist() == [[0, 0, 2, 2, 2]] * 3
    for given in (None, torch.ones(1, 1, 3, 3)):
        assert space["fast"](Attention(), *tensors, given).shape == (1, 1, 3, 4)
    assert patched(BIAS, SCORES, finding(Cause.KEY_MISSING, 7)) == []
