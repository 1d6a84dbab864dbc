"""The oracle on heads under names: healthy set-ups, and defects planted into the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from adapters.heads import ModelWithFlexibleHeadsAdaptersMixin as WithHeads

from .judge import judge
from .models import write_models

SEQ = "seq_bn[reduction_factor=4]"
HEADS = {"a": "classification[num_labels=2]", "b": "classification[num_labels=2]"}


def ask(folder: Path, model: str, compose: str = "parallel(a,b)", **more: Any) -> dict[str, Any]:
    spec = {"model": str(write_models(folder)[model]), "compose": compose, "adapter": "lora[r=2]"}
    return judge({**spec, "batch": 3, "seq_len": 7, "heads": HEADS, **more})


@pytest.mark.parametrize("model", ["bert", "t5", "bart"])
@pytest.mark.parametrize("compose", ["parallel(a,b)", "batchsplit(a,b;1,2)"])
def test_each_head_serves_its_adapter(model: str, compose: str, tmp_path: Path) -> None:
    result = ask(tmp_path, model, compose, adapter=SEQ)
    assert (result["verdict"], result["detail"]) == ("ok", "")


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_swapped_heads_are_wrong(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = WithHeads.forward_head

    def swapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        active = self._active_heads
        self._active_heads = list(reversed(active))
        try:
            return served(self, *args, **kwargs)
        finally:
            self._active_heads = active

    monkeypatch.setattr(WithHeads, "forward_head", swapped)
    result = ask(tmp_path, "bert", mode=mode)
    assert (result["verdict"], result["violations"][0]) == ("wrong", "lanes")


def test_a_head_is_no_part_of_the_adapter_of_its_name(tmp_path: Path) -> None:
    unlike = {"a": "lora[r=2]", "b": "lora[r=2,leave_out=[0,1]]"}
    result = ask(tmp_path, "bert", "stack(a,b)", adapters=unlike)
    assert (result["verdict"], result["detail"]) == ("no-effect", "b changes nothing")
